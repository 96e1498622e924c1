// The questions that a display asks before it lets anyone in.

import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { entered, labels, order, type CredentialType } from '../credentials.ts';
import { LockIcon } from './icons.tsx';
import { useFocus, usePage, useStateOf } from './use.ts';

/** Asking shows the question that is open, if one is. */
export function Asking(): JSX.Element | null {
  const { session } = usePage();
  const { question } = useStateOf(session);
  if (question === undefined) return null;
  return (
    <div class="center above">
      {question.kind === 'verify' ? <Verify fingerprint={question.fingerprint} /> : <Credentials types={question.types} username={question.username} />}
    </div>
  );
}

function Credentials({ types, username }: { types: CredentialType[]; username: string }): JSX.Element {
  const { session } = usePage();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const inputs = [...(form.current?.querySelectorAll('input') ?? [])];
    (inputs.find((i) => i.value === '') ?? inputs[0])?.focus();
  }, []);
  const asked = order.filter((t) => types.includes(t));
  return (
    <div class="card" role="dialog" aria-modal="true" aria-labelledby="credentials-title">
      <h2 id="credentials-title">
        <LockIcon /> Log in to the display
      </h2>
      <form
        ref={form}
        class="stack"
        onSubmit={(e) => {
          e.preventDefault();
          session.answer(entered(e.currentTarget, asked));
        }}
      >
        {asked.map((t) => (
          <label key={t} class="field">
            <span>{labels[t]}</span>
            {t === 'password' ? (
              <input name={t} type="password" autocomplete="current-password" />
            ) : (
              <input
                name={t}
                type="text"
                defaultValue={t === 'username' ? username : ''}
                autocomplete={t === 'username' ? 'username' : 'off'}
                autocapitalize="off"
                spellcheck={false}
              />
            )}
          </label>
        ))}
        <div class="buttons">
          <button type="submit" class="primary">Log in</button>
          <button type="button" onClick={() => session.disconnect()}>Cancel</button>
        </div>
      </form>
    </div>
  );
}

function Verify({ fingerprint }: { fingerprint: string }): JSX.Element {
  const { session } = usePage();
  const reject = useFocus(); // the safe answer to a key pressed in haste
  return (
    <div class="card" role="alertdialog" aria-modal="true" aria-labelledby="verify-title" aria-describedby="verify-text">
      <h2 id="verify-title">
        <LockIcon /> Is this your display?
      </h2>
      <p id="verify-text">
        The display shows a key with this fingerprint. Compare it with the one that the display’s owner gave you; if it differs,
        someone may be listening in between.
      </p>
      <p class="fingerprint">{fingerprint}</p>
      <div class="buttons">
        <button type="button" class="primary" onClick={() => session.approve()}>It is the same</button>
        <button ref={reject} type="button" onClick={() => session.disconnect()}>Reject</button>
      </div>
    </div>
  );
}
