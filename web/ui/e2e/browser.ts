// A real Chromium for the tests, watched for faults.

import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

/** launch starts Debian's Chromium, or the one that CHROMIUM names. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}

export const desk: BrowserContextOptions = { viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true };
export const phone: BrowserContextOptions = {
  viewport: { width: 360, height: 640 },
  hasTouch: true,
  isMobile: true,
  deviceScaleFactor: 2,
  ignoreHTTPSErrors: true,
};

// What the browser and noVNC write to the console about a connection that the test itself has made fail.
// Leaving a page whose session is open is the other, and that noVNC's own page looks for its version.
const expectedNoise =
  /Failed (when|while) connect|WebSocket connection to|Failed to load resource.*(400|401|403|404|405|409|426|429|501|502|503|ERR_CONNECTION_REFUSED)|'beforeunload'|package\.json/;

/** Visit is one page with everything that went wrong on it. */
export interface Visit {
  page: Page;
  /** Uncaught errors, console errors and violations of the security policy. */
  faults: string[];
  close(): Promise<void>;
}

/** visit opens a page in a fresh context. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = desk): Promise<Visit> {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(60_000); // a busy machine is no failure
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (e) => faults.push(`error: ${e.message}`));
  page.on('console', (m) => {
    if (m.type() === 'error' && !expectedNoise.test(m.text())) faults.push(`console: ${m.text()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (e) => {
      // eslint-disable-next-line no-console -- the console is how it reaches the test
      console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`);
    });
  });
  await page.goto(url);
  return { page, faults, close: () => context.close() };
}

/** colours counts the different colours on the canvas; a blank one has one. */
export function colours(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.querySelector('canvas');
    const context = canvas?.getContext('2d');
    if (canvas === null || context === null || context === undefined || canvas.width === 0) return 0;
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set<number>();
    for (let i = 0; i < data.length; i += 4 * 97) {
      seen.add(((data[i] ?? 0) << 16) | ((data[i + 1] ?? 0) << 8) | (data[i + 2] ?? 0));
    }
    return seen.size;
  });
}

/** colourAt is the colour of one point of the canvas, 0xrrggbb. */
export function colourAt(page: Page, x: number, y: number): Promise<number> {
  return page.evaluate(
    ([px, py]) => {
      const [r = 0, g = 0, b = 0] = document.querySelector('canvas')?.getContext('2d')?.getImageData(px, py, 1, 1).data ?? [];
      return (r << 16) | (g << 8) | b;
    },
    [x, y] as const,
  );
}

/** overflow is how many pixels the page is wider than the window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => {
    const widest = [...document.querySelectorAll('body *')]
      .filter((e) => e.closest('#screen, #touch-keyboard, .tools') === null && e.checkVisibility({ visibilityProperty: true }))
      .map((e) => e.getBoundingClientRect().right);
    return Math.max(document.documentElement.scrollWidth, ...widest) - window.innerWidth;
  });
}

/** connected waits until the picture is there. */
export async function connected(page: Page): Promise<void> {
  await page.locator('html[data-phase=connected]').waitFor({ state: 'attached' });
}
