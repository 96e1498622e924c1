// Where settings are kept between visits.

import { isStored, names, parse, type Given, type Name } from './settings.ts';

// The prefix keeps us apart from other pages of the same origin, noVNC's own among them.
const prefix = 'vncgate.';

/** Kept is what the page needs of localStorage. */
export type Kept = Pick<Storage, 'getItem' | 'setItem'>;

/** available returns the browser's storage, or undefined where it is switched off (the mere access may throw). */
export function available(): Kept | undefined {
  try {
    return window.localStorage;
  } catch {
    return undefined;
  }
}

/** load reads every stored setting. */
export function load(kept: Kept | undefined): Given {
  const given: Record<string, string> = {};
  for (const name of names) {
    if (!isStored(name)) continue;
    const value = kept?.getItem(prefix + name) ?? null;
    if (value !== null && parse(name, value) !== undefined) given[name] = value;
  }
  return given;
}

/** save keeps one setting; a full or forbidden storage is no reason to stop working. */
export function save(kept: Kept | undefined, name: Name, value: string | number | boolean): void {
  if (!isStored(name)) return;
  try {
    kept?.setItem(prefix + name, String(value));
  } catch {
    // The setting holds until the page is closed.
  }
}
