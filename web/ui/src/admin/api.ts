// The admin API of the gateway, as far as the dashboard uses it.

import { Reader } from './sse.ts';

export interface Session {
  id: string;
  state: 'waiting' | 'open' | 'paused';
  user?: string;
  method?: string;
  from: string;
  target: string;
  /** The gateway that has it, of several. */
  node?: string;
  /** Through whose tunnel the display is reached. */
  agent?: string;
  class?: string;
  since: string;
  expires?: string;
  rights: string[];
  /** What was granted and taken back. */
  withheld?: string[];
  ticket?: string;
  /** Others may look on in it. */
  followed?: boolean;
  bytes_up: number;
  bytes_down: number;
  rtt_ms?: number;
}

export interface Target {
  name: string;
  address?: string;
  state: 'up' | 'down' | 'unknown';
  reason?: string;
  sessions: number;
  node?: string; // that the agent is connected to which announces it
}

export interface Listener {
  name: string;
  target?: string;
  page?: string;
}

export interface Stats {
  version: string;
  draining: boolean;
  drain_ends?: string;
  older_processes?: number;
  older_sessions?: number;
  open: number;
  waiting: number;
  paused: number;
  handshakes: number;
}

export interface Recording {
  name: string;
  session?: string;
  target?: string;
  user?: string;
  from?: string;
  since?: string;
  seconds: number;
  bytes: number;
  width?: number;
  height?: number;
  state: 'whole' | 'open' | 'locked' | 'broken';
  signed?: boolean;
}

export interface Agent {
  name: string;
  state: 'connected' | 'away' | 'revoked';
  since?: string;
  seen?: string;
  from?: string;
  version?: string;
  certificate_ends?: string;
  /** The gateway that it is connected to, of several. */
  node?: string;
  services: string[];
  sessions: number;
  bytes: { in: number; out: number };
  rtt_ms?: number;
}

/** GatewayNode is one gateway of several. */
export interface GatewayNode {
  name: string;
  /** It is the one that answers. */
  self?: boolean;
  address?: string;
  version?: string;
  since?: string;
  sessions: number;
  agents: number;
  /** It can be told and asked from the one that answers. */
  answers: boolean;
  ms?: number;
  error?: string;
}

export interface Nodes {
  nodes: GatewayNode[];
  redis: 'up' | 'away';
  since?: string;
  error?: string;
  /** Who comes in while Redis is away. */
  alone?: 'closed' | 'local';
}

export interface Happened {
  id: string;
  event: string;
  time: string;
  data: {
    /** The other gateway at which it happened. */
    node?: string;
    session?: Session;
    target?: string;
    from?: string;
    actor?: string;
    reason?: string;
    words?: string;
    error?: string;
    missed?: number;
    details?: Record<string, string>;
  };
}

export interface WhoAmI {
  name: string;
  role: string;
  commands: string[];
}

export interface Probe {
  ok: boolean;
  error?: string;
  ms: number;
  width?: number;
  height?: number;
}

export interface Shared {
  id: string;
  link?: string;
  token: string;
  expires: string;
}

/** ApiError is a refusal in the gateway's words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    words: string,
  ) {
    super(words);
  }
}

/** Silence is a gateway that does not answer. */
export class Silence extends Error {}

// A page of a list is small; this many would be more than anybody can read.
const maxPages = 40;

/** Api asks with a token, or with what the browser proves by itself. */
export class Api {
  constructor(
    readonly token: string,
    private readonly base = './api/v1/',
    private readonly patience = 20_000,
  ) {}

  get<T>(path: string): Promise<T> {
    return this.ask<T>(path, { headers: { Accept: 'application/json' } });
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.ask<T>(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  }

  /** picture is a small one of a display's screen, and when that was so. */
  async picture(target: string): Promise<{ blob: Blob; at: number }> {
    const answer = await this.fetch(`targets/${encodeURIComponent(target)}/screenshot?size=480x300&format=jpeg&quality=80`, { signal: AbortSignal.timeout(this.patience) });
    // Our clock need not be the gateway's, whose own Date tells how old the picture is.
    const age = Date.parse(answer.headers.get('Date') ?? '') - Date.parse(answer.headers.get('Last-Modified') ?? '');
    return { blob: await answer.blob(), at: Date.now() - (age > 0 ? age : 0) };
  }

  /** all gathers a list that comes in parts. */
  async all<T>(noun: string, query = ''): Promise<T[]> {
    const list: T[] = [];
    let after = query === '' ? '' : `?${query}`;
    for (let i = 0; i < maxPages; i++) {
      const page = await this.get<Record<string, T[]> & { next?: string }>(`${noun}${after}`);
      list.push(...(page[noun] ?? []));
      if (page.next === undefined || page.next === '') break;
      after = `?${query === '' ? '' : `${query}&`}after=${encodeURIComponent(page.next)}`;
    }
    return list;
  }

  /** follow tells of events until the connection ends. */
  async follow(after: string, stop: AbortSignal, opened: () => void, tell: (e: Happened) => void): Promise<void> {
    const query = after === '' ? '?last=100' : `?after=${encodeURIComponent(after)}`;
    const answer = await this.fetch(`events${query}`, { headers: { Accept: 'text/event-stream' }, signal: stop });
    if (answer.body === null) throw new Silence();
    opened();
    const reader = new Reader();
    const text = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await text.read();
      if (done) return;
      for (const message of reader.take(value)) tell({ id: '', ...(JSON.parse(message.data) as object) } as Happened);
    }
  }

  private async ask<T>(path: string, init: RequestInit): Promise<T> {
    const answer = await this.fetch(path, { ...init, signal: AbortSignal.timeout(this.patience) });
    return (await answer.json()) as T;
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.token !== '') headers.set('Authorization', `Bearer ${this.token}`);
    let answer: Response;
    try {
      answer = await fetch(this.base + path, { ...init, headers, cache: 'no-store', credentials: 'same-origin' });
    } catch {
      throw new Silence('The gateway does not answer');
    }
    if (!answer.ok) throw new ApiError(answer.status, await words(answer));
    return answer;
  }
}

async function words(answer: Response): Promise<string> {
  try {
    const body = (await answer.json()) as { error?: unknown };
    if (typeof body.error === 'string') return body.error;
  } catch {
    // Something between us and the gateway has answered.
  }
  return `The gateway answered with ${answer.status}`;
}
