// Hooks of the dashboard.

import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Dashboard, State } from './dashboard.ts';

/** openLink has the gateway make a link for one viewer, and opens it in a tab of its own. */
export async function openLink(dashboard: Dashboard, path: string, body: object): Promise<void> {
  const tab = window.open('', '_blank'); // later, browsers would take it for a pop-up
  const made = await dashboard.link(path, body);
  const link = made?.link?.replace('{host}', location.hostname);
  if (tab === null || link === undefined) {
    tab?.close();
    if (made !== undefined) dashboard.say(link === undefined ? 'No listener of this gateway opens such links: one for browsers needs sources: [capabilities]' : 'The browser opens no tab. Let this page open them');
    return;
  }
  tab.opener = null;
  tab.location.href = link;
}

export const DashboardContext = createContext<Dashboard | undefined>(undefined);

/** useDashboard is the one that the part is on. */
export function useDashboard(): Dashboard {
  const dashboard = useContext(DashboardContext);
  if (dashboard === undefined) throw new Error('a part is used outside of the dashboard');
  return dashboard;
}

/** useStateOf returns what the dashboard knows and draws the part again when that changes. */
export function useStateOf(dashboard: Dashboard): State {
  const [state, set] = useState(dashboard.store.get());
  useEffect(() => {
    const follow = (): void => set(dashboard.store.get());
    follow();
    return dashboard.store.watch(follow);
  }, [dashboard]);
  return state;
}
