// Which display a link is for, and the time until it is there.

import { describe, expect, it } from 'vitest';
import { Bench } from './bench.ts';
import { colourAt, connected, desk, phone, overflow } from './browser.ts';

const bench = new Bench();

describe('a token', () => {
  it.each(['vnc.html', 'vnc_lite.html'])('of the fragment reaches the gateway in a body alone (%s)', async (name) => {
    bench.display.reset({ pass: 'abc123' });
    const page = await bench.visit(`${bench.display.url(name)}#token=top%2Bsecret&resize=scale`);
    await bench.display.waitFor(/^request/);
    expect(bench.display.tokens).toEqual(['top+secret']);
    expect(bench.display.paths).toEqual(['/some/prefix/ws?pass=abc123']);
    expect(page.url()).toBe(`${bench.display.url(name)}#resize=scale&pass=abc123`);
    bench.display.log = [];
    await page.reload();
    await bench.display.waitFor(/^request/);
    expect(bench.display.tokens.length).toBe(1);
  });

  it('leaves no trace in the history', async () => {
    bench.display.reset({ pass: 'abc123' });
    const page = await bench.visit(`${bench.display.url()}#token=top`);
    await connected(page);
    expect(await page.evaluate(() => history.length)).toBe(2); // the empty page that the browser starts with, and this
  });

  it('that is not good is refused in words, before anything is opened', async () => {
    bench.display.reset({ status: { code: 403, words: 'This token opens nothing.' } });
    const page = await bench.visit(`${bench.display.url()}#token=wrong`);
    await page.getByRole('heading', { name: /link was not accepted/ }).waitFor();
    await page.getByText('This token opens nothing.', { exact: true }).waitFor();
    expect(bench.display.paths).toEqual([]);
    expect(page.url()).not.toContain('wrong');
  });

  it('goes into the address where the gateway knows no other way', async () => {
    await bench.visit(`${bench.display.url()}#token=plain`);
    await bench.display.waitFor(/^request/);
    expect(bench.display.paths).toEqual(['/some/prefix/ws?token=plain']);
  });

  it('of another link in the same tab is taken as well', async () => {
    bench.display.reset({ pass: 'abc123' });
    const page = await bench.visit(`${bench.display.url()}#autoconnect=0&token=one`);
    await page.getByRole('button', { name: 'Connect', exact: true }).waitFor();
    await page.evaluate(() => (location.hash = '#token=two'));
    await connected(page);
    expect(bench.display.tokens).toEqual(['two']);
  });
});

it('names the display that the link names', async () => {
  await bench.visit(`${bench.display.url()}&target=lab%2Fbuild-vm`);
  await bench.display.waitFor(/^request/);
  expect(bench.display.paths).toEqual(['/some/prefix/ws?target=lab%2Fbuild-vm']);
});

describe('a display that is not up yet', () => {
  const words = 'The display is starting.';

  it.each([
    ['a desk', desk],
    ['a phone', phone],
  ] as const)('is waited for in the words of the gateway, until it comes (%s)', async (_, device) => {
    bench.display.reset({ waiting: words });
    const page = await bench.open('path=ws&autoconnect=1', device);
    await page.getByText(words, { exact: true }).waitFor();
    await page.getByRole('timer').waitFor();
    expect(await page.getByRole('timer').textContent()).toMatch(/^Waiting for \d+ seconds/);
    expect(await overflow(page)).toBeLessThanOrEqual(0);
    bench.display.script.waiting = undefined;
    await connected(page);
    await bench.display.waitFor(/^request changes$/);
    expect(await colourAt(page, 100, 100)).toBe(0x2f6fed);
  });

  it('can be given up', async () => {
    bench.display.reset({ waiting: words });
    const page = await bench.open();
    await page.getByText(words, { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('heading', { name: 'Disconnected' }).waitFor();
  });

  it('is waited for on the minimal page', async () => {
    bench.display.reset({ waiting: words });
    const page = await bench.open('path=ws', desk, 'vnc_lite.html');
    await page.getByText(/The display is starting\. \(\d+ seconds?\)/).waitFor();
    bench.display.script.waiting = undefined;
    await page.getByText(/^Connected/).waitFor();
  });
});
