import { expect, it } from 'vitest';
import { loadSite } from './site.ts';

const page = new URL('https://gate.example/desk/vnc.html');

function serving(files: Record<string, () => Response>): typeof fetch {
  return (input) => Promise.resolve((input as URL).pathname).then((path) => files[path]?.() ?? new Response('', { status: 404 }));
}

it('reads both files from beside the page', async () => {
  const fetcher = serving({
    '/desk/defaults.json': () => Response.json({ resize: 'scale' }),
    '/desk/mandatory.json': () => Response.json({ view_only: true }),
  });
  expect(await loadSite(page, fetcher)).toEqual({ defaults: { resize: 'scale' }, mandatory: { view_only: true } });
});

it('does without them', async () => {
  expect(await loadSite(page, serving({}))).toEqual({ defaults: {}, mandatory: {} });
  expect(await loadSite(page, () => Promise.reject(new TypeError('network')))).toEqual({ defaults: {}, mandatory: {} });
});

it('does without files that are no objects', async () => {
  const fetcher = serving({
    '/desk/defaults.json': () => new Response('{'),
    '/desk/mandatory.json': () => Response.json(null),
  });
  expect(await loadSite(page, fetcher)).toEqual({ defaults: {}, mandatory: {} });
});
