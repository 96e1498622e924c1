// The dashboard: admin.html, served at the admin listener.

import { render } from 'preact';
import { watchForCrashes } from '../crash.ts';
import { App } from './app.tsx';
import { Dashboard } from './dashboard.ts';
import './admin.css';

/** takeToken takes the token out of a link, where it must not stay. */
function takeToken(): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token === null) return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  return token;
}

watchForCrashes();
const root = document.getElementById('app');
if (root === null) throw new Error('the page has no place for the app');
const dashboard = new Dashboard(sessionStorage);
render(<App dashboard={dashboard} />, root);
await dashboard.begin(takeToken());
