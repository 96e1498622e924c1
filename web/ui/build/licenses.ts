// The note that travels with the built page: what third-party code is in it, under which licence, and where its source is.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';

interface Manifest {
  name: string;
  version: string;
  license: string;
  repository?: { url?: string } | string;
}

/** bundled names every package whose code ends up in the page, with the files that hold its licence text. */
const bundled: { name: string; texts: string[] }[] = [
  { name: '@novnc/novnc', texts: ['LICENSE.txt', 'vendor/pako/LICENSE', 'docs/LICENSE.MPL-2.0'] },
  { name: 'preact', texts: ['LICENSE'] },
];

function source(m: Manifest): string {
  const url = typeof m.repository === 'string' ? m.repository : (m.repository?.url ?? '');
  return url.replace(/^git\+/, '').replace(/\.git$/, '');
}

/** note writes the licence note for the packages found under root/node_modules. */
export function note(root: string): string {
  const parts = [
    'This page contains the following third-party packages.\n' +
      'They are used unmodified, as published; their source is available at the addresses below.\n',
  ];
  for (const { name, texts } of bundled) {
    const dir = join(root, 'node_modules', name);
    const m = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) as Manifest;
    parts.push(`== ${m.name} ${m.version} (${m.license}) ${source(m)}\n`);
    for (const text of texts) {
      const file = join(dir, text);
      if (existsSync(file)) parts.push(`-- ${m.name}/${text}\n\n${readFileSync(file, 'utf8').trim()}\n`);
    }
  }
  return parts.join('\n');
}

/** licenses emits licenses.txt beside the page. */
export function licenses(root: string): Plugin {
  return {
    name: 'licenses',
    apply: 'build',
    generateBundle() {
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: note(root) });
    },
  };
}
