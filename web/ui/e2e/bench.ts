// What the tests against a scripted display share: a browser, a display, and the ways to open the page.

import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { connected, desk, launch, visit, type Visit } from './browser.ts';
import { Display } from './display.ts';

/** Bench is one browser and one display for the tests of a file; each test has pages of its own. */
export class Bench {
  private browser: Browser | undefined;
  private served: Display | undefined;
  private visits: Visit[] = [];

  constructor() {
    beforeAll(async () => {
      this.browser = await launch();
      this.served = await Display.start('/some/prefix');
    });
    afterAll(async () => {
      await this.browser?.close();
      this.served?.stop();
    });
    beforeEach(() => this.display.reset());
    afterEach(async () => {
      const faults = this.visits.flatMap((v) => v.faults);
      await Promise.all(this.visits.map((v) => v.close()));
      this.visits = [];
      expect(faults).toEqual([]);
    });
  }

  get display(): Display {
    if (this.served === undefined) throw new Error('the display is not started yet');
    return this.served;
  }

  /** visit opens an address; the test fails if the page has a fault. */
  async visit(url: string, options: BrowserContextOptions = desk): Promise<Page> {
    if (this.browser === undefined) throw new Error('the browser is not started yet');
    const v = await visit(this.browser, url, options);
    this.visits.push(v);
    return v.page;
  }

  /** open opens one of the pages of the display. */
  open(parameters = 'path=ws&autoconnect=1', options: BrowserContextOptions = desk, page = 'vnc.html'): Promise<Page> {
    return this.visit(this.display.url(page, parameters), options);
  }

  /** session opens the page and waits for the picture. */
  async session(parameters = '', options: BrowserContextOptions = desk): Promise<Page> {
    const page = await this.open(`path=ws&autoconnect=1&${parameters}`, options);
    await connected(page);
    await this.display.waitFor(/^request changes$/);
    return page;
  }
}

/** panel uses one of the toolbar's buttons, opening the toolbar if it has hidden itself. */
export async function panel(page: Page, name: string): Promise<void> {
  const show = page.getByRole('button', { name: 'Show toolbar' });
  for (let left = 5; ; left--) {
    if (await show.isVisible()) await show.click();
    try {
      await page.getByRole('button', { name, exact: true }).click({ timeout: 2000 });
      return;
    } catch (e) {
      if (left === 0) throw e; // otherwise it has hidden itself in this very moment
    }
  }
}
