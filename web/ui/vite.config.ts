import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { licenses } from './build/licenses.ts';

const root = fileURLToPath(new URL('.', import.meta.url));
const version = (file: string): string =>
  (JSON.parse(readFileSync(root + file, 'utf8')) as { version: string }).version;

export default defineConfig({
  root,
  // Every reference is relative, so that the page works below any prefix of a reverse proxy.
  base: './',
  define: {
    __NOVNC_VERSION__: JSON.stringify(version('node_modules/@novnc/novnc/package.json')),
    __PAGE_VERSION__: JSON.stringify(version('package.json')),
  },
  resolve: {
    alias: {
      // The package exports its RFB class alone. The page also needs noVNC's keyboard, its keysym table and its log
      // level; they are taken from the same unmodified files, so that there is one copy of each in the bundle.
      'novnc-core': root + 'node_modules/@novnc/novnc/core',
    },
  },
  build: {
    target: 'es2022', // noVNC 1.7 awaits at the top level of a module
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0, // no data: scripts or styles, the content security policy forbids them
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: {
        index: root + 'index.html',
        vnc: root + 'vnc.html',
        vnc_lite: root + 'vnc_lite.html',
        admin: root + 'admin.html',
      },
    },
  },
  plugins: [licenses(root)],
  test: {
    include: ['src/**/*.test.ts', 'src/**/*.test.tsx', 'build/**/*.test.ts'],
    environment: 'happy-dom',
  },
});
