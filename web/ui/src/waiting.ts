// What a viewer is told while the gateway waits for a display to come up. RFB has no words for that time, so the page asks
// beside it.

import { questionURL, sameOrigin } from './url.ts';

/** Wait is what the gateway says of a display that is not up yet. */
export interface Wait {
  words: string;
  /** Since when, in milliseconds of this device's clock. */
  since: number;
}

// The first question comes after a second, for most displays are there at once; then ever more rarely.
const firstDelay = 1000; // milliseconds
const longestDelay = 5000;
const patience = 5000;

// Whole seconds come over the wire: a start that seems to have moved by no more has not moved.
const jitter = 2000;

const longestWords = 300;

/** askWait asks about the display of a WebSocket that is open; undefined means that nobody waits, or that nobody says. */
export async function askWait(socket: URL, fetcher: typeof fetch = fetch): Promise<Wait | undefined> {
  try {
    const response = await fetcher(questionURL(socket), {
      headers: { Accept: 'application/json' },
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.timeout(patience),
    });
    const body: unknown = await response.json();
    if (typeof body !== 'object' || body === null || !('waiting' in body) || typeof body.waiting !== 'string') return undefined;
    const seconds = 'seconds' in body && typeof body.seconds === 'number' ? Math.max(0, body.seconds) : 0;
    return { words: body.waiting.slice(0, longestWords), since: Date.now() - seconds * 1000 };
  } catch {
    return undefined;
  }
}

/** Inquiry asks again and again, and tells what has changed. */
export class Inquiry {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private round = 0;
  private last: Wait | undefined;

  constructor(
    private readonly told: (wait: Wait | undefined) => void,
    private readonly asker: (socket: URL) => Promise<Wait | undefined> = askWait,
  ) {}

  /** start begins to ask about the display at socket; another origin may not be asked. */
  start(socket: URL, page: URL): void {
    this.stop();
    if (sameOrigin(socket, page)) this.later(socket, firstDelay);
  }

  /** stop ends it: the picture is there, or it is the user's turn. */
  stop(): void {
    clearTimeout(this.timer);
    this.round++;
    this.tell(undefined);
  }

  private later(socket: URL, delay: number): void {
    this.timer = setTimeout(() => void this.once(socket, delay), delay);
  }

  private async once(socket: URL, delay: number): Promise<void> {
    const { round } = this;
    const wait = await this.asker(socket);
    if (round !== this.round) return; // stopped meanwhile
    this.tell(wait);
    this.later(socket, Math.min(delay + firstDelay, longestDelay));
  }

  private tell(wait: Wait | undefined): void {
    const { last } = this;
    if (wait === last) return;
    if (wait !== undefined && last?.words === wait.words && Math.abs(wait.since - last.since) < jitter) return;
    this.last = wait;
    this.told(wait);
  }
}

/** elapsed is a time in words, such as "12 seconds" or "3 min 5 s". */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
