import { expect, it } from 'vitest';
import { wish } from './wish.ts';

const socket = new URL('wss://gate.example/some/prefix/websockify?pass=abc&target=desk');

it('is sent where the session is, with the key in the body alone', async () => {
  let asked: [string, RequestInit | undefined] | undefined;
  const answer = await wish(socket, 'K', { renew: true }, (url, init) => {
    asked = [url instanceof URL ? url.href : '', init];
    return Promise.resolve(Response.json({}));
  });
  expect(answer).toEqual({ ok: true, body: {} });
  expect(asked?.[0]).toBe('https://gate.example/some/prefix/websockify');
  expect(asked?.[1]).toMatchObject({ method: 'POST', body: '{"key":"K","renew":true}' });
});

it.each<[string, typeof fetch, RegExp]>([
  ['the gateway’s words', () => Promise.resolve(Response.json({ error: 'Not once more.' }, { status: 409 })), /^Not once more\.$/],
  ['a status alone', () => Promise.resolve(new Response('<html>', { status: 500 })), /500/],
  ['no answer', () => Promise.reject(new TypeError('network')), /does not answer/],
  ['an answer that is none', () => Promise.resolve(new Response('<html>')), /does not answer/],
])('is refused: %s', async (_, fetcher, words) => {
  const answer = await wish(socket, 'K', { unshare: '7' }, fetcher);
  expect(answer.ok ? '' : answer.words).toMatch(words);
});
