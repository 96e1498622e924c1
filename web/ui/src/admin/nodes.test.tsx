import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, describe, expect, it } from 'vitest';
import type { Nodes as List, Session } from './api.ts';
import { Dashboard } from './dashboard.ts';
import { Events } from './events.tsx';
import { Nodes } from './nodes.tsx';
import { Sessions } from './sessions.tsx';
import { DashboardContext } from './use.ts';

const kept = { getItem: (): null => null, setItem: (): void => undefined, removeItem: (): void => undefined };
const nodes: List = {
  nodes: [
    { name: 'a', self: true, sessions: 1, agents: 0, answers: true },
    { name: 'b', sessions: 1, agents: 2, answers: true },
    { name: 'c', sessions: 0, agents: 0, answers: false, error: 'no route to host' },
  ],
  redis: 'up',
};
const session: Session = {
  id: 'S1', state: 'open', user: 'alice', from: '192.0.2.1:4000', target: 'desk', node: 'b', since: '2026-01-01T00:00:00Z',
  rights: ['view'], bytes_up: 0, bytes_down: 0,
};

let root: HTMLElement;

/** shown is the part of the page, of a dashboard that knows all of it already. */
async function shown(known: Parameters<Dashboard['store']['set']>[0]): Promise<HTMLElement> {
  const dashboard = new Dashboard(kept);
  dashboard.store.set(known);
  root = document.createElement('div');
  await act(() => {
    render(
      <DashboardContext.Provider value={dashboard}>
        <Sessions />
        <Nodes />
        <Events events={dashboard.store.get().events} />
      </DashboardContext.Provider>,
      root,
    );
  });
  return root;
}

afterEach(() => act(() => render(null, root)));

describe('Nodes', () => {
  it('shows each gateway, and names the silent one', async () => {
    const root = await shown({ nodes, sessions: [session] });
    expect([...root.querySelectorAll('[data-node] .state')].map((e) => e.textContent)).toEqual(['this one', 'answers', 'silent']);
    expect(root.querySelector('[data-node=c]')?.textContent).toContain('no route to host');
    expect(root.textContent).toContain('Redis connected');
    expect(root.querySelector('[data-session=S1] .node')?.textContent).toBe('at b');
  });

  it('says that Redis is away', async () => {
    const root = await shown({ nodes: { ...nodes, redis: 'away', alone: 'closed' } });
    expect(root.querySelector('[role=alert]')?.textContent).toContain('nobody new comes in');
  });

  it('says nothing of gateways where there is but one', async () => {
    const root = await shown({ sessions: [session] });
    expect(root.querySelector('#nodes')).toBeNull();
    expect(root.querySelector('.node')).toBeNull();
  });
});
