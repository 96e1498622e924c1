// Recordings and running sessions, watched through a real gateway (cmd/vncgate, TestRecordingsInChromium): the dashboard
// opens them, and the page steers.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { colours, connected, desk, launch, overflow, phone, visit, type Visit } from './browser.ts';

interface Place {
  admin: string;
  /** Links to the recording, each for one viewer. */
  links: string[];
}

const given = process.env['VNCGATE_PLAYER'];
const place: Place = given === undefined ? { admin: '', links: [] } : (JSON.parse(given) as Place);
const pictures = process.env['VNCGATE_PICTURES'];

async function shoot(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`) });
}

/** covered is how many pixels of the picture the bar hides. On phones the pointer has a canvas of its own. */
async function covered(page: Page): Promise<number> {
  const picture = await page.locator('#screen canvas').boundingBox();
  const bar = await page.locator('.player').boundingBox();
  return picture === null || bar === null ? Infinity : picture.y + picture.height - bar.y;
}

const time = (page: Page): Promise<string> => page.locator('.player-time b').innerText();

describe.skipIf(given === undefined)('watching', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  const open = async (options = desk): Promise<Visit> => {
    const link = place.links.pop() ?? '';
    const v = await visit(browser, link, options);
    await connected(v.page);
    await v.page.getByRole('region', { name: 'Recording' }).waitFor();
    return v;
  };

  it('steers a recording by buttons and keys', async () => {
    const v = await open();
    const { page } = v;
    await expect.poll(() => colours(page)).toBeGreaterThan(3);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
    await page.keyboard.press('Home');
    await expect.poll(() => time(page)).toBe('0:00');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => time(page)).toBe('0:05');
    await page.getByRole('button', { name: 'Next event' }).click();
    await expect.poll(() => time(page)).toBe('1:30'); // where typing begins
    await page.getByRole('combobox', { name: 'Speed' }).selectOption('4');
    await page.getByRole('button', { name: 'Skip idle times' }).click();
    await expect.poll(() => page.getByRole('button', { name: 'Skip idle times' }).getAttribute('aria-pressed')).toBe('true');
    expect(await page.getByRole('combobox', { name: 'Speed' }).inputValue()).toBe('4');
    const slider = page.getByRole('slider', { name: 'Position' });
    await slider.fill('10');
    await expect.poll(() => slider.getAttribute('aria-valuetext')).toMatch(/^0:10 of \d:\d\d$/);
    const box = await page.locator('.track').boundingBox();
    if (box === null) throw new Error('there is no time line');
    await page.mouse.move(box.x + box.width / 2, box.y + 10);
    await page.locator('.preview img').waitFor();
    await shoot(page, 'player');
    await page.getByRole('button', { name: 'Search what was typed' }).click();
    await page.getByRole('searchbox').fill('hello');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: /^1:30 hello$/ }).click();
    await expect.poll(() => time(page)).toBe('1:30');
    await shoot(page, 'player-search');
    await page.keyboard.press('Escape');
    await page.keyboard.press('End');
    await expect.poll(() => slider.getAttribute('aria-valuetext')).toMatch(/^(\S+) of \1$/);
    expect(await overflow(page)).toBe(0);
    expect(v.faults).toEqual([]);
    await v.close();
  });

  it.each([['player-dark', { ...desk, colorScheme: 'dark' as const }], ['player-phone', phone]])('fits: %s', async (name, options) => {
    const v = await open(options);
    await expect.poll(() => colours(v.page)).toBeGreaterThan(3);
    await shoot(v.page, name);
    expect(await overflow(v.page)).toBe(0);
    await expect.poll(() => covered(v.page)).toBeLessThanOrEqual(1); // the picture shrinks soon after the bar is there
    expect(v.faults).toEqual([]);
    await v.close();
  });

  it('is opened from the dashboard, as running sessions are', async () => {
    const v = await visit(browser, place.admin);
    await v.page.getByLabel('Token').fill('boss-secret-of-sixteen');
    await v.page.keyboard.press('Enter');
    await v.page.getByRole('heading', { name: /Recordings/ }).waitFor();
    await shoot(v.page, 'dashboard');
    const [recording] = await Promise.all([v.page.waitForEvent('popup'), v.page.getByRole('button', { name: /^Play the recording/ }).first().click()]);
    await recording.getByRole('region', { name: 'Recording' }).waitFor();
    const row = v.page.locator('tr[data-state="open"]').filter({ hasText: 'desk' }).first();
    const [session] = await Promise.all([v.page.waitForEvent('popup'), row.getByRole('button', { name: 'Watch' }).click()]);
    await connected(session);
    await expect.poll(() => colours(session)).toBeGreaterThan(3);
    await shoot(session, 'watch');
    expect(v.faults).toEqual([]);
    await v.close();
  });
});
