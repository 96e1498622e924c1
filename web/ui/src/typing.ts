// Typing on an on-screen keyboard. Such keyboards complete, correct and replace words, and some send no key events at
// all. So the page gives them a text field, compares the text before and after, and sends the keys that make the
// difference.

/** Edit is what turns one text into another, by keys: first backspaces, then the typed characters. */
export interface Edit {
  backspaces: number;
  typed: string;
}

/** edit compares by code point, so that an emoji is one key and one backspace. */
export function edit(before: string, after: string): Edit {
  const old = Array.from(before);
  const now = Array.from(after);
  let same = 0;
  while (same < old.length && same < now.length && old[same] === now[same]) same++;
  return { backspaces: old.length - same, typed: now.slice(same).join('') };
}

/** filler keeps the field from running empty: a keyboard sends no backspace to an empty field. */
export const filler = '_'.repeat(100);

/** isWorn tells whether the field should be filled anew: it ran empty, or grew long. */
export function isWorn(text: string): boolean {
  return text.length < 1 || text.length > 2 * filler.length;
}
