// What the gateway says of a session while it runs: text messages between the binary ones of the WebSocket, each one
// notice as JSON. A gateway sends them to pages that ask for them, and says in defaults.json that it can.

/** Notice is one thing that the gateway says. */
export type Notice =
  | ({ kind: 'rights' } & Standing)
  | { kind: 'warning'; words: string; end: number | undefined } // without end: the last warning no longer holds
  | { kind: 'paused'; paused: boolean; words: string }
  | { kind: 'message'; words: string };

/** Standing is what a viewer may do, as the gateway enforces it. */
export interface Standing {
  /** key is a secret of this page: by it the gateway knows whose wishes it gets. */
  key: string;
  rights: ReadonlySet<string>;
  /** When the session ends, in milliseconds of this device's clock. */
  end: number | undefined;
  renewable: boolean;
  /** The rights that may be passed on; none: no links can be made. */
  shareable: ReadonlySet<string>;
  /** For how many seconds a link may be good at most; a gateway that does not say takes what it is asked for. */
  shareTime?: number;
  /** The display is a recording, which can be steered. */
  playback?: boolean;
}

/** Warning is something that is about to happen. */
export interface Warning {
  words: string;
  end: number;
}

const longestWords = 500;

type Fields = Partial<Record<string, unknown>>;

function words(of: Fields): string {
  return typeof of['words'] === 'string' ? of['words'].slice(0, longestWords) : '';
}

function names(list: unknown): ReadonlySet<string> {
  return new Set(Array.isArray(list) ? list.filter((name): name is string => typeof name === 'string') : []);
}

// Clocks differ, so the gateway counts from now.
function end(of: Fields): number | undefined {
  return typeof of['left'] === 'number' ? Date.now() + Math.max(0, of['left']) * 1000 : undefined;
}

/** readNotice reads a text message; undefined means that it is of another kind, or of a gateway that is newer. */
export function readNotice(text: string): Notice | undefined {
  const of = parsed(text);
  const kind = of?.['kind'];
  if (of === undefined) return undefined;
  switch (kind) {
    case 'rights': {
      const key = typeof of['key'] === 'string' ? of['key'] : '';
      const renewable = of['renewable'] === true;
      const shareTime = typeof of['share_time'] === 'number' ? { shareTime: of['share_time'] } : {};
      const playback = of['playback'] === true ? { playback: true } : {};
      return { kind, key, rights: names(of['rights']), end: end(of), renewable, shareable: names(of['shareable']), ...shareTime, ...playback };
    }
    case 'warning':
      return { kind, words: words(of), end: end(of) };
    case 'paused':
      return { kind, paused: of['paused'] === true, words: words(of) };
    case 'message':
      return { kind, words: words(of) };
    default:
      return undefined;
  }
}

function parsed(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** withNotices is a WebSocket's address that asks for notices. */
export function withNotices(socket: URL): URL {
  const url = new URL(socket);
  url.searchParams.set('notices', '1');
  return url;
}

/** allows tells whether something may be done; a gateway that says nothing of rights leaves it to the display. */
export function allows(standing: Standing | undefined, right: string): boolean {
  return standing === undefined || standing.rights.has(right);
}

/** watches tells whether a viewer may do nothing but watch. */
export function watches(standing: Standing | undefined): boolean {
  return !allows(standing, 'keyboard') && !allows(standing, 'pointer');
}

/** restriction says in a word or two what a viewer may not do at the display, empty for nothing of note. */
export function restriction(standing: Standing | undefined): string {
  if (watches(standing)) return 'View only';
  if (!allows(standing, 'keyboard')) return 'No keyboard';
  if (!allows(standing, 'pointer')) return 'No mouse';
  return '';
}

/** changed says what is different in the rights of a viewer, empty for nothing of note. */
export function changed(before: Standing, now: Standing): string {
  const [was, is] = [restriction(before), restriction(now)];
  if (was === is) return '';
  if (is === 'View only') return 'You may only watch from now on';
  return is === '' ? 'You may use keyboard and mouse from now on' : `${is} from now on`;
}

// Seconds come over the wire, rounded.
const jitter = 2000; // milliseconds

/** isOfEnd tells whether a warning is about the end that can be put off, and not about idleness, say. */
export function isOfEnd(warning: Warning, standing: Standing | undefined): boolean {
  return standing?.end !== undefined && Math.abs(standing.end - warning.end) <= jitter;
}
