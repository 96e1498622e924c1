// What both pages do first: gather the settings.

import { initLogging } from 'novnc-core/util/logging.js';
import { claimed, isEmpty, tidied, type Claim } from './claim.ts';
import { Entrance } from './entrance.ts';
import { parameters, resolve, type Resolved } from './settings.ts';
import { loadSite } from './site.ts';
import { available, load } from './storage.ts';

/** title is the page's name in the browser's tab. */
export const title = 'vncgate';

/** Gathered is what a page starts with. */
export interface Gathered extends Resolved {
  entrance: Entrance;
}

function tidy(claim: Claim): void {
  const url = tidied(new URL(location.href), claim).href;
  if (url !== location.href) history.replaceState(history.state, '', url);
}

// A link that differs in its fragment alone does not load the page again.
function followLinks(): void {
  window.addEventListener('hashchange', () => {
    if (!isEmpty(claimed(parameters(location.hash), {}))) location.reload();
  });
}

/**
 * gather resolves the settings from everywhere that they come from, takes the token out of the address bar, and sets
 * noVNC's log level.
 */
export async function gather(): Promise<Gathered> {
  const [fragment, query] = [parameters(location.hash), parameters(location.search)];
  const claim = claimed(fragment, query);
  tidy(claim);
  followLinks();
  const site = await loadSite(new URL(location.href));
  const resolved = resolve(
    {
      mandatory: site.mandatory,
      fragment,
      query: isEmpty(claim) ? query : { autoconnect: '1', ...query }, // it names a display: what else would one want
      stored: load(available()),
      defaults: site.defaults,
    },
    location.protocol === 'https:',
  );
  initLogging(resolved.values.logging);
  return { ...resolved, entrance: new Entrance(claim, tidy) };
}
