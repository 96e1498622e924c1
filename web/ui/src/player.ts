// Steering a recording: what the page knows of it, and what it asks the gateway for. The picture itself comes as that of
// any display.

import { Store } from './store.ts';
import type { Answer, PlayWish } from './wish.ts';

/** Mark is a moment that is worth a jump. */
export interface Mark {
  at: number; // seconds
  kind: string;
  text: string;
}

/** Timeline is what happens in a recording, and when. */
export interface Timeline {
  /** How much happens in each of so many equal parts, from 0 to 100. */
  activity: readonly number[];
  marks: readonly Mark[];
  /** What was typed can be searched. */
  search: boolean;
}

/** Playing is how far a recording is; times are in seconds. */
export interface Playing {
  recording: string;
  position: number;
  duration: number;
  speed: number;
  playing: boolean;
  atEnd: boolean;
  skipIdle: number;
  error: string;
}

export interface PlayerState {
  /** Undefined until the gateway has said. */
  now: Playing | undefined;
  timeline: Timeline | undefined;
  found: readonly Mark[] | undefined;
  fault: string;
}

/** speeds are the choices that there are. */
export const speeds = [0.25, 0.5, 1, 2, 4, 8, 16];

/** idleTime is how long nothing has to happen for that to be left out, in seconds. */
export const idleTime = 2;

const askEvery = 1000; // milliseconds
const tickEvery = 200;
const maxPictures = 200;

type Fields = Partial<Record<string, unknown>>;

const number = (v: unknown): number => (typeof v === 'number' && Number.isFinite(v) ? v : 0);
const text = (v: unknown): string => (typeof v === 'string' ? v : '');
const fields = (v: unknown): Fields => (typeof v === 'object' && v !== null ? v : {});

/** readPlaying reads the gateway's answer; undefined if it is none. */
export function readPlaying(body: unknown): Playing | undefined {
  const of = fields(body);
  if (typeof of['duration'] !== 'number' || typeof of['position'] !== 'number') return undefined;
  return {
    recording: text(of['recording']),
    position: number(of['position']),
    duration: number(of['duration']),
    speed: number(of['speed']) || 1,
    playing: of['playing'] === true,
    atEnd: of['at_end'] === true,
    skipIdle: number(of['skip_idle']),
    error: text(of['error']),
  };
}

function readMarks(list: unknown): Mark[] {
  if (!Array.isArray(list)) return [];
  return list.map(fields).map((m) => ({ at: number(m['at']), kind: text(m['kind']), text: text(m['text']) }));
}

/** readTimeline reads the gateway's answer. */
export function readTimeline(body: unknown): Timeline {
  const of = fields(body);
  const activity = Array.isArray(of['activity']) ? of['activity'].map((n) => Math.min(100, Math.max(0, number(n)))) : [];
  return { activity, marks: readMarks(of['marks']), search: of['search'] === true };
}

/** clock is a time as players show it: 0:07, 12:34, 1:02:03. */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

const kinds: Record<string, string> = {
  typed: 'Typing begins',
  clipboard: 'The clipboard is sent',
  size: 'The screen has another size',
  mark: 'The gateway notes something',
};

/** describe says what happens at a mark. */
export function describe(mark: Mark): string {
  const what = kinds[mark.kind] ?? 'Something happens';
  return mark.text === '' ? what : `${what}: ${mark.text}`;
}

/** next is the mark behind a moment, or with back the one before it. */
export function next(marks: readonly Mark[], at: number, back = false): Mark | undefined {
  const near = 0.75; // whoever has just jumped to one wants the one before
  return back ? marks.findLast((m) => m.at < at - near) : marks.find((m) => m.at > at + 0.05);
}

/** Player steers the recording of one session. */
export class Player {
  readonly store = new Store<PlayerState>({ now: undefined, timeline: undefined, found: undefined, fault: '' });
  private pictures = new Map<number, string>();
  private asked = performance.now(); // when now was true
  private poll: ReturnType<typeof setInterval> | undefined;
  private tick: ReturnType<typeof setInterval> | undefined;
  private asking = 0;

  constructor(private readonly ask: (what: PlayWish) => Promise<Answer>) {}

