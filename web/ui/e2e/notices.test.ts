// What the gateway says while a session runs: rights, warnings, messages, ends; and links for others.

import { describe, expect, it } from 'vitest';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { Bench, panel } from './bench.ts';
import { connected, desk, overflow, phone } from './browser.ts';

const bench = new Bench();

const all = ['view', 'keyboard', 'pointer', 'clipboard-in', 'clipboard-out'];
const rights = { kind: 'rights', key: 'KEY-0123456789abcdef', rights: all };

/** session opens a page that the gateway tells its terms. */
async function session(terms: Record<string, unknown> = {}, options: BrowserContextOptions = desk, parameters = ''): Promise<Page> {
  bench.display.script.files = { '/defaults.json': { notices: true } };
  const page = await bench.session(parameters, options);
  bench.display.tell({ ...rights, ...terms });
  return page;
}

/** shot keeps a picture of the page for whoever wants to see it. */
async function shot(page: Page, name: string): Promise<void> {
  const folder = process.env['VNCGATE_SHOTS'];
  if (folder !== undefined) await page.screenshot({ path: `${folder}/${name}.png` });
}

describe('rights', () => {
  it('are asked for where the gateway offers it, and only there', async () => {
    await session();
    expect(bench.display.paths).toEqual(['/some/prefix/ws?notices=1']);
    bench.display.reset();
    await bench.session();
    expect(bench.display.paths).toEqual(['/some/prefix/ws']);
  });

  it('show at once that one may only watch', async () => {
    const page = await session({ rights: ['view'] });
    await page.getByText('View only').waitFor();
    await page.mouse.click(640, 400);
    await page.keyboard.press('a');
    await panel(page, 'Settings');
    expect(await page.getByRole('button', { name: 'Extra keys' }).count()).toBe(0);
    expect(await page.getByRole('button', { name: 'Clipboard' }).count()).toBe(0);
    expect(bench.display.log.filter((m) => /^(key|pointer|cut)/.test(m))).toEqual([]);
    await page.keyboard.press('Escape');
    await shot(page, 'view-only');
  });

  it('change in mid-session, both ways', async () => {
    const page = await session();
    await panel(page, 'Extra keys');
    await page.getByRole('button', { name: 'Hold Ctrl' }).click();
    bench.display.tell({ ...rights, rights: ['view', 'pointer'] });
    await page.getByText('No keyboard', { exact: true }).waitFor();
    bench.display.tell({ ...rights, rights: ['view'] });
    await page.getByText('You may only watch from now on').waitFor();
    bench.display.tell(rights);
    await page.getByText('View only').waitFor({ state: 'detached' });
    bench.display.log = [];
    await page.mouse.click(640, 400);
    await bench.display.waitFor(/^pointer 1/);
  });
});

describe.each<[string, BrowserContextOptions]>([
  ['on a desk', desk],
  ['on a desk, dark', { ...desk, colorScheme: 'dark' }],
  ['on a phone', phone],
])('a warning %s', (name, options) => {
  it('counts down, and lets the user stay', async () => {
    const page = await session({ left: 60, renewable: true }, options);
    bench.display.script.granted = {};
    bench.display.tell({ kind: 'warning', words: 'Your time on this display is nearly over.', left: 60 });
    await page.getByRole('alert').getByText('nearly over').waitFor();
    const timer = page.getByRole('timer');
    const before = await timer.textContent();
    await expect.poll(() => timer.textContent()).not.toBe(before);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await shot(page, `warning ${name}`);
    await page.getByRole('button', { name: 'Stay' }).focus();
    await page.keyboard.press('Enter');
    await expect.poll(() => bench.display.wishes).toEqual([{ key: rights.key, renew: true }]);
    bench.display.tell({ ...rights, left: 3600, renewable: true });
    await timer.waitFor({ state: 'detached' });
  });
});

describe('warnings', () => {
  it('offer nothing where nothing can be put off, and go when the gateway takes them back', async () => {
    const page = await session({ left: 3600, renewable: true });
    bench.display.tell({ kind: 'warning', words: 'Nothing is done here.', left: 30 });
    await page.getByText('Nothing is done here.').waitFor();
    expect(await page.getByRole('button', { name: 'Stay' }).count()).toBe(0);
    bench.display.tell({ kind: 'warning' });
    await page.getByText('Nothing is done here.').waitFor({ state: 'detached' });
  });

  it('say why more time is not granted', async () => {
    const page = await session({ left: 60, renewable: true });
    bench.display.tell({ kind: 'warning', words: 'Nearly over.', left: 60 });
    await page.getByRole('button', { name: 'Stay' }).waitFor();
    bench.display.script.status = { code: 409, words: 'This session cannot be made longer.' };
    await page.getByRole('button', { name: 'Stay' }).click();
    await page.getByText('This session cannot be made longer.').waitFor();
  });
});

