// What is seen while no session is open: the way to start one, and why the last one ended.

import type { JSX } from 'preact';
import type { Explanation } from '../words.ts';
import { CloseIcon, DoneIcon, Logo, SettingsIcon, WarningIcon } from './icons.tsx';
import { useFocus, usePage, useStateOf } from './use.ts';
import { Where } from './where.tsx';

/** Ended tells how the last connection ended. */
export function Ended({ explanation }: { explanation: Explanation }): JSX.Element {
  return (
    <div class={`ended ${explanation.calm ? 'calm' : 'bad'}`} role={explanation.calm ? 'status' : 'alert'}>
      {explanation.calm ? <DoneIcon /> : <WarningIcon />}
      <div>
        <h2>{explanation.title}</h2>
        <p>{explanation.text}</p>
        {explanation.said !== '' && <blockquote>{explanation.said}</blockquote>}
      </div>
    </div>
  );
}

/** Start is the connect form. */
export function Start(): JSX.Element {
  const { session } = usePage();
  const { explanation, panel } = useStateOf(session);
  const button = useFocus();
  const bad = explanation !== undefined && !explanation.calm;
  return (
    <main class="center">
      <form
        class="card start"
        aria-label="Connect"
        onSubmit={(e) => {
          e.preventDefault();
          session.connect();
        }}
      >
        <header class="brand">
          <Logo />
          <h1>vncgate</h1>
          <button
            type="button"
            class="bare"
            aria-label="Settings"
            title="Settings"
            aria-expanded={panel === 'settings'}
            onClick={() => session.store.set({ panel: panel === 'settings' ? undefined : 'settings' })}
          >
            {panel === 'settings' ? <CloseIcon /> : <SettingsIcon />}
          </button>
        </header>
        {explanation === undefined ? <p class="lead">A remote display, in your browser.</p> : <Ended explanation={explanation} />}
        {explanation?.over !== true && (
          <button ref={button} type="submit" class="primary">
            {explanation === undefined ? 'Connect' : bad ? 'Try again' : 'Connect again'}
          </button>
        )}
        <Where />
        {!isSecureContext && (
          <p class="hint insecure">
            This page came without https: what you type and see can be read on the way, and the clipboard, fullscreen and some
            kinds of login may not work.
          </p>
        )}
      </form>
    </main>
  );
}
