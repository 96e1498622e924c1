// Every way for a browser to name a display, through a real gateway: VNCGATE_ROUTES says where all of it is.

import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { colours, connected, launch, visit, type Visit } from './browser.ts';

interface Routes {
  gateway: string;
  /** proxy is the gateway below a prefix, behind a proxy that ends TLS. */
  proxy: string;
  /** novnc serves noVNC's own page, of another origin. */
  novnc: string;
  /** up brings the display "late" up. */
  up: string;
  /** token opens the display "desk". */
  token: string;
}

const given = process.env['VNCGATE_ROUTES'];
const routes = JSON.parse(given ?? '{}') as Routes;
const token = encodeURIComponent(routes.token);
const byHost = `http://desk.vnc.localhost:${given === undefined ? '' : new URL(routes.gateway).port}`;

describe.skipIf(given === undefined)('a display is named', () => {
  let browser: Browser;
  let visits: Visit[] = [];
  let urls: string[] = [];
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(async () => {
    await browser.close();
  });
  afterEach(async () => {
    const faults = visits.flatMap((v) => v.faults);
    await Promise.all(visits.map((v) => v.close()));
    visits = [];
    urls = [];
    expect(faults).toEqual([]);
  });

  async function open(url: string, cookie?: string): Promise<Page> {
    const v = await visit(browser, 'about:blank');
    visits.push(v);
    v.page.on('request', (r) => urls.push(r.url()));
    v.page.on('websocket', (s) => urls.push(s.url()));
    if (cookie !== undefined) await v.page.context().addCookies([{ name: 'token', value: cookie, url: routes.gateway }]);
    await v.page.goto(url);
    return v.page;
  }

  async function picture(page: Page): Promise<void> {
    await expect.poll(() => colours(page), { timeout: 60_000 }).toBeGreaterThan(3);
  }

  it.each([
    ['its path', `${routes.gateway}/vnc/desk`],
    ['its path, with a slash in the name', `${routes.gateway}/vnc/lab%2Fdesk`],
    ['its path, with a slash that a proxy has unescaped', `${routes.gateway}/vnc/lab/desk`],
    ['its path and the same name', `${routes.gateway}/vnc/desk?target=desk`],
    ['its host name', `${byHost}/`],
    ['a link', `${routes.gateway}/vnc.html?target=desk`],
    ['a fragment', `${routes.gateway}/#target=desk`],
    ['the path of the WebSocket', `${routes.gateway}/vnc.html?autoconnect=1&path=websockify%3Ftarget%3Ddesk`],
    ['a token in that path', `${routes.gateway}/vnc.html?autoconnect=1&path=websockify%3Ftoken%3D${encodeURIComponent(token)}`],
    ['a token in that path, as OpenStack has it', `${routes.gateway}/vnc.html?autoconnect=1&path=%3Ftoken%3D${encodeURIComponent(token)}`],
  ])('by %s', async (_, url) => {
    const page = await open(url);
    await connected(page);
    await picture(page);
  });

  it.each([
    ['its path', `${routes.proxy}/vnc/lab%2Fdesk`],
    ['a link', `${routes.proxy}/?target=desk`],
    ['a token in the fragment', `${routes.proxy}/vnc.html#token=${token}`],
  ])('behind a proxy with TLS and a prefix, by %s', async (name, url) => {
    const page = await open(url);
    await connected(page);
    await picture(page);
    const cookies = await page.context().cookies();
    expect(cookies.map((c) => [c.name.startsWith('__Host-'), c.secure])).toEqual(name.includes('token') ? [[true, true]] : []);
  });

  it.each(['vnc.html', 'vnc_lite.html', ''])('by a token in the fragment, which nobody sees (/%s)', async (name) => {
    const page = await open(`${routes.gateway}/${name}#token=${token}`);
    await picture(page);
    expect(page.url()).toMatch(/#pass=[0-9a-f]+$/);
    expect(urls.filter((u) => u.includes('7d1e') && !u.includes('#'))).toEqual([]);
    expect(urls.some((u) => /^ws:.*\?pass=[0-9a-f]+&notices=1$/.test(u))).toBe(true);
    const cookies = await page.context().cookies();
    expect(cookies.map((c) => [c.httpOnly, c.sameSite])).toEqual([[true, 'Strict']]);
    await page.reload();
    await picture(page);
  });

  it('by a cookie, as OpenStack has it', async () => {
    const page = await open(`${routes.gateway}/vnc.html?autoconnect=1`, token);
    await connected(page);
    await picture(page);
  });

  it.each(['vnc.html', 'vnc_lite.html'])("to noVNC's own page (%s)", async (name) => {
    const { hostname, port } = new URL(routes.gateway);
    const path = encodeURIComponent(`websockify?token=${token}`);
    const page = await open(`${routes.novnc}/${name}?autoconnect=1&host=${hostname}&port=${port}&encrypt=0&path=${path}`);
    await picture(page);
    const byPath = await open(`${routes.novnc}/${name}?autoconnect=1&host=${hostname}&port=${port}&encrypt=0&path=vnc/desk`);
    await picture(byPath);
  });

  it('by a token that is not good, and says so', async () => {
    const page = await open(`${routes.gateway}/#token=wrong-7d1e`);
    await page.getByRole('heading', { name: 'This link is not good' }).waitFor();
    await page.getByText('Ask for a new one', { exact: false }).first().waitFor();
    expect(page.url()).not.toContain('7d1e');
    const again = await open(`${routes.gateway}/vnc.html?autoconnect=1&path=websockify%3Ftoken%3Dwrong-7d1e`);
    await again.getByRole('heading', { name: 'This link is not good' }).waitFor();
  });

  it('twice, differently, and is not guessed', async () => {
    const page = await open(`${routes.gateway}/vnc/desk?target=lab`);
    await page.getByText('This address names two different displays', { exact: false }).waitFor();
  });

  it('that is not up yet, and comes', async () => {
    const page = await open(`${routes.gateway}/vnc/late`);
    await page.getByText(/display is not up yet/).waitFor();
    await page.getByRole('timer').waitFor();
    await fetch(routes.up);
    await connected(page);
    await picture(page);
  });
});
