// The minimal page.

import { describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import { Bench } from './bench.ts';
import { colourAt, desk, overflow, phone } from './browser.ts';

const bench = new Bench();

describe('vnc_lite.html', () => {
  const lite = (parameters: string): Promise<Page> => bench.open(parameters, desk, 'vnc_lite.html');

  it('connects at once and shows the picture', async () => {
    const page = await lite('path=ws&scale=1');
    await page.getByText('Connected to scripted').waitFor();
    await bench.display.waitFor(/^request changes$/);
    expect(await colourAt(page, 10, 10)).toBe(0x2f6fed);
    await expect.poll(async () => (await page.locator('canvas').boundingBox())?.width ?? 0).toBeGreaterThan(900);
    await page.getByRole('button', { name: 'Send Ctrl-Alt-Del' }).click();
    await bench.display.waitFor(/^key \+ffff$/);
  });

  it('takes host, port and encrypt', async () => {
    const page = await lite(`host=127.0.0.1&port=${bench.display.port}&encrypt=0&path=some/prefix/ws`);
    await page.getByText('Connected to scripted').waitFor();
  });

  it('asks for a password, and tells that it was wrong', async () => {
    bench.display.reset({ security: 2 });
    const page = await lite('path=ws&password=wrong');
    await page.getByText(/Wrong password/).waitFor();
    await page.getByRole('button', { name: 'Connect again' }).click();
    await page.getByLabel('Password').fill('secret');
    await page.keyboard.press('Enter');
    await page.getByText('Connected to scripted').waitFor();
  });

  it('sends nothing in view only', async () => {
    const page = await lite('path=ws&view_only=true');
    await page.getByText('Connected to scripted').waitFor();
    await page.mouse.click(640, 400);
    await page.keyboard.press('a');
    await page.waitForTimeout(200);
    expect(bench.display.log.filter((m) => /^(key|pointer)/.test(m))).toEqual([]);
  });

  it('fits a phone', async () => {
    const page = await bench.open('path=ws', phone, 'vnc_lite.html');
    await page.getByText('Connected to scripted').waitFor();
    expect(await overflow(page)).toBeLessThanOrEqual(0);
  });
});
