// What the owner of the site says about settings: defaults.json and mandatory.json beside the page.

import type { Given } from './settings.ts';

export interface Site {
  defaults: Given;
  mandatory: Given;
}

async function read(name: string, page: URL, fetcher: typeof fetch): Promise<Given> {
  try {
    const response = await fetcher(new URL(name, page), { cache: 'no-cache' });
    if (!response.ok) return {};
    const given: unknown = await response.json();
    return typeof given === 'object' && given !== null ? (given as Given) : {};
  } catch {
    return {}; // absent or unreadable: the page must work without
  }
}

/** loadSite fetches both files; each is empty where there is none. */
export async function loadSite(page: URL, fetcher: typeof fetch = fetch): Promise<Site> {
  const [defaults, mandatory] = await Promise.all([
    read('./defaults.json', page, fetcher),
    read('./mandatory.json', page, fetcher),
  ]);
  return { defaults, mandatory };
}
