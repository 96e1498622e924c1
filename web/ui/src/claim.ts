// What a link says about which display it is for, beside the settings: a name, a token, or the pass that this browser was
// given for a token.

import type { Given } from './settings.ts';

/** Claim is what a link is good for; each part may be empty. */
export interface Claim {
  /** token is a secret: it is taken out of the address bar at once, and out of the page as soon as there is a pass. */
  token: string;
  /** pass names a cookie that holds the token, and is worth nothing without it. */
  pass: string;
  target: string;
}

const parts = ['token', 'pass', 'target'] as const;

/** claimed reads a link; as with settings, the fragment counts before the query. */
export function claimed(fragment: Given, query: Given): Claim {
  const read = (name: keyof Claim): string => {
    const value = fragment[name] ?? query[name] ?? '';
    return typeof value === 'string' ? value : '';
  };
  return { token: read('token'), pass: read('pass'), target: read('target') };
}

/** isEmpty tells whether a link says nothing of the kind. */
export function isEmpty(claim: Claim): boolean {
  return parts.every((name) => claim[name] === '');
}

function without(part: string, names: readonly string[]): string[] {
  return part
    .replace(/^[?#]/, '')
    .split('&')
    .filter((pair) => pair !== '' && !names.includes(pair.split('=', 1)[0] ?? ''));
}

/** tidied is the page's address without a token, and with the pass, so that it can be loaded again. */
export function tidied(page: URL, claim: Claim): URL {
  const url = new URL(page);
  url.search = without(page.search, ['token', 'pass']).join('&');
  const fragment = without(page.hash, ['token', 'pass']);
  if (claim.pass !== '' && claim.token === '') fragment.push(`pass=${encodeURIComponent(claim.pass)}`);
  url.hash = fragment.join('&');
  return url;
}

/** withClaim is a WebSocket's address that says what the link said. What the path itself says is left as it is. */
export function withClaim(socket: URL, claim: Claim): URL {
  const url = new URL(socket);
  const query = url.searchParams;
  const has = query.has('token') || query.has('pass');
  if (claim.token !== '' && !has) query.set('token', claim.token);
  else if (claim.pass !== '' && !has) query.set('pass', claim.pass);
  if (claim.target !== '' && !query.has('target')) query.set('target', claim.target);
  return url;
}
