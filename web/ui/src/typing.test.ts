import { describe, expect, it } from 'vitest';
import { edit, filler, isWorn } from './typing.ts';

describe('edit', () => {
  it.each<[string, string, string, number, string]>([
    ['a letter', '__', '__a', 0, 'a'],
    ['a word at once', '__', '__hello ', 0, 'hello '],
    ['a backspace', '__a', '__', 1, ''],
    ['nothing', '__', '__', 0, ''],
    ['a correction', '__teh', '__the', 2, 'he'],
    ['a replaced word', '__wrld', '__world', 3, 'orld'],
    ['a completion', '__hel', '__hello', 0, 'lo'],
    ['emptied', '__', '', 2, ''],
    ['an emoji is one key', '__', '__\u{1f600}', 0, '\u{1f600}'],
    ['and one backspace', '__\u{1f600}', '__', 1, ''],
    ['an emoji that shares its first half', '\u{1f600}', '\u{1f601}', 1, '\u{1f601}'],
    ['a new line', '__', '__\n', 0, '\n'],
  ])('%s', (_, before, after, backspaces, typed) => expect(edit(before, after)).toEqual({ backspaces, typed }));

  it('applied to the text before gives the text after', () => {
    const texts = ['', 'a', 'ab', 'ba', 'abc', 'axc', '\u{1f600}b', 'b\u{1f600}', filler];
    for (const before of texts) {
      for (const after of texts) {
        const { backspaces, typed } = edit(before, after);
        const points = Array.from(before);
        expect(points.slice(0, points.length - backspaces).join('') + typed).toBe(after);
      }
    }
  });
});

it('fills the field anew when it is empty or long', () => {
  expect(isWorn('')).toBe(true);
  expect(isWorn(filler)).toBe(false);
  expect(isWorn(filler.repeat(3))).toBe(true);
});
