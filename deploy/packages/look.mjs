// Logs in on the page as a person would, keeps a picture of what it shows, and
// stays until SIGUSR1: then the session must still be the first one.
//
//   node look.mjs URL USER PASSWORD PICTURE
import { createRequire } from 'node:module'

const { chromium } = createRequire(new URL('../../web/ui/', import.meta.url))('playwright-core')
const [url, user, password, picture] = process.argv.slice(2)

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const page = await browser.newPage({ viewport: { width: 1000, height: 750 } })
let sockets = 0
page.on('websocket', () => sockets++)
await page.goto(url)
await page.getByRole('button', { name: 'Connect' }).click()
await page.locator('input[type=password]').waitFor()
for (const [field, text] of [['input:not([type=password]):visible', user], ['input[type=password]', password]]) {
  await page.locator(field).first().fill(text)
}
await page.keyboard.press('Enter')
await page.waitForFunction(() => {
  const screen = document.querySelector('canvas')
  if (!screen || screen.width < 800) return false
  const [r, g, b] = screen.getContext('2d').getImageData(400, 500, 1, 1).data
  return r + g + b > 0
})
await page.screenshot({ path: picture })
process.on('SIGUSR1', async () => {
  const there = await page.locator('canvas').isVisible()
  await browser.close()
  process.exit(there && sockets === 1 ? 0 : 1)
})
setInterval(() => {}, 1000)
