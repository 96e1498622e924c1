// The text field that calls up the on-screen keyboard, tied to the session.

import Keyboard from 'novnc-core/input/keyboard.js';
import keysyms from 'novnc-core/input/keysymdef.js';
import { keys, type Keyboard as Target } from './keys.ts';
import { edit, filler, isWorn } from './typing.ts';

const newline = 0x0a;
const returnKeysym = 0xff0d;

/** TouchKeyboard turns what is typed into field into keys for the display. */
export class TouchKeyboard {
  private text = filler;

  constructor(
    private readonly field: HTMLTextAreaElement,
    private readonly target: () => Target | undefined,
    private readonly active: (on: boolean) => void,
  ) {
    this.reset();
    const keyboard = new Keyboard(field);
    keyboard.onkeyevent = (keysym, code, down) => this.target()?.sendKey(keysym, code, down);
    keyboard.grab();
    field.addEventListener('input', () => this.input());
    field.addEventListener('focus', () => this.active(true));
    field.addEventListener('blur', () => this.active(false));
  }

  /** show calls the keyboard up; it must run in a handler of a user's action, or the browser ignores it. */
  show(): void {
    this.field.focus({ preventScroll: true });
    this.field.setSelectionRange(this.field.value.length, this.field.value.length);
  }

  hide(): void {
    this.field.blur();
  }

  get shown(): boolean {
    return document.activeElement === this.field;
  }

  private reset(): void {
    this.text = filler;
    this.field.value = filler;
  }

  private input(): void {
    const now = this.field.value;
    const { backspaces, typed } = edit(this.text, now);
    const target = this.target();
    if (target !== undefined) {
      for (let i = 0; i < backspaces; i++) target.sendKey(keys.BackSpace.keysym, keys.BackSpace.code);
      for (const c of typed) this.type(target, c.codePointAt(0) ?? 0);
    }
    this.text = now;
    if (!isWorn(now)) return;
    this.reset();
    if (now.length < 1) {
      // Android's keyboard notices the new text only when the field gets the focus again, outside of this handler.
      this.field.blur();
      setTimeout(() => this.show(), 0);
    }
  }

  private type(target: Target, codepoint: number): void {
    if (codepoint === newline) target.sendKey(returnKeysym, 'Enter');
    else target.sendKey(keysyms.lookup(codepoint), null);
  }
}
