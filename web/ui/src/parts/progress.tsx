// What is seen while a connection is being made, ended or waited for.

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { elapsed } from '../waiting.ts';
import { Ended } from './start.tsx';
import { useFocus, usePage, useStateOf } from './use.ts';

// A connection that takes this long deserves a word.
const slowAfter = 8000; // milliseconds

/** Elapsed counts the seconds since a time, for the eye alone. */
function Elapsed({ since }: { since: number }): JSX.Element {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="hint elapsed" role="timer" aria-live="off">
      Waiting for {elapsed(now - since)}. The picture comes by itself.
    </p>
  );
}

/** Connecting is shown until the picture comes. */
export function Connecting(): JSX.Element {
  const { session } = usePage();
  const { phase, wait } = useStateOf(session);
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), slowAfter);
    return () => clearTimeout(timer);
  }, []);
  const closing = phase === 'closing';
  return (
    <main class="center">
      <div class="card progress" role="status">
        <span class="spinner" aria-hidden="true" />
        <p>{closing ? 'Disconnecting…' : (wait?.words ?? 'Connecting…')}</p>
        {wait !== undefined && !closing && <Elapsed since={wait.since} />}
        {slow && wait === undefined && !closing && <p class="hint">This takes longer than usual. The gateway or the display may be busy or far away.</p>}
        {!closing && (
          <button type="button" onClick={() => session.disconnect()}>
            Cancel
          </button>
        )}
      </div>
    </main>
  );
}

/** Waiting counts down to the next attempt. */
export function Waiting(): JSX.Element {
  const { session } = usePage();
  const { explanation, left } = useStateOf(session);
  const button = useFocus();
  return (
    <main class="center">
      <div class="card waiting">
        {explanation !== undefined && <Ended explanation={explanation} />}
        <p class="countdown" role="timer" aria-live="off">
          Connecting again in <strong>{left}</strong> {left === 1 ? 'second' : 'seconds'}
        </p>
        <div class="buttons">
          <button ref={button} type="button" class="primary" onClick={() => session.again()}>
            Connect now
          </button>
          <button type="button" onClick={() => session.giveUp()}>
            Stop
          </button>
        </div>
      </div>
    </main>
  );
}
