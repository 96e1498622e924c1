// The settings of the page: their names and defaults are noVNC's (docs/EMBEDDING.md there), so that links, bookmarks and
// the two JSON files made for noVNC's own page work here unchanged. The few of our own are marked.

export type Resize = 'off' | 'scale' | 'remote';
export type Logging = 'error' | 'warn' | 'info' | 'debug';
export type Side = 'left' | 'right' | 'top' | 'bottom';

/** Values holds one value for each setting, already of the right type and within its bounds. */
export interface Values {
  host: string;
  port: number; // 0: the default port of the scheme
  encrypt: boolean; // only with host
  path: string;
  password: string;
  autoconnect: boolean;
  reconnect: boolean;
  reconnect_delay: number; // milliseconds
  shared: boolean;
  view_only: boolean;
  view_clip: boolean;
  resize: Resize;
  quality: number; // 0 to 9
  compression: number; // 0 to 9
  repeaterID: string;
  bell: boolean;
  show_dot: boolean;
  logging: Logging;
  keep_device_awake: boolean;
  scale: boolean; // vnc_lite.html only: resize=scale in short
  auto_clipboard: boolean; // ours: keep both clipboards the same where the browser lets us
  toolbar: Side; // ours: the edge that the toolbar sits on
  notices: boolean; // ours: the gateway says in defaults.json that it tells pages what becomes of their sessions
}

export type Name = keyof Values;

/** Given is one source of settings: raw values by name, as found in a link, in the storage or in a JSON file. */
export type Given = Readonly<Record<string, unknown>>;

/** Sources are all the places that settings come from, in order of precedence. */
export interface Sources {
  mandatory: Given;
  fragment: Given;
  query: Given;
  stored: Given;
  defaults: Given;
}

type Parser<T> = (raw: unknown) => T | undefined;

function asText(raw: unknown): string | undefined {
  switch (typeof raw) {
    case 'string':
      return raw;
    case 'number':
    case 'boolean':
      return String(raw);
    default:
      return undefined;
  }
}

// As in noVNC, any word but these means yes: ?view_only=1, =true and = alone are the same.
const noWords = new Set(['0', 'no', 'false', 'off']);

const flag: Parser<boolean> = (raw) => {
  const text = asText(raw);
  return text === undefined ? undefined : !noWords.has(text.toLowerCase());
};

// noVNC connects by itself, and rings the bell, only when told so in plain words.
const yesWords = new Set(['1', 'true', 'on']);

const explicitFlag: Parser<boolean> = (raw) => {
  const text = asText(raw);
  return text === undefined ? undefined : yesWords.has(text.toLowerCase());
};

const text: Parser<string> = asText;

function integer(min: number, max: number): Parser<number> {
  return (raw) => {
    const s = asText(raw)?.trim();
    if (s === undefined || !/^-?\d+$/.test(s)) return undefined;
    const n = Number(s);
    return n >= min && n <= max ? n : undefined;
  };
}

function choice<T extends string>(...options: T[]): Parser<T> {
  return (raw) => options.find((o) => o === raw);
}

interface Definition<T> {
  parse: Parser<T>;
  initial: T;
}

/** longestDelay bounds reconnect_delay: a longer wait than an hour is a typing error. */
export const longestDelay = 3_600_000;

const definitions: { [N in Name]: Definition<Values[N]> } = {
  host: { parse: text, initial: '' },
  port: { parse: integer(0, 65535), initial: 0 },
  encrypt: { parse: flag, initial: true }, // the real initial value follows the page's scheme, see resolve
  path: { parse: text, initial: 'websockify' },
  password: { parse: text, initial: '' },
  autoconnect: { parse: explicitFlag, initial: false },
  reconnect: { parse: flag, initial: false },
  reconnect_delay: { parse: integer(0, longestDelay), initial: 5000 },
  shared: { parse: flag, initial: true },
  view_only: { parse: flag, initial: false },
  view_clip: { parse: flag, initial: false },
  resize: { parse: choice<Resize>('off', 'scale', 'remote'), initial: 'off' },
  quality: { parse: integer(0, 9), initial: 6 },
  compression: { parse: integer(0, 9), initial: 2 },
  repeaterID: { parse: text, initial: '' },
  bell: { parse: explicitFlag, initial: true },
  show_dot: { parse: flag, initial: false },
  logging: { parse: choice<Logging>('error', 'warn', 'info', 'debug'), initial: 'warn' },
  keep_device_awake: { parse: flag, initial: false },
  scale: { parse: flag, initial: false },
  auto_clipboard: { parse: flag, initial: true },
  toolbar: { parse: choice<Side>('left', 'right', 'top', 'bottom'), initial: 'left' },
  notices: { parse: explicitFlag, initial: false },
};

/** names lists every setting. */
export const names = Object.keys(definitions) as Name[];

// A password belongs in the browser's password manager, and whether to connect unasked belongs in the link.
const neverStored = new Set<Name>(['password', 'autoconnect', 'scale', 'notices']);

/** isStored tells whether a changed setting is kept for the next visit. */
export function isStored(name: Name): boolean {
  return !neverStored.has(name);
}

/** parse reads one raw value; undefined means that it is absent or makes no sense, and the next source counts. */
export function parse<N extends Name>(name: N, raw: unknown): Values[N] | undefined {
  return definitions[name].parse(raw);
}

/** Resolved are the values in force, and the names of those that the site's owner has fixed. */
export interface Resolved {
  values: Values;
  fixed: ReadonlySet<Name>;
}

/** resolve picks each setting from the first source that has a valid value for it; secure is whether the page came by https. */
export function resolve(sources: Sources, secure: boolean): Resolved {
  const order = [sources.mandatory, sources.fragment, sources.query, sources.stored, sources.defaults];
  const fixed = new Set<Name>();
  const values: Partial<Record<Name, unknown>> = {};
  for (const name of names) {
    values[name] = name === 'encrypt' ? secure : definitions[name].initial;
    for (const source of order) {
      const value = Object.hasOwn(source, name) ? parse(name, source[name]) : undefined;
      if (value === undefined) continue;
      values[name] = value;
      if (source === sources.mandatory) fixed.add(name);
      break;
    }
  }
  return { values: values as Values, fixed };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray % in a link made by hand
  }
}

/**
 * parameters reads the part of a link after ? or #. It is not URLSearchParams: noVNC leaves + as it is (a password may
 * hold one), and of several values the last counts.
 */
export function parameters(part: string): Given {
  const given: Record<string, string> = {};
  for (const pair of part.replace(/^[?#]/, '').split('&')) {
    const at = pair.indexOf('=');
    if (at > 0) given[pair.slice(0, at)] = decode(pair.slice(at + 1));
  }
  return given;
}
