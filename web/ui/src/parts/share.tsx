// The panel that makes links to this display for others.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { choices, lifetimesUpTo, scopes, uses, type Link, type Scope } from '../sharing.ts';
import { clock } from './notices.tsx';
import { usePage, useStateOf } from './use.ts';

/** Share is the panel: a form for a new link, and the links that there are. */
export function Share(): JSX.Element {
  const { session } = usePage();
  const { links, shareFault } = useStateOf(session);
  return (
    <div class="stack">
      <Making />
      {shareFault !== '' && <p class="fault" role="alert">{shareFault}</p>}
      {links.length > 0 && (
        <section aria-label="Links made here">
          <ul class="links">
            {[...links].reverse().map((link) => (
              <Made key={link.id} link={link} />
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

function Making(): JSX.Element {
  const { session } = usePage();
  const { standing } = useStateOf(session);
  const [busy, setBusy] = useState(false);
  const offered = choices(standing?.shareable ?? new Set());
  const make = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form);
    setBusy(true);
    const link = await session.terms.share(data.get('scope') as Scope, Number(data.get('seconds')), Number(data.get('uses')));
    setBusy(false);
    if (link !== undefined) await copy(link, (words) => session.notify(words));
  };
  return (
    <form
      class="stack"
      aria-label="New link"
      onSubmit={(e) => {
        e.preventDefault();
        void make(e.currentTarget);
      }}
    >
      <Choice name="scope" label="Whoever has the link may" options={offered.map((scope) => [scope, scopes[scope]])} />
      <Choice name="seconds" label="It works for" options={lifetimesUpTo(standing?.shareTime)} chosen={3600} />
      <Choice name="uses" label="Number of people" options={uses} />
      <button type="submit" class="primary" disabled={busy || offered.length === 0}>Make a link</button>
    </form>
  );
}

type Options = [value: string | number, words: string][];

function Choice({ name, label, options, chosen }: { name: string; label: string; options: Options; chosen?: number }): JSX.Element {
  return (
    <label class="field">
      <span>{label}</span>
      <select name={name}>
        {options.map(([value, words]) => (
          <option key={value} value={value} selected={value === chosen}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

// Without https there is no clipboard for pages: the user takes it from the field.
async function copy(link: Link, notify: (words: string) => void): Promise<void> {
  try {
    await navigator.clipboard.writeText(link.url);
    notify('The link is in your clipboard');
  } catch {
    notify('Copy the link from the field');
  }
}

function Made({ link }: { link: Link }): JSX.Element {
  const { session } = usePage();
  const left = link.end === undefined ? '' : `, for ${clock(Math.max(0, Math.round((link.end - Date.now()) / 1000)))}`;
  return (
    <li>
      <input type="text" readOnly value={link.url} aria-label="Link" onFocus={(e) => e.currentTarget.select()} />
      <small class="hint">
        {scopes[link.scope]}
        {left}
      </small>
      <div class="buttons">
        <button type="button" onClick={() => void copy(link, (words) => session.notify(words))}>Copy</button>
        <button type="button" onClick={() => void session.terms.unshare(link)}>Take back</button>
      </div>
    </li>
  );
}
