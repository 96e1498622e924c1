// The agents there are: programs beside displays, which dial out to the gateway.

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Agent } from './api.ts';
import { Dialog } from './dialog.tsx';
import { useDashboard, useStateOf } from './use.ts';
import { lasted, origin, size } from './words.ts';

const states: Record<Agent['state'], string> = { connected: 'connected', away: 'away', revoked: 'revoked' };
const askEvery = 5000; // milliseconds; that one comes or goes is told by events as well

/** Agents is the list; none where none can come in, or the reader may not see it. */
export function Agents(): JSX.Element | null {
  const dashboard = useDashboard();
  const { agents, sessions } = useStateOf(dashboard);
  const [asked, ask] = useState('');
  const count = sessions?.length;
  useEffect(() => {
    void dashboard.lookAtAgents();
    const timer = setInterval(() => void dashboard.lookAtAgents(), askEvery);
    return () => clearInterval(timer);
  }, [dashboard, count]);
  if (agents === undefined || agents.length === 0) return null;
  return (
    <section aria-labelledby="agents">
      <div class="head">
        <h2 id="agents">Agents <small>{agents.length}</small></h2>
      </div>
      <ul class="targets agents">
        {agents.map((a) => (
          <li key={a.name} data-agent={a.name}>
            <div class="what">
              <b>{a.name}</b> <span class={`state ${a.state === 'connected' ? 'up' : 'down'}`}>{states[a.state]}</span>
              {a.sessions > 0 && <span class="state">{a.sessions === 1 ? '1 session' : `${a.sessions} sessions`}</span>}
              <small>{facts(a)}</small>
            </div>
            <div class="actions">
              {a.state === 'connected' && dashboard.may('agent-kick') && (
                <button type="button" aria-label={`Kick the agent ${a.name}`} onClick={() => void kick(a.name)}>Kick</button>
              )}
              {a.state !== 'revoked' && dashboard.may('agent-revoke') && (
                <button type="button" aria-label={`Revoke the agent ${a.name}`} onClick={() => ask(a.name)}>Revoke</button>
              )}
            </div>
          </li>
        ))}
      </ul>
      {asked !== '' && (
        <Dialog title={`Revoke the agent ${asked}?`} does="Revoke" danger onDo={() => void revoke(asked)} onClose={() => ask('')}>
          <p class="hint">Its certificates are good no more, and its sessions end. It has to be enrolled anew to come in again.</p>
        </Dialog>
      )}
    </section>
  );

  async function kick(name: string): Promise<void> {
    await dashboard.act(`agents/${encodeURIComponent(name)}/kick`, {}, `The connections of ${name} were cut; it may come again`);
    void dashboard.lookAtAgents();
  }

  async function revoke(name: string): Promise<void> {
    await dashboard.act(`agents/${encodeURIComponent(name)}/revoke`, {}, `The certificates of ${name} are good no more`);
    void dashboard.lookAtAgents();
  }
}

/** facts are what there is to know of an agent, in a line. */
function facts(a: Agent): string {
  const since = a.since ?? a.seen;
  return [
    a.services.join(', '),
    a.node === undefined ? '' : `at ${a.node}`,
    since === undefined ? '' : a.state === 'connected' ? `for ${lasted(Date.now() - Date.parse(since))}` : `seen ${new Date(since).toLocaleString()}`,
    a.from === undefined ? '' : `from ${origin(a.from)}`,
    a.rtt_ms === undefined ? '' : `${a.rtt_ms.toFixed(1)} ms`,
    a.bytes.in + a.bytes.out > 0 ? `${size(a.bytes.in)} from displays` : '',
    a.version ?? '',
  ]
    .filter((part) => part !== '')
    .join(' · ');
}
