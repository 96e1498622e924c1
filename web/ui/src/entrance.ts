// The way in: a token from the link is given to the gateway in the body of a request, which puts it into a cookie that no
// script can read. So it is in no address, and no server on the way writes it into a log.

import { withClaim, type Claim } from './claim.ts';
import { wordsOf, type Refusal } from './refusal.ts';
import { questionURL, sameOrigin } from './url.ts';

// The gateway itself gives a token source 15 seconds.
const patience = 20_000; // milliseconds

// What a gateway answers that takes no tokens this way: they go into the address there, as noVNC has them.
const unknownHere = new Set([405, 501]);

/** Entrance knows what the link said, and turns addresses of WebSockets into those that the gateway lets in. */
export class Entrance {
  constructor(
    private claim: Claim,
    /** onpass is called when there is a pass in place of the token. */
    private readonly onpass: (claim: Claim) => void = () => undefined,
    private readonly fetcher: typeof fetch = (input, init) => fetch(input, init),
  ) {}

  /** enter returns the address to connect to, or why the gateway does not take the token. */
  async enter(socket: URL, page: URL): Promise<URL | Refusal> {
    if (this.claim.token !== '' && navigator.cookieEnabled && sameOrigin(socket, page)) {
      const refusal = await this.exchange(socket);
      if (refusal !== undefined) return refusal;
    }
    return withClaim(socket, this.claim);
  }

  private async exchange(socket: URL): Promise<Refusal | undefined> {
    if (!navigator.onLine) return { kind: 'offline' };
    const { token, target } = this.claim;
    try {
      const response = await this.fetcher(questionURL(withClaim(socket, { token: '', pass: '', target })), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
        body: JSON.stringify({ token }),
        cache: 'no-store',
        redirect: 'error',
        signal: AbortSignal.timeout(patience),
      });
      if (response.ok) {
        this.keep(await response.json());
        return undefined;
      }
      const words = await wordsOf(response);
      if (unknownHere.has(response.status) || (response.status === 404 && words === '')) return undefined;
      return { kind: 'answer', status: response.status, words, byToken: true };
    } catch {
      return { kind: 'silence' };
    }
  }

  private keep(body: unknown): void {
    if (typeof body !== 'object' || body === null || !('pass' in body) || typeof body.pass !== 'string') return;
    this.claim = { ...this.claim, token: '', pass: body.pass };
    this.onpass(this.claim);
  }
}
