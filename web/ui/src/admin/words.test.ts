import { describe, expect, it } from 'vitest';
import type { GatewayNode, Nodes, Session, Target } from './api.ts';
import { actions, fits, isOffered } from './sessions.tsx';
import { aboutNode, aboutRedis, isBad, lasted, leadsHere, once, origin, pageOf, rights, severalNodes, size, story } from './words.ts';

const session: Session = {
  id: 'S1', state: 'open', user: 'alice', from: '192.0.2.1:4000', target: 'desk', since: '2026-01-01T00:00:00Z',
  rights: ['view', 'keyboard', 'pointer'], bytes_up: 0, bytes_down: 0,
};
const target: Target = { name: 'lab/1', state: 'up', sessions: 0 };

describe('words', () => {
  it.each([[0, '0 B'], [999, '999 B'], [1500, '1.5 kB'], [25_000_000, '25 MB'], [3e12, '3.0 TB']])('size %d', (n, want) => {
    expect(size(n)).toBe(want);
  });
  it.each([[-5, '0 s'], [59_999, '59 s'], [60_000, '1 min'], [7_500_000, '2 h 5 min'], [3e8, '3 d']])('lasted %d', (n, want) => {
    expect(lasted(n)).toBe(want);
  });
  it.each([['unix', 'unix socket'], ['@', 'unix socket'], ['127.0.0.1:0', '127.0.0.1'], ['[::1]:0', '[::1]'], ['2001:db8:1:2:3:4:5:0', '2001:db8:1:2:3:4:5:0'], ['192.0.2.1:4000', '192.0.2.1:4000']])('origin %s', (from, want) => {
    expect(origin(from)).toBe(want);
  });
  it('rights', () => {
    expect(rights(session)).toBe('control');
    expect(rights({ ...session, rights: ['view', 'clipboard-out'] })).toBe('watch');
    expect(rights({ ...session, rights: ['view', 'pointer', 'clipboard-out'] })).toBe('control, clipboard');
    const all = ['view', 'keyboard', 'pointer', 'clipboard-in', 'clipboard-out', 'resize', 'power', 'exclusive'];
    expect(rights({ ...session, rights: all })).toBe('all');
    expect(rights({ ...session, rights: all.filter((r) => r !== 'power') })).toBe('all but power');
  });
  it('offers back what was taken, and no more', () => {
    const offers = (s: Session): string[] => actions.filter((a) => isOffered(a, s)).map((a) => a.label(s));
    expect(offers(session)).toContain('View only');
    expect(offers({ ...session, rights: ['view'], withheld: ['keyboard'] })).toContain('Restore');
    expect(offers({ ...session, rights: ['view'] })).toEqual(['Pause', 'Message', 'End']);
    expect(offers({ ...session, followed: true })[0]).toBe('Watch');
  });
  it.each([
    ['https://{host}:6443/#token=t', true],
    ['http://127.0.0.1:6080/#token=t', true],
    ['https://[::1]/#token=t', true],
    ['https://vnc.example/#token=t', false],
  ])('leads here: %s', (link, want) => expect(leadsHere(link)).toBe(want));
  it('pages', () => {
    const all = { name: ':1', page: 'https://{host}:1/vnc/{target}' };
    expect(pageOf(target, [{ name: ':5900' }, { name: ':2', target: 'other', page: 'x' }, all], 'gate')).toBe('https://gate:1/vnc/lab%2F1');
    expect(pageOf(target, [{ ...all, target: 'other' }], 'gate')).toBe('https://gate:1/vnc/lab%2F1');
    expect(pageOf(target, [{ name: ':5900' }], 'gate')).toBeUndefined();
  });
  it('stories', () => {
    const at = { id: '1', time: '2026-01-01T00:00:00Z' };
    expect(story({ ...at, event: 'SESSION_CLOSED', data: { session, reason: 'viewer left' } })).toBe('alice left (desk): viewer left');
    expect(story({ ...at, event: 'AUTH_FAILED', data: { from: '192.0.2.9:1', missed: 3 } })).toBe('192.0.2.9:1 gave a wrong proof, and 3 more before');
    expect(story({ ...at, event: 'COMMAND', data: { actor: 'token:ops', details: { command: 'reload' } } })).toBe('reload, by token:ops');
    expect(story({ ...at, event: 'SHARED', data: { target: 'desk', actor: 'alice' } })).toBe('A link was made (desk), by alice');
    expect(story({ ...at, event: 'NEW_KIND', data: {} })).toBe('NEW_KIND');
    expect(isBad({ ...at, event: 'TARGET_DOWN', data: {} })).toBe(true);
  });
  it('stories of several gateways', () => {
    const at = { id: '1', time: '2026-01-01T00:00:00Z' };
    expect(story({ ...at, event: 'SESSION_OPENED', data: { node: 'b', session: { ...session, node: 'b' } } })).toBe('alice sees the display (desk) at b');
    expect(story({ ...at, event: 'NODE_LOST', data: { details: { node: 'b' } } })).toBe('A gateway is lost (b)');
    expect(story({ ...at, event: 'SESSION_LOST', data: { session, words: 'It is gone.', details: { node: 'b' } } })).toBe('alice was lost with its gateway (desk) at b: It is gone.');
    expect(story({ ...at, event: 'REDIS_AWAY', data: { error: 'connection refused' } })).toBe('Redis is away: connection refused');
    expect(isBad({ ...at, event: 'NODE_LOST', data: {} })).toBe(true);
    expect(isBad({ ...at, event: 'REDIS_BACK', data: {} })).toBe(false);
  });
  it('gateways', () => {
    const now = Date.parse('2026-01-01T00:01:00Z');
    const a: GatewayNode = { name: 'a', self: true, since: '2026-01-01T00:00:00Z', sessions: 1, agents: 0, answers: true };
    const b: GatewayNode = { name: 'b', address: 'b.internal:7443', version: '1.0', sessions: 2, agents: 3, answers: true, ms: 1.26 };
    expect(aboutNode(a, now)).toBe('1 session · for 1 min');
    expect(aboutNode({ ...b, agents: 1 }, now)).toBe('2 sessions · 1 agent · 1.3 ms · b.internal:7443 · 1.0');
    const up: Nodes = { nodes: [a, b], redis: 'up', since: '2026-01-01T00:00:00Z' };
    expect(aboutRedis(up, now)).toBe('');
    expect(aboutRedis({ ...up, redis: 'away', alone: 'closed' }, now)).toContain('for 1 min. Running sessions go on; nobody new comes in.');
    expect(aboutRedis({ nodes: [a], redis: 'away', alone: 'local' }, now)).toContain('Redis is away. Viewers come in by the sessions of each gateway alone.');
    expect(severalNodes([session], undefined)).toBe(false);
    expect(severalNodes([{ ...session, node: 'a' }], { ...up, nodes: [a] })).toBe(false);
    expect(severalNodes([], up)).toBe(true);
    expect(severalNodes([{ ...session, node: 'a' }, { ...session, node: 'b' }], { ...up, nodes: [a] })).toBe(true);
    expect(fits({ ...session, node: 'berlin' }, 'berlin alice')).toBe(true);
  });
  it('tells of a wrong proof once', () => {
    const at = { id: '1', time: '2026-01-01T00:00:00Z' };
    const failed = { ...at, event: 'AUTH_FAILED', data: { session, error: 'wrong password' } };
    const refused = { ...at, event: 'SESSION_REFUSED', data: { session, error: 'wrong password', words: 'No.' } };
    const other = { ...refused, data: { session: { ...session, id: 'S2' }, error: 'wrong password' } };
    const policy = { ...refused, data: { session, error: 'no rule' } };
    expect(once([policy, other, refused, failed])).toEqual([policy, other, failed]);
  });
  it('filter', () => {
    expect(fits(session, '')).toBe(true);
    expect(fits(session, 'ALICE desk')).toBe(true);
    expect(fits(session, 'alice other')).toBe(false);
  });
});
