import { describe, expect, it } from 'vitest';
import { blank, type Ending } from './ending.ts';
import type { Refusal } from './refusal.ts';
import { explain, type Explanation } from './words.ts';

const url = new URL('wss://gate.example/websockify?token=secret');

function told(ending: Partial<Ending>): Explanation {
  return explain({ ...blank, url, ...ending }, true);
}

const answer = (status: number, words = ''): Refusal => ({ kind: 'answer', status, words });
const toToken = (status: number, words = ''): Refusal => ({ kind: 'answer', status, words, byToken: true });

describe('each way to fail has its own words', () => {
  const ways: [string, Partial<Ending>, RegExp, Partial<Explanation>][] = [
    ['the user ended it', { wanted: true, opened: true, connected: true }, /^Disconnected/, { calm: true, again: false }],
    ['no network', { refusal: { kind: 'offline' } }, /No network/, { again: true }],
    ['nothing answers', { refusal: { kind: 'silence' } }, /does not answer/, { again: true }],
    ['another origin', { refusal: { kind: 'foreign' } }, /No connection to gate\.example/, { again: true }],
    ['not logged in', { refusal: answer(401) }, /log in/, { again: false }],
    ['not allowed', { refusal: answer(403, 'origin not allowed') }, /Not allowed/, { again: false, said: 'origin not allowed' }],
    ['unknown target', { refusal: answer(404, 'no such target') }, /No such display/, { said: 'no such target' }],
    ['no gateway there', { refusal: answer(405) }, /No gateway/, { again: false }],
    ['a web page', { refusal: answer(200) }, /No gateway/, { again: false }],
    ['a used link', { refusal: answer(410) }, /used up/, { again: false }],
    ['too many', { refusal: answer(429) }, /Too many connections/, { again: true }],
    ['behind a proxy', { refusal: answer(502) }, /not running/, { again: true }],
    ['a bad token', { refusal: toToken(403, 'no such token') }, /link was not accepted/, { again: false, said: 'no such token' }],
    ['a link that is none', { refusal: toToken(403, 'This link is not good any more, or never was. Ask for a new one.') }, /not good/, { over: true, said: '' }],
    ['a link without rights', { refusal: toToken(403, 'This link lets you do nothing here. Ask for another one.') }, /no rights here/, { over: true }],
    ['a link that has run out', { opened: true, connected: true, code: 1008, reason: 'Your time on this display is over.', url: new URL('wss://gate.example/?pass=x') }, /time is over/, { over: true }],
    ['an account that has run out', { opened: true, connected: true, code: 1008, reason: 'Your time on this display is over.', url: new URL('wss://gate.example/') }, /time is over/, { over: false }],
    ['a bad token without words', { refusal: toToken(403) }, /link was not accepted/, { again: false, said: '' }],
    ['a token source that is down', { refusal: toToken(502, 'try later') }, /could not be looked up/, { again: true, said: '' }],
    ['behind a proxy, with a token', { refusal: toToken(502) }, /not running/, { again: true }],
    ['two displays', { refusal: answer(400, 'two displays') }, /cannot be right/, { again: false, said: 'two displays' }],
    ['a proxy that does not understand', { refusal: answer(400) }, /did not understand/, { again: false }],
    ['a slow proxy', { refusal: answer(504) }, /not running/, { again: true }],
    ['full', { refusal: answer(503, 'The gateway is full. Try again later.') }, /full/, { again: true }],
    ['a proxy without words', { refusal: answer(503) }, /full/, { again: true }],
    ['draining', { refusal: answer(503, 'Back at noon.') }, /lets nobody in now/, { again: true, said: 'Back at noon.' }],
    ['would be accepted', { refusal: answer(426) }, /did not come about/, { again: true }],
    ['an unknown status', { refusal: answer(418) }, /refused/, { again: false }],
    ['an unknown failure', { refusal: answer(500) }, /refused/, { again: true }],
    ['display unreachable', { opened: true, code: 1011 }, /cannot be reached/, { again: true }],
    ['display lost', { opened: true, connected: true, code: 1011 }, /was lost/, { again: true }],
    ['going away', { opened: true, connected: true, code: 1001, reason: 'draining' }, /shutting down or restarting/, { again: true, said: 'draining' }],
    ['policy', { opened: true, connected: true, code: 1008, reason: 'ended by admin' }, /was ended/, { again: false, said: 'ended by admin' }],
    ['display closed', { opened: true, connected: true, code: 1000 }, /ended the session/, { calm: true, again: true }],
    ['closed early', { opened: true, code: 1000 }, /closed the connection/, { calm: false, again: true }],
    ['restarting', { opened: true, connected: true, code: 1012 }, /shutting down or restarting/, { again: true }],
    ['try later', { opened: true, code: 1013 }, /^The gateway is full/, { again: true }],
    ['network lost', { opened: true, connected: true, code: 1006 }, /was lost/, { again: true }],
    ['broke early', { opened: true, code: 1006 }, /broke off/, { again: true }],
    ['not VNC', { opened: true, code: 0 }, /unexpected/, { again: false }],
    ['an unknown code', { opened: true, code: 4321 }, /was closed/, { again: true }],
  ];
  it.each(ways)('%s', (_, ending, title, rest) => {
    const words = told(ending);
    expect(words.title).toMatch(title);
    expect(words).toMatchObject(rest);
    expect(words.text.length).toBeGreaterThan(20);
  });
});

