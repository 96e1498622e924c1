// From settings to the address of the WebSocket, and to the address that tells why it could not be opened.

import type { Values } from './settings.ts';

/** Where is the part of the settings that says where the gateway is. */
export type Where = Pick<Values, 'host' | 'port' | 'encrypt' | 'path'>;

/**
 * socketURL returns the WebSocket address that the settings name. Without a host, path is relative to the page, so that
 * it works below any prefix of a reverse proxy; it may also be a whole address. It throws a TypeError for an address
 * that cannot be understood.
 */
export function socketURL(where: Where, page: URL): URL {
  const url = where.host === '' ? relative(where.path, page) : absolute(where);
  if (!['ws:', 'wss:', 'http:', 'https:'].includes(url.protocol)) throw new TypeError(`not a web address: ${url.protocol}`);
  if (url.protocol === 'http:' || url.protocol === 'https:') {
    url.protocol = page.protocol === 'https:' ? 'wss:' : 'ws:';
  }
  url.hash = ''; // not allowed in a WebSocket address
  return url;
}

function relative(path: string, page: URL): URL {
  // "?token=X" alone, as OpenStack makes its links, means this directory and not the page itself: a gateway upgrades
  // the directory it serves, but has a file at the page's address.
  return new URL(path.startsWith('?') ? `./${path}` : path, page);
}

function absolute(where: Where): URL {
  const url = new URL(`https://${bracketed(where.host)}`);
  if (where.port !== 0) url.port = String(where.port);
  // "./" keeps a path that begins with slashes from being read as a host name.
  const full = new URL(`./${where.path}`, url);
  full.protocol = where.encrypt ? 'wss:' : 'ws:';
  return full;
}

// A bare IPv6 address has at least two colons, a name with a port just one.
function bracketed(host: string): string {
  return /^[0-9a-f.]*:[0-9a-f.]*:[0-9a-f:.]*$/i.test(host) ? `[${host}]` : host;
}

/** questionURL is the http(s) address of the same place, which can be asked why it refuses. */
export function questionURL(socket: URL): URL {
  const url = new URL(socket);
  url.protocol = socket.protocol === 'wss:' ? 'https:' : 'http:';
  return url;
}

/** sameOrigin tells whether the page may ask there at all; its security policy forbids any other place. */
export function sameOrigin(socket: URL, page: URL): boolean {
  return questionURL(socket).origin === page.origin;
}

/** shown is an address fit for the eye: without query, which may hold a token, and without user and password. */
export function shown(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}
