import { afterEach, describe, expect, it, vi } from 'vitest';
import { ask } from './refusal.ts';

const page = new URL('http://gate.example/vnc.html');
const socket = new URL('ws://gate.example/websockify?token=X');

function answering(response: () => Response | Promise<Response>): { fetcher: typeof fetch; asked: [string, RequestInit | undefined][] } {
  const asked: [string, RequestInit | undefined][] = [];
  const fetcher = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    asked.push([input instanceof URL ? input.href : (input as string), init]);
    return Promise.resolve().then(response);
  };
  return { fetcher, asked };
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('ask', () => {
  it('asks the same address by http and wants JSON', async () => {
    const { fetcher, asked } = answering(() => Response.json({ error: 'no such target' }, { status: 404 }));
    expect(await ask(socket, page, fetcher)).toEqual({ kind: 'answer', status: 404, words: 'no such target', byToken: true });
    expect(asked[0]?.[0]).toBe('http://gate.example/websockify?token=X');
    expect(asked[0]?.[1]?.headers).toEqual({ Accept: 'application/json' });
  });

  it.each<[string, () => Response, string]>([
    ['a page', () => new Response('<html>', { status: 403 }), ''],
    ['other JSON', () => Response.json({ error: { code: 1 } }, { status: 403 }), ''],
    ['no object', () => Response.json(null, { status: 403 }), ''],
    ['an epic', () => Response.json({ error: 'x'.repeat(5000) }, { status: 403 }), 'x'.repeat(300)],
  ])('bears %s', async (_, response, words) => {
    expect(await ask(socket, page, answering(response).fetcher)).toEqual({ kind: 'answer', status: 403, words, byToken: true });
  });

  it('takes a display that is waited for as one that may be connected to', async () => {
    const { fetcher } = answering(() => Response.json({ waiting: 'It is starting.', seconds: 3 }));
    expect(await ask(new URL('ws://gate.example/ws'), page, fetcher)).toEqual({ kind: 'answer', status: 426, words: '' });
  });

  it('takes no answer for silence', async () => {
    const { fetcher } = answering(() => {
      throw new TypeError('network');
    });
    expect(await ask(socket, page, fetcher)).toEqual({ kind: 'silence' });
  });

  it('does not ask another origin', async () => {
    const { fetcher, asked } = answering(() => new Response());
    expect(await ask(new URL('ws://other.example/'), page, fetcher)).toEqual({ kind: 'foreign' });
    expect(asked).toEqual([]);
  });

  it('does not ask without a network', async () => {
    vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false);
    const { fetcher, asked } = answering(() => new Response());
    expect(await ask(socket, page, fetcher)).toEqual({ kind: 'offline' });
    expect(asked).toEqual([]);
  });
});
