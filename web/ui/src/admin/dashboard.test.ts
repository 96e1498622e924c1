import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Dashboard } from './dashboard.ts';

const session = { id: 'S1', state: 'open', from: 'x', target: 'desk', since: '2026-01-01T00:00:00Z', rights: ['view'], bytes_up: 100, bytes_down: 1000 };
const happened = (n: number): object => ({ id: `e-${n}`, event: 'SESSION_OPENED', time: '2026-01-01T00:00:00Z', data: {} });

/** Gateway answers as one does; the tests change what it says. */
class Gateway {
  status = 200;
  down = false;
  streams = false;
  sessions = [session];
  pages: Record<string, object> = {};
  asked: string[] = [];
  bodies: string[] = [];

  readonly fetch = (url: string, init: RequestInit): Promise<Response> => {
    const path = url.replace('./api/v1/', '');
    this.asked.push(`${new Headers(init.headers).get('Authorization') ?? ''} ${path}`);
    if (init.body !== undefined && init.body !== null) this.bodies.push(init.body as string);
    if (this.down) return Promise.reject(new TypeError('no'));
    if (this.status !== 200) return Promise.resolve(new Response('{"error":"The token is wrong."}', { status: this.status }));
    if (path.startsWith('events') && new Headers(init.headers).get('Accept') === 'text/event-stream') {
      return Promise.resolve(this.streams ? new Response(`data: ${JSON.stringify(happened(9))}\n\n`) : new Response('{}', { status: 503 }));
    }
    return Promise.resolve(Response.json(this.answer(path)));
  };

  private answer(path: string): object {
    const special = this.pages[path];
    if (special !== undefined) return special;
    if (path === 'whoami') return { name: 'token:ops', role: 'operator', commands: ['session-kill'] };
    if (path.startsWith('sessions')) return { sessions: this.sessions };
    if (path.startsWith('targets')) return { targets: [] };
    if (path.startsWith('listeners')) return { listeners: [] };
    if (path.startsWith('events')) return { events: path.includes('last') ? [happened(1), happened(2)] : [] };
    return { version: 'x', draining: false };
  }
}

let gateway: Gateway;
let storage: Map<string, string>;
let dashboard: Dashboard;

beforeEach(() => {
  vi.useFakeTimers();
  gateway = new Gateway();
  vi.stubGlobal('fetch', gateway.fetch);
  storage = new Map();
  dashboard = new Dashboard({
    getItem: (k) => storage.get(k) ?? null,
    setItem: (k, v) => void storage.set(k, v),
    removeItem: (k) => void storage.delete(k),
  });
});
afterEach(() => {
  dashboard.leave();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('Dashboard', () => {
  it('keeps a token that is good, and forgets one that is not', async () => {
    await dashboard.begin(' secret ');
    expect(dashboard.store.get().phase).toBe('open');
    expect([...storage.values()]).toEqual(['secret']);
    expect(gateway.asked[0]).toBe('Bearer secret whoami');
    expect(dashboard.may('session-kill')).toBe(true);
    expect(dashboard.may('reload')).toBe(false);
    gateway.status = 401;
    await dashboard.refresh();
    expect(dashboard.store.get().phase).toBe('login');
    expect(dashboard.store.get().fault).toBe('The token is wrong.');
    expect(storage.size).toBe(0);
  });

  it('asks for a token without a complaint when there was none', async () => {
    gateway.status = 401;
    await dashboard.begin();
    expect(dashboard.store.get()).toMatchObject({ phase: 'login', fault: '' });
  });

  it('polls where there is no stream, and counts rates', async () => {
    await dashboard.begin('t');
    expect(dashboard.store.get()).toMatchObject({ link: 'polling' });
    expect(dashboard.store.get().events.map((e) => e.id)).toEqual(['e-2', 'e-1']);
    gateway.sessions = [{ ...session, bytes_down: 5000 }];
    await vi.advanceTimersByTimeAsync(2000);
    const rate = dashboard.store.get().rates.get('S1');
    expect(Math.round(rate?.down ?? 0)).toBe(2000);
    expect(gateway.asked.at(-1)).toContain('events?after=e-2');
  });

  it('says that the connection is lost, shows what there was, and comes back', async () => {
    await dashboard.begin('t');
    gateway.down = true;
    await vi.advanceTimersByTimeAsync(2000);
    expect(dashboard.store.get()).toMatchObject({ link: 'lost', fault: 'The gateway does not answer', sessions: [session] });
    gateway.down = false;
    await vi.advanceTimersByTimeAsync(2000);
    expect(dashboard.store.get()).toMatchObject({ link: 'polling', fault: '' });
  });

  it('takes events from the stream once', async () => {
    gateway.streams = true;
    await dashboard.begin('t');
    await vi.advanceTimersByTimeAsync(7000);
    expect(dashboard.store.get().events.filter((e) => e.id === 'e-9').length).toBe(1);
  });

  it('asks for the gateways where there are several, and keeps them when it gets no answer', async () => {
    await dashboard.begin('t');
    await dashboard.lookAtNodes();
    expect(dashboard.store.get().nodes).toBeUndefined();
    const nodes = { nodes: [{ name: 'a', self: true, sessions: 1, agents: 0, answers: true }], redis: 'up' };
    gateway.pages = { whoami: { name: 'x', role: 'viewer', commands: ['query-nodes'] }, nodes };
    await dashboard.begin('t');
    await dashboard.lookAtNodes();
    expect(dashboard.store.get().nodes).toEqual(nodes);
    gateway.down = true;
    await dashboard.lookAtNodes();
    expect(dashboard.store.get().nodes).toEqual(nodes);
  });

  it('gathers lists that come in parts', async () => {
    gateway.pages = { sessions: { sessions: [session], next: 'a b' }, 'sessions?after=a%20b': { sessions: [{ ...session, id: 'S2' }] } };
    await dashboard.begin('t');
    expect(dashboard.store.get().sessions?.map((s) => s.id)).toEqual(['S1', 'S2']);
  });

  it('says what came of a command', async () => {
    await dashboard.begin('t');
    expect(await dashboard.act('sessions/S1/kill', { words: 'bye' }, 'done')).toBe(true);
    expect(gateway.bodies).toEqual(['{"words":"bye"}']);
    expect(dashboard.store.get().notice).toBe('done');
    gateway.status = 404;
    expect(await dashboard.act('sessions/S1/kill', {}, 'done')).toBe(false);
    expect(dashboard.store.get().notice).toBe('The token is wrong.');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(dashboard.store.get().notice).toBe('');
  });
});
