// Hooks that tie the parts to the session.

import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import type { Session } from '../session.ts';
import type { State } from '../state.ts';
import type { TouchKeyboard } from '../touchkeyboard.ts';

/** Page is what every part can reach. */
export interface Page {
  session: Session;
  touchKeyboard: TouchKeyboard;
  /** The device can be typed on by touch. */
  touch: boolean;
}

export const PageContext = createContext<Page | undefined>(undefined);

/** usePage returns the page that the part is on. */
export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error('a part is used outside of the page');
  return page;
}

/** useStateOf returns the session's state and draws the part again when it changes. */
export function useStateOf(session: Session): State {
  const [state, set] = useState(session.store.get());
  useEffect(() => {
    const follow = (): void => set(session.store.get());
    follow(); // what has changed between the first drawing and now
    return session.store.watch(follow);
  }, [session]);
  return state;
}

/** useFocus gives the focus to the button it is put on, when that appears. */
export function useFocus(): { current: HTMLButtonElement | null } {
  const ref = useRef<HTMLButtonElement>(null);
  useEffect(() => ref.current?.focus(), []);
  return ref;
}

/** useFocusBack returns a function that gives the focus back to the display, or to the on-screen keyboard if that is up. */
export function useFocusBack(): () => void {
  const { session, touchKeyboard } = usePage();
  return () => {
    if (session.store.get().typing) touchKeyboard.show();
    else session.rfb?.focus({ preventScroll: true });
  };
}