it('messages stay until they are read, the newest in front', async () => {
  const page = await session();
  bench.display.tell({ kind: 'message', words: 'Down for repairs at noon.' });
  bench.display.tell({ kind: 'message', words: 'Save your work.' });
  await page.getByRole('alert').getByText('Save your work.').waitFor();
  await shot(page, 'message');
  await page.getByRole('button', { name: 'Close the message' }).click();
  await page.getByText('Down for repairs at noon.').waitFor();
  bench.display.tell({ kind: 'paused', paused: true, words: 'The picture stands still.' });
  await page.getByRole('alert').getByText('The picture stands still.').waitFor();
  bench.display.tell({ kind: 'paused', words: 'It goes on.' });
  await page.getByText('The picture stands still.').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Close the message' }).click();
  await page.getByText('Down for repairs at noon.').waitFor({ state: 'detached' });
  await page.keyboard.press('a');
  await bench.display.waitFor(/^key -61$/);
});

describe('an end', () => {
  it('by a rule says why, and is not undone by the page', async () => {
    const page = await session({}, desk, 'reconnect=1&reconnect_delay=100');
    bench.display.end(1008, 'Your access to this display was withdrawn.');
    await page.getByRole('heading', { name: 'Your access was withdrawn' }).waitFor();
    await page.waitForTimeout(500);
    expect(bench.display.paths.length).toBe(1);
    await shot(page, 'withdrawn');
  });

  it.each([
    [1012, 'Your rights on this display have changed. Connect again to go on.'],
    [1001, 'The gateway is shutting down.'],
    [1011, 'The connection to the display failed.'],
    [1013, 'The gateway is full. Try again later.'],
  ])('with %d brings the page back', async (code, reason) => {
    const page = await session({}, desk, 'reconnect=1&reconnect_delay=100');
    bench.display.end(code, reason);
    await expect.poll(() => bench.display.paths.length).toBe(2);
    await connected(page);
  });
});

describe('links', () => {
  it('are offered where they may be made', async () => {
    const page = await session();
    await panel(page, 'Settings');
    expect(await page.getByRole('button', { name: 'Share' }).count()).toBe(0);
    bench.display.tell({ ...rights, shareable: all });
    await page.getByRole('button', { name: 'Share' }).waitFor();
  });

  it.each<[string, BrowserContextOptions]>([
    ['desk', { ...desk, permissions: ['clipboard-read', 'clipboard-write'] }],
    ['phone', phone],
  ])('are made for watching unless more is chosen, and taken back (%s)', async (name, options) => {
    const page = await session({ shareable: all }, options);
    bench.display.script.granted = { id: '7', token: 'secret-token', left: 3600 };
    await panel(page, 'Share');
    await page.getByRole('button', { name: 'Make a link' }).click();
    const link = page.getByRole('textbox', { name: 'Link' });
    await link.waitFor();
    const url = await link.inputValue();
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/some\/prefix\/vnc\.html\?path=ws#token=secret-token$/);
    expect(bench.display.wishes).toEqual([{ key: rights.key, share: { rights: ['view'], seconds: 3600, uses: 1 } }]);
    if (name === 'desk') expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(url);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await shot(page, `share ${name}`);
    await page.getByLabel('Whoever has the link may').selectOption('control');
    await page.getByLabel('Number of people').selectOption('0');
    await page.getByRole('button', { name: 'Make a link' }).click();
    await expect.poll(() => bench.display.wishes.length).toBe(2);
    expect(bench.display.wishes[1]).toMatchObject({ share: { rights: ['view', 'keyboard', 'pointer'], uses: 0 } });
    await page.getByRole('button', { name: 'Take back' }).first().click();
    await expect.poll(() => bench.display.wishes.at(-1)).toEqual({ key: rights.key, unshare: '7' });
  });
});

it('the minimal page says it in its line', async () => {
  bench.display.script.files = { '/defaults.json': { notices: true } };
  const page = await bench.open('path=ws', desk, 'vnc_lite.html');
  await bench.display.waitFor(/^request changes$/);
  bench.display.tell({ ...rights, rights: ['view'] });
  await page.getByText('Connected to scripted (view only)').waitFor();
  expect(await page.getByRole('button', { name: 'Send Ctrl-Alt-Del' }).count()).toBe(0);
  bench.display.tell({ kind: 'message', words: 'Down for repairs at noon.' });
  await page.getByText('Down for repairs at noon.').waitFor();
});
