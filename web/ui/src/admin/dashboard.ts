// What the dashboard knows, and how it keeps knowing it: events tell that something has changed, and a question now and
// then tells what cannot be an event, such as rates.

import { Store } from '../store.ts';
import { Never, Pictures } from './pictures.ts';
import { type Agent, Api, ApiError, type Happened, type Listener, type Nodes, type Probe, type Recording, type Session, type Shared, type Stats, type Target, type WhoAmI } from './api.ts';

/** Rate is what a session moves now, in bytes a second. */
export interface Rate {
  up: number;
  down: number;
}

export interface State {
  phase: 'asking' | 'login' | 'open';
  me: WhoAmI | undefined;
  sessions: Session[] | undefined;
  rates: ReadonlyMap<string, Rate>;
  targets: Target[];
  listeners: Listener[];
  stats: Stats | undefined;
  /** The newest first; undefined where none can be watched, or not by the reader. */
  recordings: Recording[] | undefined;
  agents: Agent[] | undefined;
  /** The gateways that are one; undefined where there is but one. */
  nodes: Nodes | undefined;
  /** The newest first. */
  events: Happened[];
  /** How the page learns what happens: by a stream, by asking again and again, or not at all. */
  link: 'live' | 'polling' | 'lost';
  fault: string;
  notice: string;
}

const nothing: State = {
  phase: 'asking',
  me: undefined,
  sessions: undefined,
  rates: new Map(),
  targets: [],
  listeners: [],
  stats: undefined,
  recordings: undefined,
  agents: undefined,
  nodes: undefined,
  events: [],
  link: 'polling',
  fault: '',
  notice: '',
};

const tokenKey = 'vncgate-admin-token';
const askEvery = 2000;
const followAgain = 3000;
const eventsShown = 100;
const noticeTime = 6000;

/** Dashboard is the page's dealings with the gateway. */
export class Dashboard {
  readonly store = new Store<State>(nothing);
  /** Those of displays' screens, for whoever may see them; undefined: nobody. */
  pictures: Pictures | undefined;
  private unrecorded = false;
  private api = new Api('');
  private stop = new AbortController();
  private before = new Map<string, { at: number; up: number; down: number }>();
  private asking = false;
  private again = false;
  private noticeTimer = 0;

  constructor(private readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>) {}

  /** begin logs in with the token that there is; without one a certificate may do. */
  async begin(token = this.storage.getItem(tokenKey) ?? ''): Promise<void> {
    this.stop.abort();
    this.stop = new AbortController();
    this.pictures?.end();
    this.api = new Api(token.trim());
    this.store.set({ phase: 'asking', fault: '' });
    try {
      const me = await this.api.get<WhoAmI>('whoami');
      if (token !== '') this.storage.setItem(tokenKey, token.trim());
      this.pictures = me.role === 'viewer' ? undefined : new Pictures((target) => this.picture(target));
      this.store.set({ ...nothing, phase: 'open', me });
    } catch (e) {
      const refused = e instanceof ApiError && e.status === 401;
      if (refused) this.storage.removeItem(tokenKey);
      this.store.set({ ...nothing, phase: 'login', fault: refused && token === '' ? '' : wordsOf(e) });
      return;
    }
    const { signal } = this.stop;
    await this.refresh();
    void this.follow(signal);
    void this.poll(signal);
  }

  /** leave forgets the token. */
  leave(): void {
    this.stop.abort();
    this.pictures?.end();
    this.storage.removeItem(tokenKey);
    this.store.set({ ...nothing, phase: 'login' });
  }

  may(command: string): boolean {
    return this.store.get().me?.commands.includes(command) ?? false;
  }

  /** act runs a command on a session, a target or the gateway, and says how it went. */
  async act(path: string, body: object, done: string): Promise<boolean> {
    try {
      await this.api.post(path, body);
      this.say(done);
      void this.refresh();
      return true;
    } catch (e) {
      this.say(wordsOf(e));
      return false;
    }
  }

  /** probe tries a target through the whole stack, and says what came of it. */
  async probe(target: string): Promise<void> {
    this.say(`Trying ${target} …`);
    try {
      const p = await this.api.post<Probe>(`targets/${encodeURIComponent(target)}/probe`, {});
      this.say(p.ok ? `${target} works: ${p.width ?? 0} × ${p.height ?? 0}, in ${Math.round(p.ms)} ms` : `${target} does not work: ${p.error ?? 'no reason'}`);
    } catch (e) {
      this.say(wordsOf(e));
    }
    void this.refresh();
  }

  /** share makes a link to a target, or says why there is none. */
  async share(target: string, body: object): Promise<Shared | undefined> {
    try {
      return await this.api.post<Shared>(`targets/${encodeURIComponent(target)}/share`, body);
    } catch (e) {
      this.say(wordsOf(e));
      return undefined;
    }
  }

  private async picture(target: string): Promise<{ blob: Blob; at: number }> {
    try {
      return await this.api.picture(target);
    } catch (e) {
      throw e instanceof ApiError && (e.status === 403 || e.status === 404) ? new Never(e.message) : e;
    }
  }