  /** start keeps asking how far the recording is. */
  start(): void {
    this.poll = setInterval(() => void this.do({ do: '' }), askEvery);
    this.tick = setInterval(() => this.advance(), tickEvery);
    void this.do({ do: '' });
    void this.look();
  }

  stop(): void {
    clearInterval(this.poll);
    clearInterval(this.tick);
  }

  private get now(): Playing | undefined {
    return this.store.get().now;
  }

  toggle(): void {
    const { now } = this;
    if (now !== undefined) void this.do({ do: now.playing && !now.atEnd ? 'pause' : 'play' });
  }

  seek(position: number): void {
    const { now } = this;
    if (now === undefined) return;
    const to = Math.min(Math.max(position, 0), now.duration);
    this.took({ ...now, position: to, atEnd: false }); // at once; the gateway says so soon
    void this.do({ do: 'seek', position: to });
  }

  /** step moves by some seconds. */
  step(by: number): void {
    if (this.now !== undefined) this.seek(this.now.position + by);
  }

  /** jump goes to the next mark, or back to the one before. */
  jump(back: boolean): void {
    const { now, timeline } = this.store.get();
    if (now === undefined) return;
    const mark = next(timeline?.marks ?? [], now.position, back);
    this.seek(mark?.at ?? (back ? 0 : now.duration));
  }

  /** setSpeed plays at one of the speeds, and leaves idle times out or not. */
  setSpeed(speed: number, skip = (this.now?.skipIdle ?? 0) > 0): void {
    const { now } = this;
    if (now === undefined) return;
    this.advance();
    const skipIdle = skip ? idleTime : 0;
    this.took({ ...(this.now ?? now), speed, skipIdle }); // at once: the next change of the two builds on it
    void this.do({ do: 'speed', speed, skip_idle: skipIdle });
  }

  /** faster takes the next of the speeds, or slower the one before. */
  faster(up: boolean): void {
    const { now } = this;
    if (now === undefined) return;
    const speed = up ? speeds.find((s) => s > now.speed) : speeds.findLast((s) => s < now.speed);
    if (speed !== undefined) this.setSpeed(speed);
  }

  /** picture is a small one of a moment, as a data: URL. */
  async picture(at: number): Promise<string | undefined> {
    const second = Math.max(0, Math.floor(at));
    const known = this.pictures.get(second);
    if (known !== undefined) return known;
    const answer = await this.ask({ do: 'thumbnail', position: second });
    const url = answer.ok ? text(fields(answer.body)['picture']) : '';
    if (!url.startsWith('data:image/')) return undefined;
    if (this.pictures.size >= maxPictures) this.pictures.clear();
    this.pictures.set(second, url);
    return url;
  }

  /** search looks in what was typed. */
  async search(words: string): Promise<void> {
    if (words.trim() === '') {
      this.store.set({ found: undefined });
      return;
    }
    const answer = await this.ask({ do: 'search', text: words });
    if (answer.ok) this.store.set({ found: readMarks(fields(answer.body)['found']), fault: '' });
    else this.store.set({ fault: answer.words });
  }

  private async look(): Promise<void> {
    const answer = await this.ask({ do: 'timeline' });
    if (answer.ok) this.store.set({ timeline: readTimeline(answer.body) });
  }

  private async do(what: PlayWish): Promise<void> {
    const mine = ++this.asking;
    const answer = await this.ask(what);
    if (mine !== this.asking) return; // something newer is under way
    if (!answer.ok) {
      if (what.do !== '') this.store.set({ fault: answer.words });
      return;
    }
    const now = readPlaying(answer.body);
    if (now !== undefined) this.took(now);
  }

  private took(now: Playing): void {
    this.asked = performance.now();
    this.store.set({ now, fault: '' });
  }

  // The time line moves between two answers, too.
  private advance(): void {
    const { now } = this;
    if (now === undefined || !now.playing || now.atEnd) return;
    const t = performance.now();
    const position = Math.min(now.duration, now.position + ((t - this.asked) / 1000) * now.speed);
    this.asked = t;
    this.store.set({ now: { ...now, position } });
  }
}
