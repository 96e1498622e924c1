// The sessions there are, and what can be done with them.

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Session } from './api.ts';
import type { Dashboard, Rate } from './dashboard.ts';
import { Dialog } from './dialog.tsx';
import { openLink, useDashboard, useStateOf } from './use.ts';
import { lasted, origin, rights, severalNodes, size, viewOnly, who } from './words.ts';

/** Action is one thing to do with a session. */
interface Action {
  key: string;
  command: string;
  label: (s: Session) => string;
  /** What is asked before. */
  asks: (s: Session) => string;
  /** What is done at once, without a question. */
  now?: boolean;
  field?: { name: string; label: string; required?: boolean };
  danger?: boolean;
  /** Whether there is anything to be done; without it, always. */
  offered?: (s: Session) => boolean;
  run: (d: Dashboard, s: Session, words: string) => void;
}

const at = (s: Session, verb: string): string => `sessions/${encodeURIComponent(s.id)}/${verb}`;
const called = (s: Session): string => who(s) || origin(s.from);
const said = (words: string): object => (words === '' ? {} : { words });

/** actions are what can be done, in the order of the buttons. */
export const actions: Action[] = [
  {
    key: 'w',
    command: 'session-watch',
    now: true,
    offered: (s) => s.followed === true,
    label: () => 'Watch',
    asks: (s) => `Look on in the session of ${called(s)}?`,
    run: (d, s) => void openLink(d, at(s, 'watch'), {}),
  },
  {
    key: 'p',
    command: 'session-pause',
    label: (s) => (s.state === 'paused' ? 'Resume' : 'Pause'),
    asks: (s) => (s.state === 'paused' ? `Let ${called(s)} go on?` : `Pause the session of ${called(s)}?`),
    field: { name: 'words', label: 'What the viewer is told (optional)' },
    run: (d, s, words) => {
      const verb = s.state === 'paused' ? 'resume' : 'pause';
      void d.act(at(s, verb), said(words), verb === 'pause' ? `${called(s)} is paused` : `${called(s)} goes on`);
    },
  },
  {
    key: 'v',
    command: 'session-set-rights',
    offered: (s) => !viewOnly(s) || (s.withheld ?? []).length > 0,
    label: (s) => (viewOnly(s) ? 'Restore' : 'View only'),
    asks: (s) => (viewOnly(s) ? `Give ${called(s)} back all that was granted?` : `Take keyboard and mouse from ${called(s)}?`),
    run: (d, s) => {
      const only = viewOnly(s);
      const body = only ? { restore: true } : { without: ['keyboard', 'pointer', 'clipboard-in', 'resize', 'power'] };
      void d.act(at(s, 'set-rights'), body, only ? `${called(s)} has all that was granted` : `${called(s)} may only watch`);
    },
  },
  {
    key: 'm',
    command: 'session-message',
    label: () => 'Message',
    asks: (s) => `Show words on the page of ${called(s)}`,
    field: { name: 'words', label: 'Words', required: true },
    run: (d, s, words) => void d.act(at(s, 'message'), { words }, `${called(s)} was told`),
  },
  {
    key: 'k',
    command: 'session-kill',
    label: () => 'End',
    danger: true,
    asks: (s) => `End the session of ${called(s)}?`,
    field: { name: 'words', label: 'What the viewer is told (optional)' },
    run: (d, s, words) => void d.act(at(s, 'kill'), said(words), `The session of ${called(s)} was ended`),
  },
];

/** Sessions is the table. */
export function Sessions(): JSX.Element {
  const dashboard = useDashboard();
  const { sessions, rates, nodes } = useStateOf(dashboard);
  const [filter, setFilter] = useState('');
  const [asked, ask] = useState<{ action: Action; session: Session } | undefined>();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const slash = (e: KeyboardEvent): void => {
      if (e.key !== '/' || e.target instanceof HTMLInputElement || document.querySelector('dialog[open]') !== null) return;
      e.preventDefault();
      field.current?.focus();
    };
    document.addEventListener('keydown', slash);
    return () => document.removeEventListener('keydown', slash);
  }, []);
  const shown = (sessions ?? []).filter((s) => fits(s, filter));
  const allowed = actions.filter((a) => dashboard.may(a.command));
  return (
    <section aria-labelledby="sessions">
      <div class="head">
        <h2 id="sessions">Sessions {sessions !== undefined && <small>{sessions.length}</small>}</h2>
        <input
          ref={field}
          type="search"
          class="filter"
          aria-label="Filter sessions"
          placeholder="Filter ( / )"
          value={filter}
          onInput={(e) => setFilter(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === 'Escape') setFilter('');
          }}
        />
      </div>
      {shown.length === 0 ? (
        <p class="empty">{sessions === undefined ? 'Loading …' : sessions.length === 0 ? 'Nobody is here.' : 'No session fits.'}</p>
      ) : (
        <Table sessions={shown} rates={rates} several={severalNodes(sessions ?? [], nodes)} allowed={allowed} ask={(action, session) => (action.now === true ? action.run(dashboard, session, '') : ask({ action, session }))} />
      )}
      {allowed.length > 0 && shown.length > 0 && (
        <p class="keys hint">Arrow keys choose a session; {allowed.map((a) => `${a.key.toUpperCase()} ${names[a.key] ?? ''}`).join(', ')}.</p>
      )}
      {asked !== undefined && (
        <Dialog
          key={asked.session.id + asked.action.key}
          title={asked.action.asks(asked.session)}
          does={asked.action.label(asked.session)}
          danger={asked.action.danger === true}
          onDo={(form) => {
            const words = form.get('words');
            asked.action.run(dashboard, asked.session, typeof words === 'string' ? words.trim() : '');
          }}
          onClose={() => ask(undefined)}
        >
          <p class="hint">{asked.session.target}{asked.session.node !== undefined && ` at ${asked.session.node}`}, from {origin(asked.session.from)}, for {lasted(Date.now() - Date.parse(asked.session.since))}</p>
          {asked.action.field !== undefined && (
            <label class="field">
              <span>{asked.action.field.label}</span>
              <input name={asked.action.field.name} maxLength={500} required={asked.action.field.required === true} autocomplete="off" />
            </label>
          )}
        </Dialog>
      )}
    </section>
  );
}

