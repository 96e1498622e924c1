// A page that follows what a real gateway says of its session: VNCGATE_TERMS says where that is.

import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { panel } from './bench.ts';
import { connected, desk, launch, visit, type Visit } from './browser.ts';

interface Terms {
  gateway: string;
  /** control opens the gateway, from when on time runs, and changes what holds: /open, /narrow, /widen, /message, /end. */
  control: string;
}

const given = process.env['VNCGATE_TERMS'];
const terms = JSON.parse(given ?? '{}') as Terms;

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

async function open(url: string): Promise<Page> {
  if (browser === undefined) throw new Error('the browser is not started');
  const v = await visit(browser, url, { ...desk, permissions: ['clipboard-read', 'clipboard-write'] });
  visits.push(v);
  return v.page;
}

it.skipIf(given === undefined)('a session has terms', { timeout: 150_000 }, async () => {
  await fetch(`${terms.control}/open`);
  const page = await open(`${terms.gateway}/vnc.html?autoconnect=1&reconnect=1&reconnect_delay=200`);
  await connected(page);
  // Whenever the warning comes, be the rest done by then or not.
  const stay = page.getByRole('button', { name: 'Stay' });
  const stayed = stay.click({ timeout: 60_000 });

  await fetch(`${terms.control}/message`);
  await page.getByText('Down for repairs at noon.').waitFor();
  await page.getByRole('button', { name: 'Close the message' }).click();

  await fetch(`${terms.control}/narrow`);
  await page.getByText('View only', { exact: true }).waitFor();
  await fetch(`${terms.control}/widen`);
  await page.getByText('View only', { exact: true }).waitFor({ state: 'detached' });

  await panel(page, 'Share');
  await page.getByRole('button', { name: 'Make a link' }).click();
  const link = await page.getByRole('textbox', { name: 'Link' }).inputValue();
  const guest = await open(link);
  await connected(guest);
  await guest.getByText('View only', { exact: true }).waitFor();
  expect(guest.url()).not.toContain('token');
  await panel(guest, 'Settings');
  expect(await guest.getByRole('button', { name: 'Share' }).count()).toBe(0);
  await page.getByRole('button', { name: 'Take back' }).click();
  await guest.getByRole('heading', { name: 'Your access was withdrawn' }).waitFor();
  await guest.getByRole('button', { name: 'Try again' }).click();
  await guest.getByRole('heading', { name: 'The link was not accepted' }).waitFor();

  await stayed;
  await stay.waitFor({ state: 'detached' });

  await fetch(`${terms.control}/end`);
  await page.getByRole('heading', { name: 'Your session was ended' }).waitFor();
  await page.waitForTimeout(600); // longer than the page would wait to connect again
  expect(await page.getByRole('heading', { name: 'Your session was ended' }).count()).toBe(1);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'You were sent away' }).waitFor();
});
