// The toolbar at an edge of the window, and the handle that hides it, brings it back, and drags it to another edge.

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { canFullscreen, toggleFullscreen } from '../fullscreen.ts';
import { allows, restriction, watches } from '../notices.ts';
import type { Panel } from '../state.ts';
import { along, nearestSide } from './edges.ts';
import * as icons from './icons.tsx';
import { useFocusBack, usePage, useStateOf } from './use.ts';

// After connecting the toolbar makes room for the picture, unless it is in use.
const hideAfter = 2500; // milliseconds

interface ToolProps {
  label: string;
  onClick: () => void;
  pressed?: boolean;
  expanded?: boolean;
  disabled?: boolean;
  children: ComponentChildren;
}

function Tool({ label, onClick, pressed, expanded, disabled, children }: ToolProps): JSX.Element {
  return (
    <button
      type="button"
      class="tool"
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      aria-expanded={expanded}
      disabled={disabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

function PanelTool({ panel, label, children }: { panel: Panel; label: string; children: ComponentChildren }): JSX.Element {
  const { session } = usePage();
  const open = useStateOf(session).panel === panel;
  const focusBack = useFocusBack();
  const toggle = (): void => {
    session.store.set({ panel: open ? undefined : panel });
    if (open) focusBack();
  };
  return <Tool label={label} expanded={open} onClick={toggle}>{children}</Tool>;
}

/** Toolbar is there while a session is. */
export function Toolbar(): JSX.Element | null {
  const { session } = usePage();
  const { phase, toolbar, values } = useStateOf(session);
  const used = useHiding();
  if (phase !== 'connected') return null;
  return (
    <>
      <Edges />
      <nav
        class={`toolbar at-${values.toolbar}${toolbar ? '' : ' away'}`}
        aria-label="Session"
        onPointerEnter={used}
        onFocusIn={used}
        onKeyDown={used}
      >
        <div class="tools" inert={!toolbar}>
          <Tools />
        </div>
        <Handle />
      </nav>
    </>
  );
}

/** Edges show where the toolbar can be dragged to. */
function Edges(): JSX.Element {
  const { session } = usePage();
  const { toolbar } = useStateOf(session).values;
  const others = (['left', 'right', 'top', 'bottom'] as const).filter((side) => side !== toolbar);
  return (
    <>
      {others.map((side) => (
        <span key={side} class={`edge at-${side}`} aria-hidden="true" />
      ))}
    </>
  );
}

/** useHiding hides the toolbar a while after connecting, and returns what to call when it is in use. */
function useHiding(): () => void {
  const { session } = usePage();
  const { phase } = useStateOf(session);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    if (phase !== 'connected') return undefined;
    session.store.set({ toolbar: true });
    timer.current = setTimeout(() => {
      if (session.store.get().panel === undefined) session.store.set({ toolbar: false });
    }, hideAfter);
    return () => clearTimeout(timer.current);
  }, [phase, session]);
  return () => clearTimeout(timer.current);
}

function Tools(): JSX.Element {
  const { session, touchKeyboard, touch } = usePage();
  const { clipping, dragging, power, typing, fullscreen, held, values, standing } = useStateOf(session);
  const input = !values.view_only && !watches(standing);
  const badge = values.view_only ? 'View only' : restriction(standing);
  const may = (...rights: string[]): boolean => input && rights.some((right) => allows(standing, right));
  return (
    <>
      {badge !== '' && (
        <span class="badge" title={badge} role="img" aria-label={badge}>
          <icons.EyeIcon />
        </span>
      )}
      {(clipping || dragging) && (
        <Tool label="Move the picture" pressed={dragging} onClick={() => session.toggleDrag()}><icons.MoveIcon /></Tool>
      )}
      {touch && may('keyboard') && (
        <Tool label="On-screen keyboard" pressed={typing} onClick={() => (typing ? touchKeyboard.hide() : touchKeyboard.show())}>
          <icons.KeyboardIcon />
        </Tool>
      )}
      {may('keyboard') && (
        <PanelTool panel="keys" label={held.size > 0 ? 'Extra keys (some are held)' : 'Extra keys'}>
          <icons.KeysIcon />
          {held.size > 0 && <span class="dot" />}
        </PanelTool>
      )}
      {may('clipboard-in', 'clipboard-out') && <PanelTool panel="clipboard" label="Clipboard"><icons.ClipboardIcon /></PanelTool>}
      {may('power') && power && <PanelTool panel="power" label="Power"><icons.PowerIcon /></PanelTool>}
      {canFullscreen() && (
        <Tool label={fullscreen ? 'Leave fullscreen' : 'Fullscreen'} pressed={fullscreen} onClick={() => void toggleFullscreen()}>
          {fullscreen ? <icons.WindowIcon /> : <icons.FullscreenIcon />}
        </Tool>
      )}
      {standing !== undefined && standing.shareable.size > 0 && <PanelTool panel="share" label="Share"><icons.ShareIcon /></PanelTool>}
      <PanelTool panel="settings" label="Settings"><icons.SettingsIcon /></PanelTool>
      <Tool label="Disconnect" onClick={() => session.disconnect()}><icons.DisconnectIcon /></Tool>
    </>
  );
}

const dragThreshold = 8; // pixels; less is a click

function Handle(): JSX.Element {
  const { session } = usePage();
  const { toolbar, values } = useStateOf(session);
  const focusBack = useFocusBack();
  const start = useRef<{ x: number; y: number } | undefined>(undefined);
  const dragged = useRef(false);
  const ref = useRef<HTMLButtonElement>(null);

  const move = (e: PointerEvent): void => {
    if (start.current === undefined) return;
    if (Math.hypot(e.clientX - start.current.x, e.clientY - start.current.y) > dragThreshold) dragged.current = true;
    if (!dragged.current) return;
    document.documentElement.dataset['moving'] = '';
    const window = { width: innerWidth, height: innerHeight };
    const side = nearestSide(e.clientX, e.clientY, window);
    if (side !== undefined && side !== values.toolbar) session.change('toolbar', side);
    // Through the CSSOM: the page's policy allows no style attributes.
    ref.current?.style.setProperty('--along', `${along(side ?? values.toolbar, e.clientX, e.clientY, window)}px`);
  };
  const stop = (): void => {
    start.current = undefined;
    delete document.documentElement.dataset['moving'];
  };
  const toggle = (): void => {
    if (dragged.current) return; // the click that ends a drag
    session.store.set({ toolbar: !toolbar, panel: undefined });
    if (toolbar) focusBack();
  };
  return (
    <button
      ref={ref}
      type="button"
      class="handle"
      aria-label={toolbar ? 'Hide toolbar' : 'Show toolbar'}
      aria-expanded={toolbar}
      title={toolbar ? 'Hide toolbar (drag to move it)' : 'Show toolbar (drag to move it)'}
      onPointerDown={(e) => {
        start.current = { x: e.clientX, y: e.clientY };
        dragged.current = false;
        e.currentTarget.setPointerCapture(e.pointerId);
      }}
      onPointerMove={move}
      onPointerUp={stop}
      onPointerCancel={stop}
      onClick={toggle}
    >
      <icons.HandleIcon />
    </button>
  );
}