  /** lookAtRecordings asks which there are. */
  async lookAtRecordings(): Promise<void> {
    if (!this.may('query-recordings') || this.unrecorded || document.hidden) return;
    try {
      this.store.set({ recordings: await this.api.all<Recording>('recordings') });
    } catch (e) {
      // None can be watched here, or the gateway does not answer, which others say.
      this.unrecorded = e instanceof ApiError && e.status === 501;
    }
  }

  /** lookAtAgents asks which there are, those that are away too. */
  async lookAtAgents(): Promise<void> {
    if (!this.may('query-agents') || document.hidden) return;
    try {
      this.store.set({ agents: await this.api.all<Agent>('agents', 'all=true') });
    } catch {
      // The gateway does not answer, which others say.
    }
  }

  /** lookAtNodes asks which gateways are one with this, and how they are. */
  async lookAtNodes(): Promise<void> {
    if (!this.may('query-nodes') || document.hidden) return;
    const { signal } = this.stop;
    try {
      const nodes = await this.api.get<Nodes>('nodes');
      if (!signal.aborted) this.store.set({ nodes });
    } catch {
      // The gateway does not answer, which others say.
    }
  }

  /** link makes a link for one viewer, or says why there is none. */
  async link(path: string, body: object): Promise<Shared | undefined> {
    try {
      return await this.api.post<Shared>(path, body);
    } catch (e) {
      this.say(wordsOf(e));
      return undefined;
    }
  }

  say(notice: string): void {
    window.clearTimeout(this.noticeTimer);
    this.store.set({ notice });
    this.noticeTimer = window.setTimeout(() => this.store.set({ notice: '' }), noticeTime);
  }

  /** refresh asks for everything, once at a time. */
  async refresh(): Promise<void> {
    if (this.asking) {
      this.again = true;
      return;
    }
    this.asking = true;
    const { signal } = this.stop;
    try {
      const [sessions, targets, listeners, stats] = await Promise.all([
        this.api.all<Session>('sessions'),
        this.api.all<Target>('targets'),
        this.api.all<Listener>('listeners'),
        this.api.get<Stats>('stats'),
      ]);
      if (this.store.get().link !== 'live') await this.catchUp();
      if (!signal.aborted) this.took(sessions, targets, listeners, stats);
    } catch (e) {
      if (!signal.aborted) this.lost(e);
    } finally {
      this.asking = false;
      this.refreshAgain();
    }
  }

  private refreshAgain(): void {
    if (!this.again) return;
    this.again = false;
    void this.refresh();
  }

  private took(sessions: Session[], targets: Target[], listeners: Listener[], stats: Stats): void {
    const now = performance.now();
    const rates = new Map<string, Rate>();
    const after = new Map<string, { at: number; up: number; down: number }>();
    for (const s of sessions) {
      const old = this.before.get(s.id);
      after.set(s.id, { at: now, up: s.bytes_up, down: s.bytes_down });
      if (old === undefined || now - old.at < 1) continue;
      const seconds = (now - old.at) / 1000;
      rates.set(s.id, { up: Math.max(0, s.bytes_up - old.up) / seconds, down: Math.max(0, s.bytes_down - old.down) / seconds });
    }
    this.before = after;
    const link = this.store.get().link === 'live' ? 'live' : 'polling';
    this.store.set({ sessions, targets, listeners, stats, rates, fault: '', link });
  }

  private lost(e: unknown): void {
    if (e instanceof ApiError && e.status === 401) {
      this.leave();
      this.store.set({ fault: wordsOf(e) });
      return;
    }
    this.store.set({ link: 'lost', fault: wordsOf(e) });
  }

  private async poll(stop: AbortSignal): Promise<void> {
    for (;;) {
      await pause(askEvery);
      if (over(stop)) return;
      if (!document.hidden) await this.refresh();
    }
  }

  private async follow(stop: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await this.api.follow(this.newest(), stop, () => this.store.set({ link: 'live' }), (e) => {
          this.tell([e]);
          void this.refresh();
        });
      } catch {
        // What is wrong, the next question finds out.
      }
      if (over(stop)) return;
      if (this.store.get().link === 'live') this.store.set({ link: 'polling' });
      await pause(followAgain);
      if (over(stop)) return;
    }
  }

  /** catchUp asks for the events that no stream has told of. */
  private async catchUp(): Promise<void> {
    const newest = this.newest();
    const query = newest === '' ? `?last=${eventsShown}` : `?after=${encodeURIComponent(newest)}`;
    const { events } = await this.api.get<{ events: Happened[] }>(`events${query}`);
    this.tell(events);
  }

  private newest(): string {
    return this.store.get().events.find((e) => e.id !== '')?.id ?? '';
  }

  private tell(come: Happened[]): void {
    const known = new Set(this.store.get().events.map((e) => e.id));
    const fresh = come.filter((e) => e.id === '' || !known.has(e.id)).reverse();
    if (fresh.length > 0) this.store.set({ events: [...fresh, ...this.store.get().events].slice(0, eventsShown) });
  }
}

function over(stop: AbortSignal): boolean {
  return stop.aborted;
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function wordsOf(e: unknown): string {
  return e instanceof Error && e.message !== '' ? e.message : 'Something went wrong';
}
