// Why a WebSocket was not opened. The browser hides the answer to a refused upgrade, so the page asks the same address
// again as a plain request: the gateway answers with the status and the words that the upgrade got.

import { questionURL, sameOrigin } from './url.ts';

/** Refusal is what could be found out. */
export type Refusal =
  | { kind: 'answer'; status: number; words: string } // words: the gateway's own, or empty
  | { kind: 'silence' } // nothing at that address answers
  | { kind: 'offline' } // this device has no network
  | { kind: 'foreign' }; // another origin, which the page may not ask

/** upgradeRequired is the gateway's answer to a plain request where an upgrade would have been accepted. */
export const upgradeRequired = 426;

/** patience bounds the question, in milliseconds: the user is waiting for an answer. */
export const patience = 5000;

// The gateway's words are short; anything longer comes from something else and is not for the eye.
const longestWords = 300;

async function words(response: Response): Promise<string> {
  try {
    const body: unknown = await response.json();
    if (typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string') {
      return body.error.slice(0, longestWords);
    }
  } catch {
    // Not JSON: a proxy's page, say. The status alone has to do.
  }
  return '';
}

/** ask finds out why the WebSocket at socket could not be opened from page. */
export async function ask(socket: URL, page: URL, fetcher: typeof fetch = fetch): Promise<Refusal> {
  if (!navigator.onLine) return { kind: 'offline' };
  if (!sameOrigin(socket, page)) return { kind: 'foreign' };
  try {
    const response = await fetcher(questionURL(socket), {
      headers: { Accept: 'application/json' },
      cache: 'no-store',
      redirect: 'manual', // a redirect to a login page is an answer in itself
      signal: AbortSignal.timeout(patience),
    });
    const status = response.type === 'opaqueredirect' ? 401 : response.status;
    return { kind: 'answer', status, words: await words(response) };
  } catch {
    return { kind: 'silence' };
  }
}
