// Hooks of the dashboard.

import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Dashboard, State } from './dashboard.ts';

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