describe('security', () => {
  const refused = (reason: string, more: Partial<Ending> = {}): Explanation =>
    told({ opened: true, security: { status: 1, reason }, ...more });

  it('takes a refusal after credentials for a wrong password, and asks again', () => {
    expect(refused('Authentication failure', { credentialsSent: true })).toMatchObject({ title: 'Wrong password', ask: true, again: false });
    expect(refused('', { credentialsSent: true })).toMatchObject({ title: 'Wrong password', ask: true });
  });

  it('does not blame a password that nobody entered', () => {
    expect(refused('Authentication failure')).toMatchObject({ title: 'The connection was refused', ask: false });
  });

  it('passes on a reason that is about something else', () => {
    expect(refused('display is being rebuilt', { credentialsSent: true })).toMatchObject({
      title: 'The connection was refused',
      said: 'display is being rebuilt',
    });
  });

  it('believes the close code more than the text', () => {
    expect(refused('password check failed to dial', { credentialsSent: true, code: 1011 })).toMatchObject({
      title: 'The display cannot be reached',
      ask: false,
      again: true,
    });
  });

  it('does not take a display that refused the gateway for one that is switched off', () => {
    const reason = 'The display did not let the gateway in.';
    const title = 'The gateway could not log in to the display';
    for (const words of [refused(reason, { code: 1011 }), told({ opened: true, code: 1011, reason })]) {
      expect(words).toMatchObject({ title, again: false, ask: false, said: reason });
      expect(words.text).toMatch(/will not help; tell whoever runs the gateway/);
    }
    expect(told({ opened: true, connected: true, code: 1011, reason }).title).toBe('The display was lost');
  });

  it('blames no password where the gateway is full or going away', () => {
    const more = { credentialsSent: true };
    expect(refused('The gateway is full. Try again later.', { ...more, code: 1013 })).toMatchObject({ title: 'The gateway is full', ask: false });
    expect(refused('', { ...more, code: 1001 })).toMatchObject({ title: 'The gateway is shutting down or restarting', ask: false });
  });

  it('does not take gateways that cannot count for full', () => {
    const reason = 'The gateway cannot tell at the moment how many sessions there are. Try again in a few seconds.';
    const title = 'The gateway lets nobody in for the moment';
    for (const words of [refused(reason, { credentialsSent: true, code: 1013 }), refused(reason, {}), told({ opened: true, code: 1013, reason })]) {
      expect(words).toMatchObject({ title, again: true, ask: false, said: '' });
      expect(words.text).toMatch(/Try again in a few seconds/);
    }
  });

  it('promises nothing of programs when the gateway goes', () => {
    expect(told({ opened: true, connected: true, code: 1001 }).text).not.toMatch(/programs/);
  });

  it('knows a display that locks out', () => {
    expect(refused('Too many security failures', { credentialsSent: true }).title).toBe('Too many attempts');
  });
});

describe('a connection that was never tried', () => {
  it('because the browser forbids it', () => {
    expect(told({ error: 'insecure', url: new URL('ws://h/') }).title).toBe('Blocked by the browser');
  });
  it('because the address is wrong', () => {
    expect(told({ error: 'Invalid URL', url: undefined })).toMatchObject({ title: 'The address is not valid', said: 'Invalid URL' });
  });
});

it('does not say the same twice', () => {
  const security = { status: 1, reason: 'The display cannot be reached.' };
  expect(told({ opened: true, code: 1011, security }).said).toBe('');
  expect(told({ opened: true, code: 1011, reason: 'no route to host' }).said).toBe('no route to host');
});

it('shows no token in any words', () => {
  for (const kind of ['silence', 'foreign', 'offline'] as const) {
    expect(JSON.stringify(told({ refusal: { kind } }))).not.toContain('secret');
  }
  expect(JSON.stringify(told({ refusal: answer(200) }))).not.toContain('secret');
});
