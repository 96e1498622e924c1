// The keys that a browser, or the system below it, keeps for itself, and the modifiers that a touch screen has not.

/** Key is one key as RFB sends it: X keysym, and the physical key for displays that take scan codes. */
export interface Key {
  keysym: number;
  code: string;
}

/** Keysyms of the X protocol (keysymdef.h). */
export const keys = {
  BackSpace: { keysym: 0xff08, code: 'Backspace' },
  Tab: { keysym: 0xff09, code: 'Tab' },
  Escape: { keysym: 0xff1b, code: 'Escape' },
  Delete: { keysym: 0xffff, code: 'Delete' },
  Control: { keysym: 0xffe3, code: 'ControlLeft' },
  Alt: { keysym: 0xffe9, code: 'AltLeft' },
  Super: { keysym: 0xffeb, code: 'MetaLeft' },
} as const satisfies Record<string, Key>;

export type Modifier = 'Control' | 'Alt' | 'Super';

/** modifiers are the keys that the page can hold down for the user. */
export const modifiers: readonly Modifier[] = ['Control', 'Alt', 'Super'];

/** functionKey returns F1 to F12. */
export function functionKey(n: number): Key {
  return { keysym: 0xffbe + n - 1, code: `F${n}` };
}

/** Stroke is one press or release. */
export interface Stroke extends Key {
  down: boolean;
}

/** chord presses the keys in order and releases them in reverse. */
export function chord(...pressed: Key[]): Stroke[] {
  const down = pressed.map((k) => ({ ...k, down: true }));
  return [...down, ...down.map((k) => ({ ...k, down: false })).reverse()];
}

/** ctrlAltDel is the chord that no browser lets through. */
export const ctrlAltDel: readonly Stroke[] = chord(keys.Control, keys.Alt, keys.Delete);

/** Keyboard is where strokes go. */
export interface Keyboard {
  sendKey(keysym: number, code: string | null, down?: boolean): void;
}

/** send makes each stroke on the keyboard. */
export function send(keyboard: Keyboard, strokes: readonly Stroke[]): void {
  for (const s of strokes) keyboard.sendKey(s.keysym, s.code, s.down);
}

/** Held are the modifiers that the page holds down at the display. */
export class Held {
  private readonly down = new Set<Modifier>();

  /** toggle presses the modifier, or releases it if it is down, and returns those that are down now. */
  toggle(keyboard: Keyboard, m: Modifier): ReadonlySet<Modifier> {
    const down = !this.down.delete(m);
    if (down) this.down.add(m);
    send(keyboard, [{ ...keys[m], down }]);
    return new Set(this.down);
  }

  /** release lets go of every modifier; a forgotten Ctrl would turn the next word into commands. */
  release(keyboard: Keyboard): ReadonlySet<Modifier> {
    for (const m of this.down) send(keyboard, [{ ...keys[m], down: false }]);
    this.down.clear();
    return new Set();
  }

  /** forget is release after the connection has gone. */
  forget(): ReadonlySet<Modifier> {
    this.down.clear();
    return new Set();
  }
}
