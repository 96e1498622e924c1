import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Standing } from './notices.ts';
import { resolve } from './settings.ts';
import { initial, type State } from './state.ts';
import { Store } from './store.ts';
import { Terms } from './terms.ts';
import type { Answer, Wish } from './wish.ts';

const now = 1_700_000_000_000;
const nowhere = { mandatory: {}, fragment: {}, query: {}, stored: {}, defaults: {} };

beforeEach(() => {
  vi.useFakeTimers({ now });
});
afterEach(() => {
  vi.useRealTimers();
});

const rights = { kind: 'rights', key: 'K', rights: new Set(['view', 'keyboard', 'pointer']), end: undefined, renewable: true } as const;
const full: { kind: 'rights' } & Standing = { ...rights, shareable: new Set(['view']) };

interface Bench {
  store: Store<State>;
  terms: Terms;
  said: string[];
  wishes: [string, Wish][];
  restricted: () => number;
}

function bench(answer: Answer = { ok: true, body: {} }, open = true): Bench {
  const store = new Store(initial(resolve(nowhere, true).values, new Set()));
  const said: string[] = [];
  const wishes: [string, Wish][] = [];
  let restricted = 0;
  const ties = {
    socket: () => (open ? new URL('wss://gate.example/websockify') : undefined),
    notify: (words: string): void => {
      said.push(words);
    },
    restrict: (): void => {
      restricted++;
    },
  };
  const terms = new Terms(store, ties, (_, key, what) => {
    wishes.push([key, what]);
    return Promise.resolve(answer);
  });
  return { store, terms, said, wishes, restricted: () => restricted };
}

describe('Terms', () => {
  it('says what has changed, and not what is', () => {
    const b = bench();
    b.terms.take(full);
    expect(b.said).toEqual([]);
    b.terms.take({ ...full, rights: new Set(['view']) });
    expect(b.said).toEqual(['You may only watch from now on']);
    expect(b.restricted()).toBe(2);
    expect(b.store.get().standing?.rights).toEqual(new Set(['view']));
  });

  it('shows a warning until it is taken back, or hushed', () => {
    const b = bench();
    b.terms.take({ kind: 'warning', words: 'Soon.', end: now + 60_000 });
    expect(b.store.get().warning).toEqual({ words: 'Soon.', end: now + 60_000 });
    b.terms.take({ kind: 'warning', words: '', end: undefined });
    expect(b.store.get().warning).toBeUndefined();
    b.terms.take({ kind: 'warning', words: 'Soon.', end: now + 10_000 });
    b.terms.hush();
    expect(b.store.get().warning).toBeUndefined();
  });

  it('drops the warning of an end that has moved, and no other', () => {
    const b = bench();
    b.terms.take({ ...full, end: now + 60_000 });
    b.terms.take({ kind: 'warning', words: 'Nearly over.', end: now + 60_000 });
    b.terms.take({ ...full, end: now + 3_600_000 });
    expect(b.store.get().warning).toBeUndefined();
    b.terms.take({ kind: 'warning', words: 'Nothing is done.', end: now + 30_000 });
    b.terms.take({ ...full, end: now + 7_200_000 });
    expect(b.store.get().warning?.words).toBe('Nothing is done.');
  });

  it('keeps messages until they are read or the session ends, the newest in front', () => {
    const b = bench();
    for (const words of ['one', '', 'two']) b.terms.take({ kind: 'message', words });
    b.terms.take(full);
    expect(b.store.get().messages).toEqual(['two', 'one']);
    b.terms.read();
    expect(b.store.get().messages).toEqual(['one']);
    b.terms.end();
    expect(b.store.get()).toMatchObject({ messages: [], standing: undefined, warning: undefined });
  });

  it('is paused until it goes on, or ends', () => {
    const b = bench();
    b.terms.take({ kind: 'message', words: 'Lunch at noon.' });
    b.terms.take({ kind: 'paused', paused: true, words: 'Back in a minute.' });
    expect(b.store.get()).toMatchObject({ paused: 'Back in a minute.', messages: ['Lunch at noon.'] });
    b.terms.take({ kind: 'paused', paused: false, words: 'It goes on.' });
    expect(b.store.get()).toMatchObject({ paused: '', messages: ['Lunch at noon.'] });
    expect(b.said).toEqual(['It goes on.']);
    b.terms.take({ kind: 'paused', paused: true, words: '' });
    expect(b.store.get().paused).toMatch(/paused/);
    b.terms.end();
    expect(b.store.get().paused).toBe('');
  });

  it('renews, once at a time', async () => {
    const b = bench();
    b.terms.take(full);
    const first = b.terms.renew();
    const second = b.terms.renew();
    expect(b.store.get().renewal).toBe('asking');
    await Promise.all([first, second]);
    expect(b.wishes).toEqual([['K', { renew: true }]]);
    expect(b.store.get().renewal).toBe('');
    expect(b.said).toEqual(['Your session has been made longer']);
  });

  it('says why it could not renew', async () => {
    const b = bench({ ok: false, words: 'Not once more.' });
    b.terms.take(full);
    await b.terms.renew();
    expect(b.store.get().renewal).toBe('Not once more.');
    const gone = bench({ ok: true, body: {} }, false);
    await gone.terms.renew();
    expect(gone.store.get().renewal).toMatch(/has ended/);
    expect(gone.wishes).toEqual([]);
  });

  it('makes links and takes them back', async () => {
    const b = bench({ ok: true, body: { id: '7', token: 't', left: 60 } });
    b.terms.take(full);
    const link = await b.terms.share('watch', 60, 1);
    expect(b.wishes).toEqual([['K', { share: { rights: ['view'], seconds: 60, uses: 1 } }]]);
    expect(b.store.get().links).toEqual([link]);
    if (link !== undefined) await b.terms.unshare(link);
    expect(b.wishes[1]).toEqual(['K', { unshare: '7' }]);
    expect(b.store.get().links).toEqual([]);
  });

  it('says why a link was not made, or is still there', async () => {
    const odd = bench();
    odd.terms.take(full);
    expect(await odd.terms.share('watch', 60, 1)).toBeUndefined();
    expect(odd.store.get().shareFault).toMatch(/not understood/);
    const b = bench({ ok: false, words: 'You may not share this display.' });
    b.terms.take(full);
    expect(await b.terms.share('watch', 60, 1)).toBeUndefined();
    expect(b.store.get().shareFault).toMatch(/may not share/);
    const link = { id: '7', url: 'https://gate.example/#token=t', scope: 'watch', end: undefined } as const;
    b.store.set({ links: [link] });
    await b.terms.unshare(link);
    expect(b.store.get().links).toEqual([link]);
  });

  it('closes the panel of links when there may be none any more', () => {
    const b = bench();
    b.terms.take(full);
    b.store.set({ panel: 'share' });
    b.terms.take(full);
    expect(b.store.get().panel).toBe('share');
    b.terms.take({ ...full, shareable: new Set() });
    expect(b.store.get().panel).toBeUndefined();
  });
});
