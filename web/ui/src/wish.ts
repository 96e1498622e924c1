// What a page wants of the gateway for its session: more time, a link for somebody else, or such a link back.

import { wordsOf } from './refusal.ts';
import { questionURL } from './url.ts';

const patience = 20_000; // milliseconds

/** Answer is what came of a wish: the gateway's answer, or in words why not. */
export type Answer = { ok: true; body: unknown } | { ok: false; words: string };

/** Wish is sent with the key of the session. */
export type Wish = { renew: true } | { share: { rights: string[]; seconds: number; uses: number } } | { unshare: string } | { play: PlayWish };

/** PlayWish is what is wanted of a recording; positions are in seconds. */
export interface PlayWish {
  do: '' | 'play' | 'pause' | 'seek' | 'speed' | 'timeline' | 'thumbnail' | 'search';
  position?: number;
  speed?: number;
  skip_idle?: number;
  text?: string;
}

const silence = 'The gateway does not answer. Try again in a moment.';

/** wish asks the gateway at socket. */
export async function wish(socket: URL, key: string, what: Wish, fetcher: typeof fetch = fetch): Promise<Answer> {
  const url = questionURL(socket);
  url.search = '';
  try {
    const response = await fetcher(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify({ key, ...what }),
      cache: 'no-store',
      redirect: 'error',
      signal: AbortSignal.timeout(patience),
    });
    if (response.ok) return { ok: true, body: await response.json() };
    const words = await wordsOf(response);
    return { ok: false, words: words === '' ? `The gateway refused (HTTP status ${response.status}). Try again later.` : words };
  } catch {
    return { ok: false, words: silence };
  }
}
