import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { allows, changed, isOfEnd, readNotice, restriction, watches, withNotices, type Standing } from './notices.ts';

const now = 1_700_000_000_000;

beforeEach(() => {
  vi.useFakeTimers({ now });
});
afterEach(() => {
  vi.useRealTimers();
});

function standing(...rights: string[]): Standing {
  return { key: 'K', rights: new Set(rights), end: undefined, renewable: false, shareable: new Set() };
}

describe('readNotice', () => {
  it('reads rights', () => {
    const text = '{"kind":"rights","key":"K","rights":["view","keyboard"],"left":90,"renewable":true,"shareable":["view"]}';
    expect(readNotice(text)).toEqual({
      kind: 'rights',
      key: 'K',
      rights: new Set(['view', 'keyboard']),
      end: now + 90_000,
      renewable: true,
      shareable: new Set(['view']),
    });
    expect(readNotice('{"kind":"rights","rights":["view"]}')).toMatchObject({ end: undefined, renewable: false, shareable: new Set() });
  });

  it('reads warnings and messages', () => {
    expect(readNotice('{"kind":"warning","words":"Soon.","left":60}')).toEqual({ kind: 'warning', words: 'Soon.', end: now + 60_000 });
    expect(readNotice('{"kind":"warning"}')).toEqual({ kind: 'warning', words: '', end: undefined });
    expect(readNotice('{"kind":"message","words":"Hello."}')).toEqual({ kind: 'message', words: 'Hello.' });
    expect(readNotice('{"kind":"paused","paused":true,"words":"Wait."}')).toEqual({ kind: 'paused', paused: true, words: 'Wait.' });
    expect(readNotice('{"kind":"paused"}')).toEqual({ kind: 'paused', paused: false, words: '' });
  });

  it('bears odd values', () => {
    expect(readNotice('{"kind":"warning","words":7,"left":-3}')).toEqual({ kind: 'warning', words: '', end: now });
    expect(readNotice(`{"kind":"message","words":"${'x'.repeat(5000)}"}`)).toEqual({ kind: 'message', words: 'x'.repeat(500) });
    expect(readNotice('{"kind":"rights","key":1,"rights":"all","shareable":[1,"view"]}')).toMatchObject({
      key: '',
      rights: new Set(),
      shareable: new Set(['view']),
    });
  });

  it.each(['', 'words', 'null', '7', '[]', '{}', '{"kind":"of a newer gateway"}'])('passes over %j', (text) =>
    expect(readNotice(text)).toBeUndefined());
});

describe('rights', () => {
  it.each<[Standing | undefined, string, boolean]>([
    [undefined, '', false],
    [standing('view', 'keyboard', 'pointer'), '', false],
    [standing('view'), 'View only', true],
    [standing('view', 'clipboard-in'), 'View only', true],
    [standing('view', 'pointer'), 'No keyboard', false],
    [standing('view', 'keyboard'), 'No mouse', false],
  ])('%o: %j', (s, words, watching) => {
    expect(restriction(s)).toBe(words);
    expect(watches(s)).toBe(watching);
  });

  it('are the display’s affair where the gateway says nothing', () => expect(allows(undefined, 'power')).toBe(true));

  it.each([
    [['keyboard', 'pointer'], [], 'You may only watch from now on'],
    [[], ['keyboard', 'pointer'], 'You may use keyboard and mouse from now on'],
    [['keyboard', 'pointer'], ['pointer'], 'No keyboard from now on'],
    [['keyboard', 'pointer', 'power'], ['keyboard', 'pointer'], ''],
  ])('from %j to %j: %j', (before, after, words) => expect(changed(standing(...before), standing(...after))).toBe(words));
});

it('tells the end that can be put off from others', () => {
  const warning = { words: 'Soon.', end: now + 60_000 };
  expect(isOfEnd(warning, { ...standing(), end: now + 61_000 })).toBe(true);
  expect(isOfEnd(warning, { ...standing(), end: now + 90_000 })).toBe(false);
  expect(isOfEnd(warning, standing())).toBe(false);
  expect(isOfEnd(warning, undefined)).toBe(false);
});

it('asks in the address', () => {
  expect(withNotices(new URL('wss://gate.example/websockify?pass=a')).href).toBe('wss://gate.example/websockify?pass=a&notices=1');
});
