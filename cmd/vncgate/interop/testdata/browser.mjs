// Drives pages in Chromium. Each line on standard input is a command as JSON,
// {"verb": ..., "page": ..., ...}, and is answered by one line, {"value": ...}
// or {"error": ...}. Usage: node browser.mjs PACKAGE-JSON CHROMIUM, where
// playwright-core is found from PACKAGE-JSON.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [, , packageJSON, executablePath] = process.argv;
const { chromium } = createRequire(packageJSON)('playwright-core');
const browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--password-store=basic',
    '--host-resolver-rules=MAP *.vnc.example 127.0.0.1'],
});
const pages = new Map();

// picture is the largest canvas of the page, as PNG in a data URL.
const picture = () => {
  const canvases = [...document.querySelectorAll('canvas')];
  canvases.sort((a, b) => b.width * b.height - a.width * a.height);
  if (!canvases.length) throw new Error('no canvas on the page');
  return canvases[0].toDataURL('image/png');
};

// place is where the largest canvas lies in the window, and its scale.
const place = () => {
  const canvases = [...document.querySelectorAll('canvas')];
  canvases.sort((a, b) => b.width * b.height - a.width * a.height);
  const box = canvases[0].getBoundingClientRect();
  return { x: box.x, y: box.y, scale: box.width / canvases[0].width };
};

async function pointer(page, { x, y }) {
  const at = await page.evaluate(place);
  await page.mouse.move(at.x + (x + 0.5) * at.scale, at.y + (y + 0.5) * at.scale);
}

const verbs = {
  async open(_, { page: name, url, width = 1280, height = 900, grant = [], cookies = [] }) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width, height } });
    if (grant.length) await context.grantPermissions(grant);
    if (cookies.length) await context.addCookies(cookies);
    const page = await context.newPage();
    page.setDefaultTimeout(90000);
    page.on('console', (message) => console.error(name, message.type(), message.text()));
    page.on('pageerror', (error) => console.error(name, 'error', error.message));
    pages.set(name, page);
    await page.goto(url, { waitUntil: 'load', timeout: 90000 });
  },
  close: async (page, { page: name }) => {
    pages.delete(name);
    await page.context().close();
  },
  picture: (page) => page.evaluate(picture),
  screenshot: (page, { path }) => page.screenshot({ path }).then(() => null),
  text: (page) => page.evaluate(() => document.body.innerText),
  eval: (page, { script }) => page.evaluate(script),
  // login answers the page's question for a user name and a password.
  login: async (page, { user, password }) => {
    const name = page.locator('input[name=username]:visible, #noVNC_username_input:visible');
    const field = page.locator('input[name=password]:visible, #noVNC_password_input:visible');
    do { // noVNC moves the focus a moment after it asks, and what is typed with it
      await name.fill(user);
      await field.fill(password);
    } while (await name.inputValue() !== user || await field.inputValue() !== password);
    await field.press('Enter');
  },
  key: (page, { key }) => page.keyboard.press(key),
  move: pointer,
  click: async (page, { x, y, button = 'left' }) => {
    await pointer(page, { x, y });
    await page.mouse.down({ button });
    await page.mouse.up({ button });
  },
  // hold presses a key and a button and leaves them so; letGo releases them.
  hold: async (page, { x, y, key }) => {
    await pointer(page, { x, y });
    await page.mouse.down();
    await page.keyboard.down(key);
  },
  letGo: async (page, { key }) => {
    await page.mouse.up();
    await page.keyboard.up(key);
  },
  resize: (page, { width, height }) => page.setViewportSize({ width, height }),
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const command = JSON.parse(line);
    const value = await verbs[command.verb](pages.get(command.page), command);
    answer = { value: value ?? null };
  } catch (error) {
    answer = { error: String(error.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
await browser.close();
