import { describe, expect, it } from 'vitest';
import { Clipboard, largest } from './clipboard.ts';

interface Bench {
  clipboard: Clipboard;
  local: { text: string; refuse: boolean };
  remote: string[];
  shown: string[];
  automatic: boolean;
}

function bench(): Bench {
  const local = { text: '', refuse: false };
  const b: Bench = { local, remote: [], shown: [], automatic: true, clipboard: undefined as unknown as Clipboard };
  const allowed = (): Promise<void> => (local.refuse ? Promise.reject(new DOMException('no', 'NotAllowedError')) : Promise.resolve());
  b.clipboard = new Clipboard(
    {
      readText: async () => {
        await allowed();
        return local.text;
      },
      writeText: async (text) => {
        await allowed();
        local.text = text;
      },
    },
    () => ({ clipboardPasteFrom: (text) => void b.remote.push(text) }),
    () => b.automatic,
    (text) => void b.shown.push(text),
  );
  return b;
}

describe('from the display', () => {
  it('reaches the local clipboard and the panel', async () => {
    const b = bench();
    await b.clipboard.received('hi');
    expect(b.local.text).toBe('hi');
    expect(b.shown).toEqual(['hi']);
  });

  it('is not sent back', async () => {
    const b = bench();
    await b.clipboard.received('hi');
    await b.clipboard.focused();
    expect(b.remote).toEqual([]);
  });

  it('reaches at least the panel when the browser refuses', async () => {
    const b = bench();
    b.local.refuse = true;
    await b.clipboard.received('hi');
    expect(b.shown).toEqual(['hi']);
    expect(b.local.text).toBe('');
  });

  it('reaches the panel alone when it is not to be automatic', async () => {
    const b = bench();
    b.automatic = false;
    await b.clipboard.received('hi');
    expect(b.local.text).toBe('');
    expect(b.shown).toEqual(['hi']);
  });
});

describe('to the display', () => {
  it('goes once for each new text', async () => {
    const b = bench();
    b.local.text = 'one';
    await b.clipboard.focused();
    await b.clipboard.focused();
    b.local.text = 'two';
    await b.clipboard.focused();
    expect(b.remote).toEqual(['one', 'two']);
  });

  it('goes again in a new session', async () => {
    const b = bench();
    b.local.text = 'one';
    await b.clipboard.focused();
    b.clipboard.reset();
    await b.clipboard.focused();
    expect(b.remote).toEqual(['one', 'one']);
  });

  it('leaves out what is empty, too large or forbidden', async () => {
    const b = bench();
    await b.clipboard.focused();
    b.local.text = 'x'.repeat(largest + 1);
    await b.clipboard.focused();
    b.local.text = 'x';
    b.local.refuse = true;
    await b.clipboard.focused();
    b.local.refuse = false;
    b.automatic = false;
    await b.clipboard.focused();
    expect(b.remote).toEqual([]);
  });

  it('always goes from the panel, even empty', () => {
    const b = bench();
    b.automatic = false;
    b.clipboard.send('typed');
    b.clipboard.send('');
    expect(b.remote).toEqual(['typed', '']);
  });
});
