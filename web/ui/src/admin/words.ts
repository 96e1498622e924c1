// Numbers, times and events in words.

import type { GatewayNode, Happened, Listener, Nodes, Session, Target } from './api.ts';

/** size is a number of bytes, short. */
export function size(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (value < 1000) return `${value < 10 && unit !== 'B' ? value.toFixed(1) : Math.round(value)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

/** lasted is a time span: 42 s, 3 min, 2 h 5 min, 3 d. */
export function lasted(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}

/** origin is where somebody comes from: a unix socket has no address, and of whom a proxy speaks the port may be unknown. */
export function origin(from: string): string {
  return from === 'unix' || from.startsWith('@') ? 'unix socket' : from.replace(/^([^:]+|\[.*\]):0$/, '$1');
}

/** viewOnly reports whether a viewer can do nothing but look. */
export function viewOnly(s: Session): boolean {
  return !s.rights.includes('keyboard') && !s.rights.includes('pointer');
}

// What the name "all" stands for in the configuration.
const allRights = ['view', 'keyboard', 'pointer', 'clipboard-in', 'clipboard-out', 'resize', 'power', 'exclusive'];

/** rights are what a viewer may do, in a few words. */
export function rights(s: Session): string {
  if (viewOnly(s)) return 'watch';
  const missing = allRights.filter((r) => !s.rights.includes(r));
  if (missing.length === 0) return 'all';
  if (missing.length <= 2) return `all but ${missing.join(', ')}`;
  return s.rights.some((r) => r.startsWith('clipboard')) ? 'control, clipboard' : 'control';
}

/** pageOf is the address of a target's page, seen from a browser that reaches us as host; undefined for none. */
export function pageOf(target: Target, listeners: readonly Listener[], host: string): string | undefined {
  const way = listeners.find((l) => l.page !== undefined && (l.page.includes('{target}') || (l.target ?? target.name) === target.name));
  return way?.page?.replace('{host}', host).replace('{target}', encodeURIComponent(target.name));
}

const stories: Record<string, string> = {
  SESSION_AUTHENTICATED: 'logged in',
  SESSION_OPENED: 'sees the display',
  SESSION_CLOSED: 'left',
  SESSION_REFUSED: 'was refused',
  SESSION_PAUSED: 'was paused',
  SESSION_RESUMED: 'goes on',
  SESSION_MESSAGE: 'was told',
  AUTH_FAILED: 'gave a wrong proof',
  GRANT_CHANGED: 'has other rights now',
  TARGET_DOWN: 'Display down',
  TARGET_UP: 'Display up again',
  AGENT_CONNECTED: 'Agent connected',
  AGENT_LOST: 'Agent lost',
  AGENT_REFUSED: 'Agent refused',
  AGENT_ENROLLED: 'Agent has a new certificate',
  SESSION_LOST: 'was lost with its gateway',
  NODE_JOINED: 'A gateway is there',
  NODE_LEFT: 'A gateway has left',
  NODE_LOST: 'A gateway is lost',
  REDIS_AWAY: 'Redis is away',
  REDIS_BACK: 'Redis is back',
  CERT_EXPIRING: 'A certificate ends soon',
  DRAINING: 'Nobody is let in any more',
  UNDRAINED: 'Viewers are let in again',
  CONFIG_RELOADED: 'Configuration reloaded',
  CONFIG_REJECTED: 'Configuration has a mistake',
  COMMAND: 'Command',
  PANIC: 'A fault in the program ended a session',
  AUDIT_FAILING: 'The audit log cannot be written',
  AUDIT_RECOVERED: 'The audit log is written again',
  SHARED: 'A link was made',
  RECORDING_STARTED: 'A recording began',
  RECORDING_STOPPED: 'A recording ended',
  RECORDING_FAILED: 'A session cannot be recorded',
  RECORDING_REMOVED: 'A recording was removed',
  UPGRADED: 'Another process of the gateway accepts viewers now',
  EVENTS_LOST: 'Some events were lost here',
};

const bad = new Set(['NODE_LOST', 'SESSION_LOST', 'REDIS_AWAY', 'AGENT_LOST', 'AGENT_REFUSED', 'RECORDING_FAILED', 'SESSION_REFUSED', 'AUTH_FAILED', 'TARGET_DOWN', 'CERT_EXPIRING', 'CONFIG_REJECTED', 'PANIC', 'AUDIT_FAILING']);

/** isBad reports whether an event is something to look at. */
export function isBad(e: Happened): boolean {
  return bad.has(e.event);
}

/** whyOf is the cause of an event, in the gateway's words. */
function whyOf(e: Happened): string {
  return e.data.error ?? e.data.words ?? e.data.reason ?? '';
}

/** once leaves out the refusals that say what the wrong proof before them, in the same session, has said. */
export function once(events: readonly Happened[]): Happened[] {
  const failed = events.filter((e) => e.event === 'AUTH_FAILED' && e.data.session !== undefined);
  const told = new Set(failed.map((e) => `${e.data.session?.id ?? ''} ${whyOf(e)}`));
  return events.filter((e) => e.event !== 'SESSION_REFUSED' || !told.has(`${e.data.session?.id ?? ''} ${whyOf(e)}`));
}

/** leadsHere tells whether a link leads to the host by which one came here, or to this machine alone. */
export function leadsHere(link: string): boolean {
  return /^https?:\/\/(\{host\}|localhost|127\.[\d.]+|\[::1\])(:|\/|$)/.test(link);
}

/** story is an event in a sentence. */
export function story(e: Happened): string {
  const { node, session, target, actor, missed, details } = e.data;
  const from = e.data.from === undefined ? undefined : origin(e.data.from);
  let text = stories[e.event] ?? e.event;
  if (e.event.startsWith('SESSION_') || e.event === 'AUTH_FAILED' || e.event === 'GRANT_CHANGED') {
    text = `${who(session) || from || 'A viewer'} ${text}`;
  }
  if (e.event === 'COMMAND') text = details?.['command'] ?? text;
  const about = target ?? session?.target ?? (e.event.startsWith('AGENT_') ? (details?.['agent'] ?? from) : e.event.startsWith('NODE_') ? details?.['node'] : undefined) ?? '';
  if (about !== '') text += ` (${about})`;
  const place = node ?? (e.event === 'SESSION_LOST' ? details?.['node'] : undefined);
  if (place !== undefined) text += ` at ${place}`;
  const why = whyOf(e);
  if (why !== '') text += `: ${why}`;
  if (actor !== undefined && actor !== '') text += `, by ${actor}`;
  if (missed !== undefined && missed > 0) text += `, and ${missed} more before`;
  return text;
}

/** who is a session's viewer. */
export function who(session: Session | undefined): string {
  return session?.user ?? '';
}

/** severalNodes tells whether there is more than one gateway, or has been while sessions of another are still known. */
export function severalNodes(sessions: readonly Session[], nodes: Nodes | undefined): boolean {
  return (nodes?.nodes.length ?? 0) > 1 || new Set(sessions.map((s) => s.node ?? '')).size > 1;
}

/** aboutNode is what there is to know of a gateway, in a line. */
export function aboutNode(n: GatewayNode, now: number): string {
  return [
    n.sessions === 1 ? '1 session' : `${n.sessions} sessions`,
    n.agents === 0 ? '' : n.agents === 1 ? '1 agent' : `${n.agents} agents`,
    n.since === undefined ? '' : `for ${lasted(now - Date.parse(n.since))}`,
    n.ms === undefined ? '' : `${n.ms.toFixed(1)} ms`,
    n.address ?? '',
    n.version ?? '',
  ]
    .filter((part) => part !== '')
    .join(' · ');
}

/** aboutRedis says that Redis is away, and what comes of it; '' while it is there. */
export function aboutRedis(nodes: Nodes, now: number): string {
  if (nodes.redis === 'up') return '';
  const since = nodes.since === undefined ? '' : ` for ${lasted(now - Date.parse(nodes.since))}`;
  const who = nodes.alone === 'local' ? 'Viewers come in by the sessions of each gateway alone' : 'Running sessions go on; nobody new comes in';
  return `Redis is away${since}. ${who}. The other gateways are shown as they were.`;
}
