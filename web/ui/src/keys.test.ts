import { describe, expect, it } from 'vitest';
import { chord, ctrlAltDel, functionKey, Held, keys, send, type Keyboard } from './keys.ts';

function recorder(): Keyboard & { log: string[] } {
  const log: string[] = [];
  return { log, sendKey: (keysym, code, down) => void log.push(`${down === false ? '-' : '+'}${code ?? ''}:${keysym.toString(16)}`) };
}

describe('chords', () => {
  it('press in order and release in reverse', () => {
    const k = recorder();
    send(k, ctrlAltDel);
    expect(k.log).toEqual([
      '+ControlLeft:ffe3',
      '+AltLeft:ffe9',
      '+Delete:ffff',
      '-Delete:ffff',
      '-AltLeft:ffe9',
      '-ControlLeft:ffe3',
    ]);
  });

  it('of one key are a press and a release', () => {
    const k = recorder();
    send(k, chord(keys.Tab));
    expect(k.log).toEqual(['+Tab:ff09', '-Tab:ff09']);
  });

  it('know the function keys', () => {
    expect(functionKey(1)).toEqual({ keysym: 0xffbe, code: 'F1' });
    expect(functionKey(12)).toEqual({ keysym: 0xffc9, code: 'F12' });
  });
});

describe('held modifiers', () => {
  it('toggle', () => {
    const k = recorder();
    const held = new Held();
    expect([...held.toggle(k, 'Control')]).toEqual(['Control']);
    expect([...held.toggle(k, 'Super')]).toEqual(['Control', 'Super']);
    expect([...held.toggle(k, 'Control')]).toEqual(['Super']);
    expect(k.log).toEqual(['+ControlLeft:ffe3', '+MetaLeft:ffeb', '-ControlLeft:ffe3']);
  });

  it('are all released, once', () => {
    const k = recorder();
    const held = new Held();
    held.toggle(k, 'Alt');
    held.toggle(k, 'Super');
    k.log.length = 0;
    expect(held.release(k).size).toBe(0);
    held.release(k);
    expect(k.log).toEqual(['-AltLeft:ffe9', '-MetaLeft:ffeb']);
  });

  it('are forgotten with the connection, without a key', () => {
    const k = recorder();
    const held = new Held();
    held.toggle(k, 'Alt');
    expect(held.forget().size).toBe(0);
    expect(held.toggle(k, 'Alt').size).toBe(1);
    expect(k.log).toEqual(['+AltLeft:ffe9', '+AltLeft:ffe9']);
  });
});
