// Working in a session: keys, clipboard, picture, toolbar, phone.

import { describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import { Bench, panel } from './bench.ts';
import { connected, desk, overflow, phone } from './browser.ts';
import { bell, serverCutText, xvpInit } from './wire.ts';

const bench = new Bench();

describe('working', () => {
  it('carries keys and pointer', async () => {
    const page = await bench.session();
    await page.keyboard.press('a');
    await bench.display.waitFor(/^key -61$/);
    await page.mouse.click(640, 400);
    expect(await bench.display.waitFor(/^pointer 1 /)).toBe('pointer 1 160,120');
  });

  it('holds modifiers, sends extra keys and Ctrl-Alt-Del', async () => {
    const page = await bench.session();
    await panel(page, 'Extra keys');
    bench.display.log = [];
    await page.getByRole('button', { name: 'Hold Ctrl' }).click();
    await page.keyboard.press('c');
    await page.getByRole('button', { name: 'Hold Ctrl' }).click();
    await page.getByRole('button', { name: 'Press Tab' }).click();
    await page.getByRole('button', { name: 'Press Escape' }).click();
    await page.getByRole('button', { name: 'Hold Super' }).click();
    await page.getByRole('button', { name: 'Hold Super' }).click();
    await page.getByRole('button', { name: 'Press Ctrl-Alt-Del' }).click();
    await bench.display.waitFor(/^key -ffe9$/);
    const keys = bench.display.log.filter((m) => m.startsWith('key')).map((m) => m.slice(4));
    const pressed = '+ffe3 +63 -63 -ffe3 +ff09 -ff09 +ff1b -ff1b +ffeb -ffeb +ffe3 +ffe9 +ffff -ffff -ffe9'.split(' ');
    expect(keys.slice(0, pressed.length)).toEqual(pressed);
  });

  it('lets go of held keys when the session ends', async () => {
    const page = await bench.session();
    await panel(page, 'Extra keys');
    await page.getByRole('button', { name: 'Hold Alt' }).click();
    await bench.display.waitFor(/^key \+ffe9$/);
    await panel(page, 'Disconnect');
    await bench.display.waitFor(/^key -ffe9$/);
  });

  it('carries the clipboard both ways by the panel', async () => {
    const page = await bench.session();
    await panel(page, 'Clipboard');
    const text = page.getByRole('textbox', { name: /clipboard/ });
    bench.display.send(serverCutText('from there'));
    await expect.poll(() => text.inputValue()).toBe('from there');
    await text.fill('from here');
    await text.blur();
    await bench.display.waitFor(/^cut from here$/);
  });

  it('keeps both clipboards the same where it is allowed to', async () => {
    const page = await bench.session('', { ...desk, permissions: ['clipboard-read', 'clipboard-write'] });
    bench.display.send(serverCutText('copied there'));
    await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('copied there');
    await page.evaluate(() => navigator.clipboard.writeText('copied here'));
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await bench.display.waitFor(/^cut copied here$/);
    expect(bench.display.log.filter((m) => m.startsWith('cut copied there'))).toEqual([]);
  });

  it('sends nothing in view only', async () => {
    const page = await bench.session('view_only=1');
    await page.mouse.click(640, 400);
    await page.keyboard.press('a');
    await panel(page, 'Settings');
    expect(await page.getByRole('button', { name: 'Extra keys' }).count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Clipboard' }).count()).toBe(0);
    expect(bench.display.log.filter((m) => /^(key|pointer|cut)/.test(m))).toEqual([]);
    await page.getByRole('switch', { name: /View only/ }).uncheck();
    await page.keyboard.press('Escape');
    await page.keyboard.press('b');
    await bench.display.waitFor(/^key -62$/);
  });

  it('offers power only where the display does, and asks before it acts', async () => {
    const page = await bench.session();
    expect(await page.getByRole('button', { name: 'Power' }).count()).toBe(0);
    bench.display.send(xvpInit);
    for (const [name, code] of [['Shut down', 2], ['Reboot', 3], ['Reset', 4]] as const) {
      await panel(page, 'Power');
      await page.getByRole('button', { name: new RegExp(`^${name}`) }).click();
      expect(bench.display.log.join()).not.toContain(`xvp ${code}`);
      await page.getByRole('button', { name, exact: true }).click();
      await bench.display.waitFor(new RegExp(`^xvp ${code}$`));
    }
  });

  it('rings the bell unless told not to', async () => {
    const page = await bench.session();
    await page.evaluate(() => {
      const { connect } = AudioNode.prototype as { connect: (this: AudioNode, to: AudioNode) => AudioNode };
      AudioNode.prototype.connect = function (this: AudioNode, to: AudioNode) {
        const { dataset } = document.documentElement;
        if (to instanceof AudioDestinationNode) dataset['rings'] = String(Number(dataset['rings'] ?? 0) + 1);
        return connect.call(this, to);
      } as typeof AudioNode.prototype.connect;
    });
    await page.mouse.click(640, 400); // a browser lets no page sound that nobody has touched
    bench.display.send(bell);
    await expect.poll(() => page.evaluate(() => document.documentElement.dataset['rings'])).toBe('2');
    await panel(page, 'Settings');
    await page.getByRole('switch', { name: 'Bell sound' }).uncheck();
    bench.display.send(bell);
    bench.display.send(serverCutText('after the bell'));
    await page.waitForTimeout(200);
    expect(await page.evaluate(() => document.documentElement.dataset['rings'])).toBe('2');
  });
});

describe('the device', () => {
  it('gives the page the whole screen', async () => {
    const page = await bench.session();
    await panel(page, 'Fullscreen');
    await expect.poll(() => page.evaluate(() => document.fullscreenElement !== null)).toBe(true);
    await panel(page, 'Leave fullscreen');
    await expect.poll(() => page.evaluate(() => document.fullscreenElement === null)).toBe(true);
  });

  it('keeps its screen on while a session is open', async () => {
    const page = await bench.open('path=ws&keep_device_awake=1');
    await page.evaluate(() => {
      const { dataset } = document.documentElement;
      const lock = Object.assign(new EventTarget(), {
        released: false,
        release: () => {
          dataset['awake'] = 'no';
          return Promise.resolve();
        },
      });
      navigator.wakeLock.request = () => {
        dataset['awake'] = 'yes';
        return Promise.resolve(lock as unknown as WakeLockSentinel);
      };
    });
    const awake = (): Promise<string | undefined> => page.evaluate(() => document.documentElement.dataset['awake']);
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await connected(page);
    await expect.poll(awake).toBe('yes');
    await panel(page, 'Disconnect');
    await expect.poll(awake).toBe('no');
  });

  it('asks before it leaves a session that one works in', async () => {
    const asks = (page: Page): Promise<boolean> =>
      page.evaluate(() => !window.dispatchEvent(new Event('beforeunload', { cancelable: true })));
    expect(await asks(await bench.session())).toBe(true);
    expect(await asks(await bench.session('view_only=1'))).toBe(false);
    expect(await asks(await bench.open('path=ws'))).toBe(false);
  });
});

describe('the picture', () => {
  const box = (page: Page): Promise<{ width: number; height: number } | null> => page.locator('canvas').boundingBox();

  it('is left, scaled or resized', async () => {
    const page = await bench.session();
    expect(await box(page)).toMatchObject({ width: 320, height: 240 });
    await panel(page, 'Settings');
    const resize = page.getByLabel('When sizes differ');
    await resize.selectOption('scale');
    await expect.poll(async () => Math.round((await box(page))?.height ?? 0)).toBe(800);
    await resize.selectOption('remote');
    await bench.display.waitFor(/^size 1280x800$/);
    await expect.poll(() => box(page)).toMatchObject({ width: 1280, height: 800 });
  });

  it('is cut off and dragged when it is too large', async () => {
    bench.display.reset({ width: 1600, height: 1000 });
    const page = await bench.session('view_clip=1');
    await panel(page, 'Move the picture');
    bench.display.log = [];
    await page.mouse.move(700, 400);
    await page.mouse.down();
    await page.mouse.move(400, 300, { steps: 5 });
    await page.mouse.up();
    expect(bench.display.log.filter((m) => m.startsWith('pointer 1'))).toEqual([]);
    await page.getByRole('button', { name: 'Move the picture' }).click();
    await page.mouse.click(400, 300);
    expect(await bench.display.waitFor(/^pointer 1/)).toBe('pointer 1 700,400');
  });

  it('follows quality and compression while it runs', async () => {
    const page = await bench.session();
    await panel(page, 'Settings');
    bench.display.log = [];
    await page.getByRole('slider', { name: /Quality/ }).fill('9');
    expect(await bench.display.waitFor(/^encodings/)).toContain(' -23 ');
    bench.display.log = [];
    await page.getByRole('slider', { name: /Compression/ }).fill('0');
    expect(await bench.display.waitFor(/^encodings/)).toContain(' -256 ');
  });

  it('keeps settings for the next visit', async () => {
    const page = await bench.session();
    await panel(page, 'Settings');
    await page.getByLabel('When sizes differ').selectOption('scale');
    await page.reload();
    await connected(page);
    await expect.poll(async () => Math.round((await box(page))?.height ?? 0)).toBe(800);
  });
});

describe('a phone', () => {
  it('fits every part of the page without scrolling sideways', async () => {
    const page = await bench.open('path=ws', phone);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await page.getByRole('button', { name: 'Settings' }).click();
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await page.getByRole('button', { name: 'Close settings' }).click();
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await connected(page);
    bench.display.send(xvpInit);
    for (const name of ['Extra keys', 'Clipboard', 'Power', 'Settings']) {
      await panel(page, name);
      expect(await overflow(page), name).toBeLessThanOrEqual(0);
      await page.getByRole('button', { name: `Close ${name === 'Extra keys' ? 'keys' : name.toLowerCase()}` }).click();
    }
  });

  it('types by the on-screen keyboard', async () => {
    const page = await bench.session('', phone);
    await panel(page, 'On-screen keyboard');
    bench.display.log = [];
    const field = page.locator('#touch-keyboard');
    await expect.poll(() => field.evaluate((e) => e === document.activeElement)).toBe(true);
    await field.evaluate((e: HTMLTextAreaElement) => {
      e.value += 'hé';
      e.dispatchEvent(new InputEvent('input'));
      e.value = `${e.value.slice(0, -1)}i`;
      e.dispatchEvent(new InputEvent('input'));
    });
    await bench.display.waitFor(/^key -69$/);
    const keys = bench.display.log.filter((m) => m.startsWith('key +')).map((m) => m.slice(5));
    expect(keys).toEqual(['68', 'e9', 'ff08', '69']);
  });
});

describe('the toolbar', () => {
  it('hides by itself, and moves to another edge, where it stays', async () => {
    const page = await bench.session();
    await page.getByRole('button', { name: 'Show toolbar' }).waitFor({ timeout: 60_000 });
    const handle = page.locator('.handle');
    const at = await handle.boundingBox();
    expect(at).not.toBeNull();
    await page.mouse.move(at!.x + 10, at!.y + 20);
    await page.mouse.down();
    await page.mouse.move(640, 300, { steps: 4 });
    expect(await page.locator('.edge').filter({ visible: true }).count()).toBe(3);
    await page.mouse.move(700, 20, { steps: 4 });
    await page.mouse.up();
    await page.locator('.toolbar.at-top').waitFor();
    expect(await page.locator('.edge').filter({ visible: true }).count()).toBe(0);
    await page.reload();
    await page.locator('.toolbar.at-top').waitFor();
  });

  it('is reachable by keyboard', async () => {
    const page = await bench.session();
    await page.getByRole('button', { name: 'Extra keys' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Hold Ctrl' }).waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('button', { name: 'Hold Ctrl' }).count()).toBe(0);
  });
});
