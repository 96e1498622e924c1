// The recordings there are, and a way to watch each.

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { clock } from '../player.ts';
import type { Recording } from './api.ts';
import { openLink, useDashboard, useStateOf } from './use.ts';
import { origin, size } from './words.ts';

const states: Record<Recording['state'], string> = { whole: 'complete', open: 'not ended', locked: 'encrypted', broken: 'broken' };
const askEvery = 15_000; // milliseconds; what is new is told by events as well
const shownFirst = 20;

/** Recordings is the list; none where the gateway plays none, or the reader may not. */
export function Recordings(): JSX.Element | null {
  const dashboard = useDashboard();
  const { recordings, sessions } = useStateOf(dashboard);
  const [all, showAll] = useState(false);
  const count = sessions?.length;
  useEffect(() => {
    void dashboard.lookAtRecordings();
    const timer = setInterval(() => void dashboard.lookAtRecordings(), askEvery);
    return () => clearInterval(timer);
  }, [dashboard, count]);
  if (recordings === undefined) return null;
  const shown = all ? recordings : recordings.slice(0, shownFirst);
  return (
    <section aria-labelledby="recordings">
      <div class="head">
        <h2 id="recordings">Recordings <small>{recordings.length}</small></h2>
      </div>
      {recordings.length === 0 && <p class="empty">Nothing has been recorded yet.</p>}
      <ul class="targets recordings">
        {shown.map((r) => (
          <li key={r.name} data-recording={r.name}>
            <div class="what">
              <b>{r.user ?? 'not logged in'}</b> at <b>{r.target ?? r.name}</b> <span class={`state ${r.state === 'whole' ? 'up' : r.state === 'broken' ? 'down' : ''}`}>{states[r.state]}</span>
              {r.signed === true && <span class="state" title="Signed as it was written; vncgate recording verify checks that">signed</span>}
              <small>
                {r.since !== undefined && `${new Date(r.since).toLocaleString()} · `}{clock(r.seconds)} · {size(r.bytes)}
                {r.width !== undefined && ` · ${r.width} × ${r.height ?? 0}`}{r.from !== undefined && ` · from ${origin(r.from)}`}
              </small>
            </div>
            <div class="actions">
              {dashboard.may('recording-link') && r.state !== 'broken' && r.state !== 'locked' && (
                <button type="button" aria-label={`Play the recording of ${r.user ?? r.name}`} onClick={() => void openLink(dashboard, 'commands/recording-link', { name: r.name })}>Play</button>
              )}
            </div>
          </li>
        ))}
      </ul>
      {shown.length < recordings.length && <button type="button" onClick={() => showAll(true)}>Show all {recordings.length}</button>}
    </section>
  );
}
