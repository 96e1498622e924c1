// The page as a real gateway serves it, on the demo display that it comes with. VNCGATE_URL is the address of the page,
// such as http://127.0.0.1:6080/ or https://host/desk/?path=ws%3Ftoken%3DX, or a link that lets one browser in, once.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { panel } from './bench.ts';
import { colours, connected, desk, launch, overflow, phone, visit, type Visit } from './browser.ts';

const given = process.env['VNCGATE_URL'] ?? '';
if (given === '' && process.env['VNCGATE_E2E_REQUIRE'] !== undefined) throw new Error('VNCGATE_URL is not set');

// Where the given address led to, and what the browser was given there: a link may work once only.
let base: URL;
let pass: BrowserContextOptions['storageState'];

async function enter(browser: Browser): Promise<void> {
  const context = await browser.newContext(desk);
  const page = await context.newPage();
  await page.goto(given);
  await page.locator('main, nav').first().waitFor();
  base = new URL(page.url());
  pass = await context.storageState();
  await context.close();
}

/** address is the address of one of the pages, with parameters beside the given ones. */
function address(page: string, parameters: Record<string, string> = {}): string {
  const url = new URL(`./${page}`, base);
  url.search = base.search;
  url.hash = base.hash;
  url.searchParams.set('autoconnect', '0');
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url.href;
}

describe.skipIf(given === '')('a real gateway', () => {
  let browser: Browser;
  let visits: Visit[] = [];
  beforeAll(async () => {
    browser = await launch();
    await enter(browser);
  });
  afterAll(async () => {
    await browser.close();
  });
  afterEach(async () => {
    const faults = visits.flatMap((v) => v.faults);
    await Promise.all(visits.map((v) => v.close()));
    visits = [];
    expect(faults).toEqual([]);
  });

  async function open(page: string, parameters: Record<string, string> = {}, options: BrowserContextOptions = desk): Promise<Page> {
    const v = await visit(browser, address(page, parameters), pass === undefined ? options : { ...options, storageState: pass });
    visits.push(v);
    return v.page;
  }

  async function session(parameters: Record<string, string> = {}, options: BrowserContextOptions = desk): Promise<Page> {
    const page = await open('vnc.html', { autoconnect: '1', ...parameters }, options);
    await connected(page);
    await expect.poll(() => colours(page), { timeout: 60_000 }).toBeGreaterThan(3);
    return page;
  }

  const canvas = (page: Page): Promise<{ width: number; height: number } | null> => page.locator('canvas').boundingBox();

  it.each(['', 'vnc.html'])('serves the page at "%s" under a strict policy', async (name) => {
    const page = await open(name);
    await page.getByRole('button', { name: 'Connect', exact: true }).waitFor();
    const response = await page.request.get(address(name));
    const policy = response.headers()['content-security-policy'] ?? '';
    expect(policy).toMatch(/script-src 'self'(;|$)/);
    expect(policy).toMatch(/style-src 'self'(;|$)/);
    expect(policy).not.toContain('unsafe');
  });

  it('serves the settings of its owner', async () => {
    const page = await open('vnc.html');
    for (const name of ['mandatory.json', 'defaults.json']) {
      const response = await page.request.get(address(name));
      expect(response.status(), name).toBe(200);
      expect(typeof (await response.json())).toBe('object');
    }
  });

  it('answers a plain question as it would answer an upgrade', async () => {
    const page = await open('vnc.html');
    const path = new URL(address('')).searchParams.get('path') ?? 'websockify';
    const status = await page.evaluate(
      async (p) => (await fetch(new URL(p, location.href), { headers: { Accept: 'application/json' } })).status,
      path,
    );
    expect(status).toBe(426);
  });

  it('shows the picture, and says what it is', async () => {
    const page = await session();
    expect(await page.title()).toMatch(/ - vncgate$/);
  });

  it('scales the picture and resizes the display', async () => {
    const page = await session({ resize: 'scale' });
    await expect
      .poll(async () => {
        const box = await canvas(page);
        return box !== null && box.width <= 1280 && box.height <= 800 && (Math.round(box.width) === 1280 || Math.round(box.height) === 800);
      })
      .toBe(true);
    await page.setViewportSize({ width: 900, height: 600 });
    await panel(page, 'Settings');
    await page.getByLabel('When sizes differ').selectOption('remote');
    await expect.poll(() => page.locator('canvas').evaluate((c: HTMLCanvasElement) => `${c.width}x${c.height}`), { timeout: 60_000 }).toBe('900x600');
  });

  it('carries the clipboard there and back', async () => {
    const page = await session();
    await panel(page, 'Clipboard');
    const text = page.getByRole('textbox', { name: /clipboard/ });
    await text.fill('Grüße 42');
    await text.blur();
    await expect.poll(() => text.inputValue(), { timeout: 60_000 }).toBe('echo: Grüße 42');
  });

  it('takes keys, pointer and extra keys', async () => {
    const page = await session();
    await page.mouse.click(300, 300);
    await page.keyboard.type('Hello');
    await panel(page, 'Extra keys');
    await page.getByRole('button', { name: 'Hold Ctrl' }).click();
    await expect.poll(() => page.getByRole('button', { name: 'Hold Ctrl' }).getAttribute('aria-pressed')).toBe('true');
    await page.getByRole('button', { name: 'Hold Ctrl' }).click();
    await page.getByRole('button', { name: 'Press Ctrl-Alt-Del' }).click();
    await connected(page);
  });

  it('only watches in view only', async () => {
    const page = await session({ view_only: '1' });
    expect(await page.getByRole('button', { name: 'Clipboard' }).count()).toBe(0);
  });

  it('ends when told to, and starts again', async () => {
    const page = await session();
    await panel(page, 'Disconnect');
    await page.getByRole('heading', { name: 'Disconnected' }).waitFor();
    await page.getByRole('button', { name: 'Connect again' }).click();
    await connected(page);
  });

  it('fits a phone', async () => {
    const page = await session({ resize: 'scale' }, phone);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    await panel(page, 'Settings');
    expect(await overflow(page)).toBeLessThanOrEqual(0);
  });

  it('shows the picture on the minimal page', async () => {
    const page = await open('vnc_lite.html');
    await page.getByText(/^Connected/).waitFor();
    await expect.poll(() => colours(page), { timeout: 60_000 }).toBeGreaterThan(3);
  });
});
