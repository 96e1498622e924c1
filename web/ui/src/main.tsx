// The full page: vnc.html and index.html.

import { render } from 'preact';
import { isTouchDevice } from 'novnc-core/util/browser.js';
import { initLogging } from 'novnc-core/util/logging.js';
import { watchForCrashes } from './crash.ts';
import { isFullscreen } from './fullscreen.ts';
import { App } from './parts/app.tsx';
import { Session } from './session.ts';
import { gather, title } from './start.ts';
import { initial } from './state.ts';
import { available } from './storage.ts';
import { Store } from './store.ts';
import './styles/page.css';
import { TouchKeyboard } from './touchkeyboard.ts';

function element<K extends keyof HTMLElementTagNameMap>(tag: K, id: string): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  e.id = id;
  document.body.prepend(e);
  return e;
}

function touchField(): HTMLTextAreaElement {
  const field = element('textarea', 'touch-keyboard');
  field.tabIndex = -1;
  field.setAttribute('aria-label', 'Typing on the display');
  field.setAttribute('autocapitalize', 'off');
  field.setAttribute('autocomplete', 'off');
  field.spellcheck = false;
  return field;
}

/** keepTouchKeyboard keeps a tap on a button from sending the on-screen keyboard away. */
function keepTouchKeyboard(keyboard: TouchKeyboard): void {
  document.documentElement.addEventListener(
    'mousedown',
    (e) => {
      const takesText = e.target instanceof Element && e.target.closest('input, textarea, select') !== null;
      if (keyboard.shown && !takesText) e.preventDefault();
    },
    true,
  );
}

/** askBeforeLeaving keeps a slip of the hand from ending a session that one works in. */
function askBeforeLeaving(session: Session): void {
  window.addEventListener('beforeunload', (e) => {
    const { phase, values } = session.store.get();
    if (phase === 'connected' && !values.view_only) e.preventDefault();
  });
}

/** followPage carries what happens to the page as a whole into the session. */
function followPage(session: Session): void {
  window.addEventListener('focus', () => void session.focused());
  window.addEventListener('offline', () => session.online(false));
  window.addEventListener('online', () => session.online(true));
  document.addEventListener('fullscreenchange', () => session.store.set({ fullscreen: isFullscreen() }));
  let logging = session.store.get().values.logging;
  session.store.watch(() => {
    const { values, phase } = session.store.get();
    document.documentElement.dataset['phase'] = phase;
    if (values.logging === logging) return;
    logging = values.logging;
    initLogging(logging);
  });
}

async function main(): Promise<void> {
  watchForCrashes();
  document.title = title;
  const { values, fixed, entrance } = await gather();
  const session = new Session(new Store(initial(values, fixed)), available(), element('div', 'screen'), entrance);
  const touchKeyboard = new TouchKeyboard(
    touchField(),
    () => session.rfb,
    (typing) => {
      session.store.set({ typing });
      // Otherwise a tap on the picture would take the focus, and the keyboard with it.
      if (session.rfb !== undefined) session.rfb.focusOnClick = !typing;
    },
  );
  keepTouchKeyboard(touchKeyboard);
  askBeforeLeaving(session);
  followPage(session);
  const root = document.getElementById('app');
  if (root === null) throw new Error('the page has no place for the app');
  render(<App page={{ session, touchKeyboard, touch: isTouchDevice }} />, root);
  if (values.autoconnect) session.connect();
}

await main();
