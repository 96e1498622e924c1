// The terms of a session, as the gateway states them while it runs: what its viewer may do and until when, what is about
// to happen, and what the page can ask for.

import { changed, isOfEnd, type Notice, type Standing } from './notices.ts';
import { readLink, rightsOf, type Link, type Scope } from './sharing.ts';
import type { State } from './state.ts';
import type { Store } from './store.ts';
import { wish, type Answer, type PlayWish, type Wish } from './wish.ts';

/** Ties are what the terms need of the session. */
export interface Ties {
  /** socket is the address of the WebSocket, while there is one. */
  socket(): URL | undefined;
  /** notify shows a short message. */
  notify(words: string): void;
  /** restrict is called when the viewer may do something more or less than before. */
  restrict(): void;
}

/** Terms keeps the part of the state that the gateway's notices are about. */
export class Terms {
  constructor(
    private readonly store: Store<State>,
    private readonly ties: Ties,
    private readonly wisher: typeof wish = wish,
  ) {}

  /** take follows one notice. */
  take(notice: Notice): void {
    switch (notice.kind) {
      case 'rights':
        this.follow(notice);
        break;
      case 'warning':
        this.store.set({ warning: notice.end === undefined ? undefined : { words: notice.words, end: notice.end }, renewal: '' });
        break;
      case 'paused':
        this.store.set({ paused: notice.paused ? notice.words || 'Your session is paused.' : '' });
        if (!notice.paused && notice.words !== '') this.ties.notify(notice.words);
        break;
      case 'message':
        if (notice.words !== '') this.store.set({ messages: [notice.words, ...this.store.get().messages] });
        break;
    }
  }

  private follow(standing: Standing): void {
    const { standing: before, warning, panel } = this.store.get();
    this.store.set({ standing });
    // The gateway takes its warning back as well; the countdown to an end that has moved must not stay until then.
    if (warning !== undefined && isOfEnd(warning, before) && !isOfEnd(warning, standing)) {
      this.store.set({ warning: undefined, renewal: '' });
    }
    if (panel === 'share' && standing.shareable.size === 0) this.store.set({ panel: undefined });
    if (before !== undefined) {
      const words = changed(before, standing);
      if (words !== '') this.ties.notify(words);
    }
    this.ties.restrict();
  }

  /** end forgets what was about a connection; the links stay. */
  end(): void {
    this.store.set({ standing: undefined, warning: undefined, renewal: '', shareFault: '', paused: '', messages: [] });
  }

  /** read takes away the newest message, which is in front. */
  read(): void {
    this.store.set({ messages: this.store.get().messages.slice(1) });
  }

  /** hush takes away a warning, which the user has seen. */
  hush(): void {
    this.store.set({ warning: undefined, renewal: '' });
  }

  /** renew asks for more time. */
  async renew(): Promise<void> {
    if (this.store.get().renewal === 'asking') return;
    this.store.set({ renewal: 'asking' });
    const answer = await this.wish({ renew: true });
    // What has come of it comes as a notice.
    this.store.set({ renewal: answer.ok ? '' : answer.words });
    if (answer.ok) this.ties.notify('Your session has been made longer');
  }

  /** share makes a link, and returns it unless that failed. */
  async share(scope: Scope, seconds: number, uses: number): Promise<Link | undefined> {
    const { standing, links } = this.store.get();
    const rights = rightsOf(scope, standing?.shareable ?? new Set());
    const answer = await this.wish({ share: { rights, seconds, uses } });
    const link = answer.ok ? readLink(answer.body, new URL(location.href), scope) : undefined;
    if (link === undefined) {
      this.store.set({ shareFault: answer.ok ? 'The gateway’s answer was not understood. Try again later.' : answer.words });
      return undefined;
    }
    this.store.set({ shareFault: '', links: [...links, link] });
    return link;
  }

  /** unshare takes a link back: nobody comes by it any more, and who did is sent away. */
  async unshare(link: Link): Promise<void> {
    const answer = await this.wish({ unshare: link.id });
    if (answer.ok) this.store.set({ shareFault: '', links: this.store.get().links.filter((l) => l.id !== link.id) });
    else this.store.set({ shareFault: answer.words });
  }

  /** play has something done with the recording that is shown. */
  play(what: PlayWish): Promise<Answer> {
    return this.wish({ play: what });
  }

  private wish(what: Wish): Promise<Answer> {
    const socket = this.ties.socket();
    const { standing } = this.store.get();
    if (socket === undefined || standing === undefined) {
      return Promise.resolve({ ok: false, words: 'The session has ended. Connect again.' });
    }
    return this.wisher(socket, standing.key, what);
  }
}
