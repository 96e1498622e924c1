// The dashboard of a real gateway with live sessions: VNCGATE_ADMIN says where both are.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { connected, desk, launch, overflow, phone, visit, type Visit } from './browser.ts';

interface Bench {
  admin: string;
  viewer: string;
}

const given = process.env['VNCGATE_ADMIN'];
const bench = JSON.parse(given ?? '{}') as Bench;
const shots = process.env['VNCGATE_SHOTS'];
const patience = 60_000;

let browser: Browser | undefined;
const visits: Visit[] = [];

beforeAll(async () => {
  if (given !== undefined) browser = await launch();
});
afterAll(async () => {
  const faults = visits.flatMap((v) => v.faults);
  await Promise.all(visits.map((v) => v.close()));
  await browser?.close();
  expect(faults).toEqual([]);
});

async function open(url: string, options: BrowserContextOptions = desk): Promise<Page> {
  if (browser === undefined) throw new Error('the browser is not started');
  const v = await visit(browser, url, options);
  v.page.setDefaultTimeout(patience);
  visits.push(v);
  return v.page;
}

async function login(token: string, options: BrowserContextOptions = desk): Promise<Page> {
  const page = await open(bench.admin, options);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
  return page;
}

async function shot(page: Page, name: string): Promise<void> {
  if (shots !== undefined) await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });
}

// escape leaves a dialog. A key that comes while it is being drawn anew is heard by nobody.
async function escape(page: Page) {
  await expect
    .poll(async () => {
      await page.keyboard.press('Escape');
      return page.locator('dialog').count();
    })
    .toBe(0);
}

it.skipIf(given === undefined)('the dashboard shows and steers', { timeout: 170_000 }, async () => {
  const wrong = await login('wrong');
  await wrong.getByRole('alert').getByText('The token is wrong').waitFor();
  await shot(wrong, 'login');

  const viewer = await open(bench.viewer);
  await connected(viewer);
  const page = await login('boss-secret-of-sixteen');
  const row = page.locator('tr[data-session]');
  await row.waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
  await page.locator('[data-event=SESSION_OPENED]').first().waitFor();
  await page.getByRole('link', { name: 'Open' }).first().waitFor();

  // Pictures of the displays, or why there are none.
  const picture = page.getByRole('img', { name: /^Screen of desk, \d+ s ago$/ });
  await picture.waitFor();
  await expect.poll(() => picture.evaluate((img) => (img as HTMLImageElement).naturalWidth)).toBeGreaterThan(200);
  await page.locator('[data-target=gone]').getByText('No picture').waitFor();
  await shot(page, 'light');

  // By the mouse: view only, and back.
  await row.getByRole('button', { name: 'View only' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'View only' }).click();
  await viewer.getByText('View only', { exact: true }).waitFor();
  await row.getByRole('button', { name: 'Restore' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click();
  await viewer.getByText('View only', { exact: true }).waitFor({ state: 'detached' });

  // By the keyboard: Escape does nothing, Enter pauses.
  await row.focus();
  await page.keyboard.press('p');
  await page.locator('dialog[open]').waitFor(); // before that nobody hears the key
  await escape(page);
  expect(await row.getAttribute('data-state')).toBe('open');
  await page.keyboard.press('p');
  await page.getByRole('dialog').getByLabel('What the viewer is told').fill('One moment');
  await shot(page, 'dialog');
  await page.keyboard.press('Enter');
  await page.locator('tr[data-state=paused]').waitFor();
  await page.locator('[data-event=SESSION_PAUSED]').first().waitFor();
  await viewer.getByText('One moment').waitFor();
  await row.getByRole('button', { name: 'Resume' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Resume' }).click();
  await page.locator('tr[data-state=open]').waitFor();
  await viewer.getByText('One moment').waitFor({ state: 'detached' });

  await row.getByRole('button', { name: 'Message' }).click();
  await page.getByRole('dialog').getByLabel('Words').fill('Lunch at noon.');
  await page.getByRole('dialog').getByRole('button', { name: 'Message' }).click();
  await viewer.getByText('Lunch at noon.').waitFor();

  // A display that is down, and a link to one that is not.
  await page.locator('[data-target=gone]').getByRole('button', { name: 'Try' }).click();
  await page.getByText('gone does not work').waitFor();
  await page.locator('[data-target=desk]').getByRole('button', { name: 'Link' }).click();
  await page.getByRole('button', { name: 'Make the link' }).click();
  const link = await page.getByRole('textbox', { name: 'Link' }).inputValue();
  await escape(page);
  const guest = await open(link);
  await connected(guest);
  await guest.getByText('View only', { exact: true }).waitFor();
  await page.locator('tr[data-session]').nth(1).waitFor();

  // An agent, what it announces, and its end.
  const agent = page.locator('[data-agent=lab]');
  await agent.getByText('connected', { exact: true }).waitFor();
  await agent.getByText('bench').waitFor();
  await page.locator('[data-target="agent/lab/bench"]').waitFor();
  await agent.getByRole('button', { name: 'Kick the agent lab' }).click();
  await page.locator('[data-event=AGENT_LOST]').first().waitFor();

  // Who may only look is offered nothing else.
  const dark = await login('eye-secret-of-sixteen', { ...desk, colorScheme: 'dark' });
  await dark.locator('tr[data-session]').nth(1).waitFor();
  expect(await dark.locator('td.actions, [data-target] button, .thumbnail').count()).toBe(0);
  await shot(dark, 'dark-viewer');
  const small = await login('boss-secret-of-sixteen', { ...phone, colorScheme: 'dark' });
  await small.locator('tr[data-session]').nth(1).waitFor();
  expect(await overflow(small)).toBeLessThanOrEqual(0);
  await small.locator('[data-target=desk]').scrollIntoViewIfNeeded(); // pictures are of what is to be seen
  await small.getByRole('img', { name: /^Screen of desk/ }).waitFor();
  expect(await overflow(small)).toBeLessThanOrEqual(0);
  await shot(small, 'phone');

  // The filter, and the end.
  await page.bringToFront();
  const filter = page.getByPlaceholder('Filter ( / )');
  await expect
    .poll(async () => {
      await page.keyboard.press('/'); // in the field already, it is a letter
      return filter.evaluate((field) => field === document.activeElement);
    })
    .toBe(true);
  await page.keyboard.type('no such');
  await page.getByText('No session fits.').waitFor();
  await page.keyboard.press('Escape');
  const first = page.locator('tr[data-session]').first();
  await first.getByRole('button', { name: 'End' }).click();
  await page.getByRole('dialog').getByLabel('What the viewer is told').fill('Closing time');
  await page.getByRole('dialog').getByRole('button', { name: 'End' }).click();
  await viewer.getByText('Closing time').first().waitFor();
  await page.locator('tr[data-session]').nth(1).waitFor({ state: 'detached' });
  await page.locator('[data-event=SESSION_CLOSED]').first().waitFor();

  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByLabel('Token').waitFor();
  await page.reload();
  await page.getByLabel('Token').waitFor();
});
