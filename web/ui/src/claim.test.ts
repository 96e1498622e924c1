import { describe, expect, it } from 'vitest';
import { claimed, isEmpty, tidied, withClaim, type Claim } from './claim.ts';

const none: Claim = { token: '', pass: '', target: '' };

it('reads the fragment before the query', () => {
  expect(claimed({ token: 'A', target: 'desk' }, { token: 'B', pass: 'p' })).toEqual({ token: 'A', pass: 'p', target: 'desk' });
  expect(claimed({}, {})).toEqual(none);
  expect(claimed({ token: 7 }, {})).toEqual(none);
});

it('knows a link that says nothing', () => {
  expect(isEmpty(none)).toBe(true);
  expect(isEmpty({ ...none, target: 'desk' })).toBe(false);
});

describe('the tidied address', () => {
  it.each<[string, string, Partial<Claim>, string]>([
    ['a token in the fragment', '#token=X', { token: 'X' }, ''],
    ['a token in the query', '?token=X', { token: 'X' }, ''],
    ['a token among others', '?resize=scale&token=X#view_only=1&token=Y', { token: 'Y' }, '?resize=scale#view_only=1'],
    ['what only looks like one', '?mytoken=1#tokens=2', {}, '?mytoken=1#tokens=2'],
    ['a pass in place of a token', '#resize=scale', { pass: 'abc' }, '#resize=scale&pass=abc'],
    ['an old pass beside a new token', '#pass=abc&token=X', { pass: 'abc', token: 'X' }, ''],
    ['a path with a token is noVNC’s own', '?path=ws%3Ftoken%3DX', {}, '?path=ws%3Ftoken%3DX'],
    ['a target', '#target=a%2Fb', { target: 'a/b' }, '#target=a%2Fb'],
  ])('%s', (_, link, claim, want) => {
    const page = new URL(`https://gate.example/desk/vnc.html${link}`);
    expect(tidied(page, { ...none, ...claim }).href).toBe(`https://gate.example/desk/vnc.html${want}`);
  });
});

describe('the address to connect to', () => {
  it.each<[string, string, Partial<Claim>, string]>([
    ['nothing to say', 'ws', {}, 'ws'],
    ['a token', 'ws', { token: 'a+b&c' }, 'ws?token=a%2Bb%26c'],
    ['a pass', 'ws', { pass: 'abc' }, 'ws?pass=abc'],
    ['a token before a pass', 'ws', { pass: 'abc', token: 'X' }, 'ws?token=X'],
    ['a target', 'ws?x=1', { target: 'a/b' }, 'ws?x=1&target=a%2Fb'],
    ['a path that says it itself', 'ws?token=Y&target=t', { token: 'X', target: 'u' }, 'ws?token=Y&target=t'],
    ['a pass beside a path with a token', 'ws?token=Y', { pass: 'abc' }, 'ws?token=Y'],
  ])('%s', (_, path, claim, want) => {
    expect(withClaim(new URL(`wss://gate.example/${path}`), { ...none, ...claim }).href).toBe(`wss://gate.example/${want}`);
  });
});
