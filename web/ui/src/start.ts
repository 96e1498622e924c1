// What both pages do first: gather the settings.

import { initLogging } from 'novnc-core/util/logging.js';
import { parameters, resolve, type Resolved } from './settings.ts';
import { loadSite } from './site.ts';
import { available, load } from './storage.ts';

/** title is the page's name in the browser's tab. */
export const title = 'vncgate';

/** gather resolves the settings from everywhere that they come from, and sets noVNC's log level. */
export async function gather(): Promise<Resolved> {
  const site = await loadSite(new URL(location.href));
  const resolved = resolve(
    {
      mandatory: site.mandatory,
      fragment: parameters(location.hash),
      query: parameters(location.search),
      stored: load(available()),
      defaults: site.defaults,
    },
    location.protocol === 'https:',
  );
  initLogging(resolved.values.logging);
  return resolved;
}
