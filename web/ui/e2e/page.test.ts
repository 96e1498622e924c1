// Getting in and out: connecting, the questions, the ends, connecting again.

import { describe, expect, it } from 'vitest';
import { Bench, panel } from './bench.ts';
import { colourAt, connected, desk } from './browser.ts';
import { Display } from './display.ts';

const bench = new Bench();

describe('connecting', () => {
  it.each(['vnc.html', 'index.html'])('%s connects by a button and shows the picture', async (name) => {
    const page = await bench.open('path=ws', desk, name);
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await connected(page);
    await bench.display.waitFor(/^request changes$/);
    expect(await colourAt(page, 100, 100)).toBe(0x2f6fed);
    expect(await page.title()).toBe('scripted - vncgate');
  });

  it('connects below a prefix, with the token of the path', async () => {
    await bench.open('autoconnect=1&path=ws%3Ftoken%3DX');
    await bench.display.waitFor(/^shared 1$/);
    expect(bench.display.paths).toEqual(['/some/prefix/ws?token=X']);
  });

  it('takes the directory for a path that is a token alone', async () => {
    await bench.open('autoconnect=1&path=%3Ftoken%3DX');
    await bench.display.waitFor(/^shared/);
    expect(bench.display.paths).toEqual(['/some/prefix/?token=X']);
  });

  it('lets the fragment win over the query, and mandatory.json over both', async () => {
    bench.display.reset({ files: { '/mandatory.json': { shared: false }, '/defaults.json': { quality: 3 } } });
    const page = await bench.open('autoconnect=1&path=nowhere&shared=1#path=ws&shared=1');
    await connected(page);
    expect(await bench.display.waitFor(/^shared/)).toBe('shared 0');
    expect(await bench.display.waitFor(/^encodings/)).toContain(' -29 '); // quality level 3 of Tight: -32 + 3
    await panel(page, 'Settings');
    await expect.poll(() => page.locator('input[name=shared]').isDisabled()).toBe(true);
  });

  it('tells a repeater which display it wants', async () => {
    bench.display.reset({ repeater: true });
    await connected(await bench.open('path=ws&autoconnect=1&repeaterID=42'));
    expect(await bench.display.waitFor(/^repeater/)).toBe('repeater ID:42');
  });

  it('can be cancelled while it is being made', async () => {
    bench.display.reset({ security: 2 });
    const page = await bench.open();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('heading', { name: 'Disconnected' }).waitFor();
  });

  it('ends by the toolbar, and starts again', async () => {
    const page = await bench.session();
    await panel(page, 'Disconnect');
    await page.getByRole('heading', { name: 'Disconnected' }).waitFor();
    await page.getByRole('button', { name: 'Connect again' }).click();
    await connected(page);
  });
});

describe('questions', () => {
  it('asks for the password, and again after a wrong one', async () => {
    bench.display.reset({ security: 2 });
    const page = await bench.open();
    await page.getByLabel('Password').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Wrong password' }).waitFor();
    await page.getByText('Authentication failure').waitFor();
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByLabel('Password').fill('secret');
    await page.getByRole('button', { name: 'Log in' }).click();
    await connected(page);
  });

  it('uses the password of the link, and asks if it is wrong', async () => {
    bench.display.reset({ security: 2 });
    await connected(await bench.open('path=ws&autoconnect=1#password=secret'));
    const page = await bench.open('path=ws&autoconnect=1#password=wrong');
    await page.getByRole('heading', { name: 'Wrong password' }).waitFor();
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByLabel('Password').waitFor();
  });

  it("shows the fingerprint of the display's key, and goes on only when told to", async () => {
    bench.display.reset({ security: 6 });
    const page = await bench.open();
    await expect.poll(() => page.locator('.fingerprint').textContent()).toMatch(/^([0-9a-f]{2}-){7}[0-9a-f]{2}$/);
    expect(bench.display.log).toEqual([]);
    await page.getByRole('button', { name: 'It is the same' }).click();
    await bench.display.waitFor(/^approved/);
    const careful = await bench.open();
    await careful.getByRole('button', { name: 'Reject' }).click();
    await careful.getByRole('heading', { name: 'Disconnected' }).waitFor();
  });
});

