// Links to this display for others. The gateway makes the tokens; the page puts them where no server sees them.

/** Scope is what the bearer of a link may do. */
export type Scope = 'watch' | 'control' | 'all';

/** scopes are the choices that there are, the safest first. */
export const scopes: Record<Scope, string> = {
  watch: 'Watch only',
  control: 'Watch, and use keyboard and mouse',
  all: 'Everything that you may do',
};

// A session whose bell or sound is denied has its picture under a name of its own.
const looking = ['view', 'picture', 'bell', 'audio'];
const controlling = [...looking, 'keyboard', 'pointer'];

/** rightsOf are the rights of a scope among those that may be passed on. */
export function rightsOf(scope: Scope, shareable: ReadonlySet<string>): string[] {
  const all = [...shareable];
  switch (scope) {
    case 'watch':
      return all.filter((right) => looking.includes(right));
    case 'control':
      return all.filter((right) => controlling.includes(right));
    case 'all':
      return all;
  }
}

/** choices are the scopes that differ, for what may be passed on. */
export function choices(shareable: ReadonlySet<string>): Scope[] {
  const seen = new Set<string>();
  return (Object.keys(scopes) as Scope[]).filter((scope) => {
    const rights = rightsOf(scope, shareable).join();
    if (rights === '' || seen.has(rights)) return false;
    seen.add(rights);
    return true;
  });
}

/** lifetimes are how long a link can be good for, in seconds. */
export const lifetimes: [seconds: number, words: string][] = [
  [900, '15 minutes'],
  [3600, '1 hour'],
  [28_800, '8 hours'],
  [86_400, '1 day'],
  [604_800, '7 days'],
];

/** lifetimesUpTo are those that the gateway will give, in seconds, and the longest it gives if that is none of them. */
export function lifetimesUpTo(longest: number | undefined): [seconds: number, words: string][] {
  if (longest === undefined) return lifetimes;
  const given = lifetimes.filter(([seconds]) => seconds <= longest);
  if (given.at(-1)?.[0] !== longest) given.push([longest, `${span(longest)}, the longest there is`]);
  return given;
}

/** span is a time in words: "45 seconds", then minutes. */
export function span(seconds: number): string {
  if (seconds < 100) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  const minutes = Math.round(seconds / 60);
  const hours = Math.round(minutes / 60);
  if (minutes < 120 && minutes !== 60) return `${minutes} minutes`;
  if (hours === 1) return '1 hour';
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** uses are how many viewers can come by a link; 0 is any number. */
export const uses: [count: number, words: string][] = [
  [1, 'One person'],
  [5, 'Up to 5 people'],
  [25, 'Up to 25 people'],
  [0, 'Anyone who has it'],
];

/** Link is one that this page has made. */
export interface Link {
  id: string;
  url: string;
  scope: Scope;
  /** When it ends, in milliseconds of this device's clock. */
  end: number | undefined;
}

/** readLink reads the gateway's answer; undefined if it is none. */
export function readLink(body: unknown, page: URL, scope: Scope): Link | undefined {
  if (typeof body !== 'object' || body === null || !('id' in body) || !('token' in body)) return undefined;
  const { id, token } = body;
  if (typeof id !== 'string' || typeof token !== 'string' || token === '') return undefined;
  const left = 'left' in body && typeof body.left === 'number' ? body.left : undefined;
  const leads = 'link' in body && typeof body.link === 'string' ? new URL(body.link) : page;
  return { id, url: linkURL(leads, token), scope, end: left === undefined ? undefined : Date.now() + left * 1000 };
}

/**
 * linkURL is this page's address with another token, in the fragment, which no browser sends. Of the query only the way
 * to the gateway stays, unless that names a display or a token itself.
 */
export function linkURL(page: URL, token: string): string {
  const url = new URL(page.origin + page.pathname);
  const path = page.searchParams.get('path');
  if (path !== null && !path.includes('?')) url.searchParams.set('path', path);
  url.hash = `token=${encodeURIComponent(token)}`;
  return url.href;
}
