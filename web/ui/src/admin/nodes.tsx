// The gateways that are one together, over a Redis.

import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { useDashboard, useStateOf } from './use.ts';
import { aboutNode, aboutRedis } from './words.ts';

const askEvery = 5000; // milliseconds; that one comes or goes is told by events as well

/** Nodes is the list; none where there is but one gateway. */
export function Nodes(): JSX.Element | null {
  const dashboard = useDashboard();
  const { nodes, events } = useStateOf(dashboard);
  const changed = events.find((e) => e.event.startsWith('NODE_') || e.event.startsWith('REDIS_'))?.id;
  useEffect(() => {
    void dashboard.lookAtNodes();
    const timer = setInterval(() => void dashboard.lookAtNodes(), askEvery);
    return () => clearInterval(timer);
  }, [dashboard, changed]);
  if (nodes === undefined) return null;
  const now = Date.now();
  const away = aboutRedis(nodes, now);
  return (
    <section aria-labelledby="nodes">
      <div class="head">
        <h2 id="nodes">Gateways <small>{nodes.nodes.length}</small></h2>
        <span class={`state ${away === '' ? 'up' : 'down'}`}>{away === '' ? 'Redis connected' : 'Redis away'}</span>
      </div>
      {away !== '' && <p class="fault" role="alert" title={nodes.error}>{away}</p>}
      <ul class="targets nodes">
        {nodes.nodes.map((n) => (
          <li key={`${n.name} ${n.since ?? ''}`} data-node={n.name}>
            <div class="what">
              <b>{n.name}</b> <span class={`state ${n.answers ? 'up' : 'down'}`}>{n.self === true ? 'this one' : n.answers ? 'answers' : 'silent'}</span>
              <small>{aboutNode(n, now)}</small>
              {!n.answers && <small class="why">{n.error ?? 'It does not answer'}. Its sessions cannot be seen or ended from here.</small>}
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
