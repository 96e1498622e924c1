// The page as a whole: what is shown in which phase.

import type { JSX } from 'preact';
import { Notices } from './notices.tsx';
import { OpenPanel } from './panels.tsx';
import { PlayerBar } from './player.tsx';
import { Connecting, Waiting } from './progress.tsx';
import { Asking } from './questions.tsx';
import { Start } from './start.tsx';
import { Toolbar } from './toolbar.tsx';
import { PageContext, useStateOf, type Page } from './use.ts';

export function App({ page }: { page: Page }): JSX.Element {
  const { phase, question, notice } = useStateOf(page.session);
  return (
    <PageContext.Provider value={page}>
      {phase === 'idle' && <Start />}
      {(phase === 'connecting' || phase === 'closing') && question === undefined && <Connecting />}
      {phase === 'waiting' && <Waiting />}
      <Notices />
      <Toolbar />
      <PlayerBar />
      <OpenPanel />
      <Asking />
      <p class={`notice${notice === '' ? '' : ' shown'}`} role="status">
        {notice}
      </p>
    </PageContext.Provider>
  );
}
