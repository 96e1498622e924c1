// Why a WebSocket was not opened. The browser hides the answer to a refused upgrade, so the page asks the same address
// again as a plain request: the gateway answers with the status and the words that the upgrade got.

import { questionURL, sameOrigin } from './url.ts';

/** Refusal is what could be found out. */
export type Refusal =
  | { kind: 'answer'; status: number; words: string; byToken?: boolean } // words: the gateway's own, or empty; byToken: a token was shown
  | { kind: 'silence' } // nothing at that address answers
  | { kind: 'offline' } // this device has no network
  | { kind: 'foreign' }; // another origin, which the page may not ask

/** upgradeRequired is the gateway's answer to a plain request where an upgrade would have been accepted. */
export const upgradeRequired = 426;

/** patience bounds the question, in milliseconds: the user is waiting for an answer. */
export const patience = 5000;

// The gateway's words are short; anything longer comes from something else and is not for the eye.
const longestWords = 300;

/** wordsOf are the gateway's own words in an answer, empty where there are none. */
export async function wordsOf(response: Response): Promise<string> {
  return errorIn(await bodyOf(response));
}

async function bodyOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return undefined; // not JSON: a proxy's page, say; the status alone has to do
  }
}

function errorIn(body: unknown): string {
  const words = typeof body === 'object' && body !== null && 'error' in body ? body.error : undefined;
  return typeof words === 'string' ? words.slice(0, longestWords) : '';
}

// A display that is being waited for: the upgrade would have been accepted.
function isWaiting(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'waiting' in body;
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
    const body = await bodyOf(response);
    const status = response.type === 'opaqueredirect' ? 401 : isWaiting(body) ? upgradeRequired : response.status;
    const byToken = socket.searchParams.has('token') || socket.searchParams.has('pass');
    return { kind: 'answer', status, words: errorIn(body), ...(byToken && { byToken }) };
  } catch {
    return { kind: 'silence' };
  }
}
