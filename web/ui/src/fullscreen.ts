// Fullscreen, where the browser has it.

import { isSafari } from 'novnc-core/util/browser.js';

// The Keyboard Lock API, which only some browsers have.
interface KeyboardLock {
  keyboard?: { lock(): Promise<void> };
}

/** canFullscreen is false in Safari too, which takes no letters while in fullscreen. */
export function canFullscreen(): boolean {
  return document.fullscreenEnabled && !isSafari();
}

/** isFullscreen tells whether the page has the whole screen. */
export function isFullscreen(): boolean {
  return document.fullscreenElement !== null;
}

/** toggleFullscreen enters or leaves; the browser may refuse, then nothing happens. */
export async function toggleFullscreen(): Promise<void> {
  try {
    if (isFullscreen()) await document.exitFullscreen();
    else {
      await document.documentElement.requestFullscreen();
      // Alt-Tab, the Windows key and Escape go to the display then; holding Escape leaves fullscreen.
      await (navigator as KeyboardLock).keyboard?.lock();
    }
  } catch {
    // Refused by the user, the browser, or the page that frames this one.
  }
}