/** isOffered tells whether an action would do anything to a session. */
export function isOffered(action: Action, s: Session): boolean {
  return action.offered?.(s) ?? true;
}

const names: Record<string, string> = { w: 'watches', p: 'pauses', v: 'view only', m: 'message', k: 'ends' };

/** fits reports whether all words of a filter are somewhere in a session. */
export function fits(s: Session, filter: string): boolean {
  const text = [s.user, origin(s.from), s.target, s.node, s.class, s.state, s.id, s.method, rights(s)].join(' ').toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

interface TableProps {
  sessions: Session[];
  rates: ReadonlyMap<string, Rate>;
  /** There is more than one gateway, so that it is said at which a session is. */
  several: boolean;
  allowed: Action[];
  ask: (action: Action, session: Session) => void;
}

function Table({ sessions, rates, several, allowed, ask }: TableProps): JSX.Element {
  const [chosen, choose] = useState('');
  const current = sessions.some((s) => s.id === chosen) ? chosen : sessions[0]?.id;
  const move = (e: KeyboardEvent & { currentTarget: HTMLElement }, s: Session): void => {
    const rows = [...(e.currentTarget.parentElement?.querySelectorAll<HTMLElement>('tr') ?? [])];
    const i = rows.indexOf(e.currentTarget);
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: rows.length - 1 }[e.key];
    const action = allowed.find((a) => a.key === e.key.toLowerCase());
    if (e.ctrlKey || e.metaKey || e.altKey || (to === undefined && action === undefined)) return;
    e.preventDefault();
    if (action !== undefined) {
      if (isOffered(action, s)) ask(action, s);
    } else rows[to ?? 0]?.focus();
  };
  return (
    <table>
      <thead>
        <tr>
          {['Who', 'Display', 'Rights', 'Class', 'Since', 'To viewer', 'From viewer', 'Round trip'].map((h) => <th key={h} scope="col">{h}</th>)}
          {allowed.length > 0 && <th scope="col"><span class="hidden">Actions</span></th>}
        </tr>
      </thead>
      <tbody>
        {sessions.map((s) => (
          <tr key={s.id} data-session={s.id} data-state={s.state} tabIndex={s.id === current ? 0 : -1} onFocus={() => choose(s.id)} onKeyDown={(e) => move(e, s)}>
            <Cells s={s} rate={rates.get(s.id)} several={several} />
            {allowed.length > 0 && (
              <td class="actions">
                {allowed.filter((a) => isOffered(a, s)).map((a) => (
                  <button key={a.key} type="button" class={a.danger === true ? 'end' : ''} onClick={() => ask(a, s)}>{a.label(s)}</button>
                ))}
              </td>
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Cells({ s, rate, several }: { s: Session; rate: Rate | undefined; several: boolean }): JSX.Element {
  const perSecond = (bytes: number | undefined): string => (bytes === undefined ? '…' : `${size(bytes)}/s`);
  return (
    <>
      <td class="who">
        <b>{who(s) || 'not logged in'}</b> {s.state !== 'open' && <span class={`state ${s.state}`}>{s.state}</span>}
        <small>{origin(s.from)}{s.method !== undefined && `, ${s.method}`}</small>
      </td>
      <td data-label="Display">{s.target}{several && s.node !== undefined && <small class="node">at {s.node}</small>}</td>
      <td data-label="Rights" title={s.rights.join(', ')}>{rights(s)}</td>
      <td data-label="Class">{s.class ?? '–'}</td>
      <td data-label="Since" title={new Date(s.since).toLocaleString()}>{lasted(Date.now() - Date.parse(s.since))}</td>
      <td data-label="To viewer" class="number" title={`${size(s.bytes_down)} in all`}>{perSecond(rate?.down)}</td>
      <td data-label="From viewer" class="number" title={`${size(s.bytes_up)} in all`}>{perSecond(rate?.up)}</td>
      <td data-label="Round trip" class="number">{s.rtt_ms === undefined ? '–' : `${s.rtt_ms < 10 ? s.rtt_ms.toFixed(1) : Math.round(s.rtt_ms)} ms`}</td>
    </>
  );
}
