import { afterEach, describe, expect, it, vi } from 'vitest';
import { Entrance } from './entrance.ts';
import type { Claim } from './claim.ts';

const page = new URL('https://gate.example/desk/vnc.html');
const socket = new URL('wss://gate.example/desk/websockify');
const claim: Claim = { token: 'secret', pass: '', target: '' };

interface Asked {
  url: string;
  init: RequestInit | undefined;
}

function gateway(answer: () => Response | Promise<Response>): { asked: Asked[]; fetcher: typeof fetch } {
  const asked: Asked[] = [];
  const fetcher = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    asked.push({ url: input instanceof URL ? input.href : (input as string), init });
    return Promise.resolve().then(answer);
  };
  return { asked, fetcher };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a token', () => {
  it('goes into a body, and a pass comes back', async () => {
    const { asked, fetcher } = gateway(() => Response.json({ pass: 'abc' }));
    const passes: Claim[] = [];
    const entrance = new Entrance(claim, (c) => passes.push(c), fetcher);
    expect(await entrance.enter(socket, page)).toEqual(new URL('wss://gate.example/desk/websockify?pass=abc'));
    expect(passes).toEqual([{ token: '', pass: 'abc', target: '' }]);
    expect(asked[0]?.url).toBe('https://gate.example/desk/websockify');
    expect(asked[0]?.init?.method).toBe('POST');
    expect(asked[0]?.init?.body).toBe('{"token":"secret"}');
    expect(asked[0]?.init?.headers).toMatchObject({ 'Content-Type': 'application/json' });
    await entrance.enter(socket, page); // connecting again needs no other
    expect(asked.length).toBe(1);
  });

  it('names the display that the link names, too', async () => {
    const { asked, fetcher } = gateway(() => Response.json({ pass: 'abc' }));
    const entrance = new Entrance({ ...claim, target: 'desk' }, undefined, fetcher);
    expect(await entrance.enter(socket, page)).toEqual(new URL('wss://gate.example/desk/websockify?pass=abc&target=desk'));
    expect(asked[0]?.url).toBe('https://gate.example/desk/websockify?target=desk');
  });

  it('that is not good is refused in the gateway’s words, and stays', async () => {
    const { asked, fetcher } = gateway(() => Response.json({ error: 'no such token' }, { status: 403 }));
    const entrance = new Entrance(claim, undefined, fetcher);
    const want = { kind: 'answer', status: 403, words: 'no such token', byToken: true };
    expect(await entrance.enter(socket, page)).toEqual(want);
    expect(await entrance.enter(socket, page)).toEqual(want);
    expect(asked.length).toBe(2);
  });

  it.each<[string, () => Response]>([
    ['405', () => new Response('', { status: 405 })],
    ['501', () => new Response('', { status: 501 })],
    ['404 without words', () => new Response('', { status: 404 })],
    ['an answer without a pass', () => Response.json({})],
    ['an answer that is no object', () => Response.json(null)],
  ])('goes into the address where the gateway knows no other way: %s', async (_, answer) => {
    const entrance = new Entrance(claim, undefined, gateway(answer).fetcher);
    expect(await entrance.enter(socket, page)).toEqual(new URL('wss://gate.example/desk/websockify?token=secret'));
  });

  it('goes into the address for another host, and without cookies', async () => {
    const { asked, fetcher } = gateway(() => Response.json({ pass: 'abc' }));
    const entrance = new Entrance(claim, undefined, fetcher);
    expect(await entrance.enter(new URL('wss://other.example/ws'), page)).toEqual(new URL('wss://other.example/ws?token=secret'));
    vi.spyOn(navigator, 'cookieEnabled', 'get').mockReturnValue(false);
    expect(await entrance.enter(socket, page)).toEqual(new URL('wss://gate.example/desk/websockify?token=secret'));
    expect(asked).toEqual([]);
  });

  it('is kept while nothing answers', async () => {
    const { fetcher } = gateway(() => {
      throw new TypeError('network');
    });
    const entrance = new Entrance(claim, undefined, fetcher);
    expect(await entrance.enter(socket, page)).toEqual({ kind: 'silence' });
    vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
    expect(await entrance.enter(socket, page)).toEqual({ kind: 'offline' });
  });
});

it('asks nobody without a token', async () => {
  const { asked, fetcher } = gateway(() => Response.json({}));
  const entrance = new Entrance({ token: '', pass: '', target: 'desk' }, undefined, fetcher);
  expect(await entrance.enter(socket, page)).toEqual(new URL('wss://gate.example/desk/websockify?target=desk'));
  expect(asked).toEqual([]);
});
