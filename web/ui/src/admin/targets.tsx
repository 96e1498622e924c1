// The displays that have names: how they are, a way in, and links for others.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { lifetimes, uses } from '../sharing.ts';
import type { Shared, Target } from './api.ts';
import { Dialog } from './dialog.tsx';
import { Thumbnail } from './thumbnail.tsx';
import { useDashboard, useStateOf } from './use.ts';
import { leadsHere, pageOf } from './words.ts';

const states = { up: 'up', down: 'down', unknown: 'not tried' };

// A display that somebody looks at is up, whoever was the last to try.
const stateOf = (t: Target): Target['state'] => (t.state === 'unknown' && t.sessions > 0 ? 'up' : t.state);

/** Targets is the list. */
export function Targets(): JSX.Element {
  const dashboard = useDashboard();
  const { targets, listeners } = useStateOf(dashboard);
  const [sharing, share] = useState<string | undefined>();
  return (
    <section aria-labelledby="targets">
      <div class="head">
        <h2 id="targets">Displays <small>{targets.length}</small></h2>
      </div>
      {targets.length === 0 && <p class="empty">No display has a name in the configuration.</p>}
      <ul class="targets">
        {targets.map((t) => {
          const page = pageOf(t, listeners, location.hostname);
          return (
            <li key={t.name} data-target={t.name}>
              {dashboard.pictures !== undefined && <Thumbnail target={t.name} pictures={dashboard.pictures} />}
              <div class="what">
                <b>{t.name}</b> <span class={`state ${stateOf(t)}`}>{states[stateOf(t)]}</span>
                <small>{t.sessions === 1 ? '1 session' : `${t.sessions} sessions`}{t.address !== undefined && `, ${t.address}`}{t.node !== undefined && ` at gateway ${t.node}`}</small>
                {t.reason !== undefined && <small class="why">{t.reason}</small>}
              </div>
              <div class="actions">
                {dashboard.may('target-probe') && (
                  <button type="button" onClick={() => void dashboard.probe(t.name)}>Try</button>
                )}
                {dashboard.may('target-share') && <button type="button" onClick={() => share(t.name)}>Link …</button>}
                {page !== undefined && <a class="button" href={page} target="_blank" rel="noopener noreferrer">Open</a>}
              </div>
            </li>
          );
        })}
      </ul>
      {sharing !== undefined && <Share key={sharing} target={sharing} onClose={() => share(undefined)} />}
    </section>
  );
}

const watch = ['view', 'bell', 'audio'];
const control = [...watch, 'keyboard', 'pointer'];

function Share({ target, onClose }: { target: string; onClose: () => void }): JSX.Element {
  const dashboard = useDashboard();
  const [made, set] = useState<Shared | undefined>();
  const make = async (form: FormData): Promise<void> => {
    set(
      await dashboard.share(target, {
        rights: form.get('scope') === 'control' ? control : watch,
        ttl: `${Number(form.get('seconds'))}s`,
        uses: Number(form.get('uses')),
      }),
    );
  };
  if (made !== undefined) return <Made target={target} made={made} onClose={onClose} />;
  return (
    <Dialog title={`Make a link to ${target}`} onClose={onClose}>
      <Choice name="scope" label="Whoever has the link may" options={[['watch', 'Watch only'], ['control', 'Watch, and use keyboard and mouse']]} />
      <Choice name="seconds" label="It works for" options={lifetimes} chosen={3600} />
      <Choice name="uses" label="Number of people" options={uses} />
      <button
        type="button"
        class="primary"
        onClick={(e) => {
          if (e.currentTarget.form !== null) void make(new FormData(e.currentTarget.form));
        }}
      >
        Make the link
      </button>
    </Dialog>
  );
}

function Choice({ name, label, options, chosen }: { name: string; label: string; options: [string | number, string][]; chosen?: number }): JSX.Element {
  return (
    <label class="field">
      <span>{label}</span>
      <select name={name}>
        {options.map(([value, words]) => <option key={value} value={value} selected={value === chosen}>{words}</option>)}
      </select>
    </label>
  );
}

function Made({ target, made, onClose }: { target: string; made: Shared; onClose: () => void }): JSX.Element {
  const dashboard = useDashboard();
  const link = made.link?.replace('{host}', location.hostname);
  return (
    <Dialog title={`A link to ${target}`} onClose={onClose}>
      {link === undefined && <p class="hint">No listener of this gateway opens such links by itself: set capabilities: share: link. This is the token:</p>}
      {made.link !== undefined && leadsHere(made.link) && (
        <p class="hint">
          The link leads to {new URL(link ?? location.href).hostname}, which others may not reach by this name. The configuration
          sets another: capabilities: {'{share: {link: "https://vnc.example/"}}'}.
        </p>
      )}
      <label class="field">
        <span>{link === undefined ? 'Token' : 'Link'}</span>
        <input type="text" readOnly value={link ?? made.token} onFocus={(e) => e.currentTarget.select()} />
        <span class="hint">Until {new Date(made.expires).toLocaleString()}. It is shown only now.</span>
      </label>
      <button
        type="button"
        class="primary"
        onClick={() => {
          navigator.clipboard.writeText(link ?? made.token).then(() => dashboard.say('It is in your clipboard'), () => dashboard.say('Copy it from the field'));
        }}
      >
        Copy
      </button>
      <button type="button" onClick={() => { void dashboard.act('commands/revoke', { token: made.id }, 'The link was taken back'); onClose(); }}>Take it back</button>
    </Dialog>
  );
}