describe('the end', () => {
  const ends: [string, number, string, RegExp][] = [
    ['display closed', 1000, '', /display ended the session/],
    ['gateway drains', 1001, 'gateway is draining', /gateway is shutting down or restarting/],
    ['ended by an administrator', 1008, 'ended by administrator', /session was ended/],
    ['display lost', 1011, 'display gone', /display was lost/],
  ];
  it.each(ends)('%s', async (_, code, reason, title) => {
    const page = await bench.session();
    bench.display.viewers[0]?.close(code, reason);
    await page.getByRole('heading', { name: title }).waitFor();
    if (reason !== '') await page.getByText(reason).waitFor();
  });

  it('of the network', async () => {
    const page = await bench.session();
    bench.display.viewers[0]?.terminate();
    await page.getByRole('heading', { name: /connection was lost/ }).waitFor();
  });

  it('before it began: the display cannot be reached', async () => {
    bench.display.reset({ close: { code: 1011, reason: 'no route to host' } });
    const page = await bench.open();
    await page.getByRole('heading', { name: /display cannot be reached/ }).waitFor();
    await page.getByText('no route to host').waitFor();
  });

  it('before it began: refused with a reason', async () => {
    bench.display.reset({ refuse: 'display is being rebuilt' });
    const page = await bench.open();
    await page.getByRole('heading', { name: /connection was refused/ }).waitFor();
    await page.getByText('display is being rebuilt').waitFor();
  });

  const refusals: [number, string, RegExp][] = [
    [401, 'log in first', /Please log in/],
    [403, 'origin not allowed', /Not allowed/],
    [404, 'no such target', /No such display/],
    [429, 'you have 3 of 3', /Too many connections/],
    [503, 'all 100 sessions are taken', /gateway is full/],
  ];
  it.each(refusals)('by HTTP status %d', async (code, words, title) => {
    bench.display.reset({ status: { code, words } });
    const page = await bench.open();
    await page.getByRole('heading', { name: title }).waitFor();
    await page.getByText(words, { exact: true }).waitFor();
  });

  it('of a gateway that does not answer', async () => {
    const other = await Display.start();
    const page = await bench.visit(other.url());
    other.stop();
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByRole('heading', { name: /gateway does not answer/ }).waitFor();
  });

  it('of an address that is none', async () => {
    const page = await bench.open('autoconnect=1&host=h:99999');
    await page.getByRole('heading', { name: /address is not valid/ }).waitFor();
  });
});

describe('reconnecting', () => {
  it('counts down, and connects again', async () => {
    const page = await bench.session('reconnect=1&reconnect_delay=1500');
    bench.display.log = [];
    bench.display.viewers[0]?.terminate();
    await page.getByRole('timer').waitFor();
    expect(await page.getByRole('timer').textContent()).toMatch(/in [12] second/);
    await connected(page);
    await bench.display.waitFor(/^shared/);
  });

  it('waits no longer when told so, or not at all', async () => {
    const page = await bench.session('reconnect=1&reconnect_delay=600000');
    bench.display.viewers[0]?.terminate();
    await page.getByRole('button', { name: 'Connect now' }).click();
    await connected(page);
    await expect.poll(() => bench.display.viewers.length).toBe(2);
    bench.display.viewers[1]?.terminate();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Try again' }).waitFor();
  });

  it('does not wait any longer when the network comes back', async () => {
    const page = await bench.session('reconnect=1&reconnect_delay=600000');
    bench.display.viewers[0]?.terminate();
    await page.getByRole('timer').waitFor();
    await page.evaluate(() => window.dispatchEvent(new Event('online')));
    await connected(page);
  });

  it('uses the password that worked', async () => {
    bench.display.reset({ security: 2 });
    const page = await bench.open('path=ws&autoconnect=1&reconnect=1&reconnect_delay=100');
    await page.getByLabel('Password').fill('secret');
    await page.keyboard.press('Enter');
    await connected(page);
    bench.display.log = [];
    bench.display.viewers[0]?.terminate();
    await bench.display.waitFor(/^shared/);
    await connected(page);
  });

  it('is left alone when it was ended on purpose', async () => {
    const page = await bench.session('reconnect=1&reconnect_delay=100');
    bench.display.viewers[0]?.close(1008, 'ended by administrator');
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    await page.waitForTimeout(300);
    expect(bench.display.viewers.length).toBe(1);
  });
});
