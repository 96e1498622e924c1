import { describe, expect, it } from 'vitest';
import { choices, lifetimes, lifetimesUpTo, linkURL, readLink, rightsOf } from './sharing.ts';

describe('scopes', () => {
  const all = new Set(['view', 'keyboard', 'pointer', 'clipboard-in']);

  it('are made of what may be passed on', () => {
    expect(rightsOf('watch', all)).toEqual(['view']);
    expect(rightsOf('control', all)).toEqual(['view', 'keyboard', 'pointer']);
    expect(rightsOf('all', all)).toEqual([...all]);
    expect(rightsOf('watch', new Set(['picture', 'audio', 'keyboard']))).toEqual(['picture', 'audio']);
  });

  it.each([
    [['view', 'keyboard', 'pointer', 'clipboard-in'], ['watch', 'control', 'all']],
    [['view', 'keyboard', 'pointer'], ['watch', 'control']],
    [['view'], ['watch']],
    [['view', 'clipboard-out'], ['watch', 'all']],
    [[], []],
  ])('for %j there are %j', (may, want) => expect(choices(new Set(may))).toEqual(want));
});

describe('a link', () => {
  it.each([
    ['https://gate.example/vnc.html?autoconnect=1&token=old#pass=abc', 'https://gate.example/vnc.html#token=a%2Fb'],
    ['https://gate.example/some/prefix/vnc/desk?view_only=1', 'https://gate.example/some/prefix/vnc/desk#token=a%2Fb'],
    ['http://gate.example/?path=vnc/socket&target=desk', 'http://gate.example/?path=vnc%2Fsocket#token=a%2Fb'],
    ['http://gate.example/?path=websockify%3Ftoken%3Dold', 'http://gate.example/#token=a%2Fb'],
  ])('from %s', (page, want) => expect(linkURL(new URL(page), 'a/b')).toBe(want));

  it('is read', () => {
    const page = new URL('https://gate.example/');
    const link = readLink({ id: '7', token: 't', left: 60 }, page, 'watch');
    expect(link).toMatchObject({ id: '7', url: 'https://gate.example/#token=t', scope: 'watch' });
    expect(link?.end).toBeGreaterThan(Date.now());
    expect(readLink({ id: '7', token: 't' }, page, 'watch')?.end).toBeUndefined();
  });

  it('leads where the gateway says', () => {
    const page = new URL('https://gate.example/vnc/desk?path=ws');
    const link = readLink({ id: '7', token: 't', link: 'https://guests.example:6443' }, page, 'watch');
    expect(link?.url).toBe('https://guests.example:6443/#token=t');
  });

  it.each([[null], [{}], [{ id: 7, token: 't' }], [{ id: '7', token: '' }], ['words']])('is not made of %j', (body) =>
    expect(readLink(body, new URL('https://gate.example/'), 'watch')).toBeUndefined());
});

describe('how long a link may be good for', () => {
  it('is what the gateway gives', () => {
    expect(lifetimesUpTo(undefined)).toEqual(lifetimes);
    expect(lifetimesUpTo(3600).map(([seconds]) => seconds)).toEqual([900, 3600]);
    expect(lifetimesUpTo(1800)).toEqual([[900, '15 minutes'], [1800, '30 minutes, the longest there is']]);
    expect(lifetimesUpTo(40)).toEqual([[40, '40 seconds, the longest there is']]);
  });
});
