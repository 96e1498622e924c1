// The dashboard as a whole: log-in, or what there is.

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Logo } from '../parts/icons.tsx';
import { Agents } from './agents.tsx';
import type { Dashboard, State } from './dashboard.ts';
import { Events } from './events.tsx';
import { Nodes } from './nodes.tsx';
import { Recordings } from './recordings.tsx';
import { Sessions } from './sessions.tsx';
import { Targets } from './targets.tsx';
import { DashboardContext, useDashboard, useStateOf } from './use.ts';

/** App is the page. */
export function App({ dashboard }: { dashboard: Dashboard }): JSX.Element {
  const state = useStateOf(dashboard);
  return (
    <DashboardContext.Provider value={dashboard}>
      {state.phase === 'login' && <Login fault={state.fault} />}
      {state.phase === 'asking' && <p class="waiting" role="status">Asking the gateway …</p>}
      {state.phase === 'open' && <House state={state} />}
    </DashboardContext.Provider>
  );
}

function Login({ fault }: { fault: string }): JSX.Element {
  const dashboard = useDashboard();
  const [token, set] = useState('');
  return (
    <main class="login">
      <form
        class="card"
        onSubmit={(e) => {
          e.preventDefault();
          void dashboard.begin(token);
        }}
      >
        <div class="brand">
          <Logo />
          <h1>vncgate</h1>
        </div>
        <p class="lead">Sessions, displays and events of this gateway.</p>
        {fault !== '' && <p class="fault" role="alert">{fault}</p>}
        <label class="field">
          <span>Token</span>
          <input type="password" autocomplete="off" autofocus required value={token} onInput={(e) => set(e.currentTarget.value)} />
          <span class="hint">One of admin: tokens in the configuration. This tab forgets it when it is closed.</span>
        </label>
        <button type="submit" class="primary">Log in</button>
      </form>
    </main>
  );
}

const links: Record<State['link'], string> = { live: 'Live', polling: 'Asking every 2 s', lost: 'No connection' };

function House({ state }: { state: State }): JSX.Element {
  const dashboard = useDashboard();
  const { me, stats, link, fault, notice } = state;
  return (
    <div class="house">
      <header>
        <Logo />
        <h1>vncgate</h1>
        <span class={`link ${link}`} role="status">{links[link]}</span>
        <span class="me">
          {me?.name} <small>{me?.role}</small>
        </span>
        <button type="button" onClick={() => dashboard.leave()}>Log out</button>
      </header>
      {link === 'lost' && <p class="banner bad" role="alert">{fault}. What you see is how it was; the page goes on trying.</p>}
      {stats?.draining === true && <Draining until={stats.drain_ends} />}
      <main>
        <Sessions />
        <Targets />
        <Agents />
        <Nodes />
        <Recordings />
        <Events events={state.events} />
      </main>
      <footer>
        {stats?.version} · {stats?.handshakes ?? 0} at the door · {stats?.waiting ?? 0} waiting ·{' '}
        {(stats?.older_processes ?? 0) > 0 && `${stats?.older_sessions ?? 0} in older processes, from before an upgrade · `}
        <a href="./api/v1/openapi.json" onClick={(e) => { e.preventDefault(); void navigator.clipboard.writeText(e.currentTarget.href); dashboard.say('The address of the API’s description is in your clipboard'); }}>API</a>
      </footer>
      <p class="notice" role="status" hidden={notice === ''}>{notice}</p>
    </div>
  );
}

function Draining({ until }: { until: string | undefined }): JSX.Element {
  const dashboard = useDashboard();
  return (
    <p class="banner" role="alert">
      The gateway is draining: nobody is let in any more
      {until !== undefined && `, and who is left is ended at ${new Date(until).toLocaleTimeString()}`}.
      {dashboard.may('undrain') && (
        <button type="button" onClick={() => void dashboard.act('commands/undrain', {}, 'Viewers are let in again')}>Let viewers in</button>
      )}
    </p>
  );
}
