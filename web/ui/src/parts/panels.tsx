// The panels that the toolbar opens.

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { functionKey, keys, modifiers, type Modifier } from '../keys.ts';
import type { Panel } from '../state.ts';
import { CloseIcon } from './icons.tsx';
import { Settings } from './settings.tsx';
import { Share } from './share.tsx';
import { useFocusBack, usePage, useStateOf } from './use.ts';

const titles: Record<Panel, string> = {
  keys: 'Keys',
  power: 'Power',
  clipboard: 'Clipboard',
  share: 'Share',
  settings: 'Settings',
};

/** OpenPanel shows the panel that is open, if one is. */
export function OpenPanel(): JSX.Element | null {
  const { session } = usePage();
  const { panel } = useStateOf(session);
  switch (panel) {
    case undefined:
      return null;
    case 'keys':
      return <Frame panel={panel}><Keys /></Frame>;
    case 'power':
      return <Frame panel={panel}><Power /></Frame>;
    case 'clipboard':
      return <Frame panel={panel}><ClipboardText /></Frame>;
    case 'share':
      return <Frame panel={panel}><Share /></Frame>;
    case 'settings':
      return <Frame panel={panel}><Settings /></Frame>;
  }
}

function Frame({ panel, children }: { panel: Panel; children: ComponentChildren }): JSX.Element {
  const { session } = usePage();
  const { values } = useStateOf(session);
  const focusBack = useFocusBack();
  const ref = useRef<HTMLElement>(null);
  useEffect(() => ref.current?.focus(), [panel]);
  const close = (): void => {
    session.store.set({ panel: undefined });
    focusBack();
  };
  return (
    <section
      class={`panel panel-${panel} at-${values.toolbar}`}
      ref={ref}
      tabIndex={-1}
      aria-label={titles[panel]}
      onKeyDown={(e) => {
        if (e.key === 'Escape') close();
      }}
    >
      <header>
        <h2>{titles[panel]}</h2>
        <button type="button" class="bare" aria-label={`Close ${titles[panel].toLowerCase()}`} title="Close" onClick={close}>
          <CloseIcon />
        </button>
      </header>
      <div class="panel-body">{children}</div>
    </section>
  );
}

const modifierWords: Record<Modifier, { short: string; long: string }> = {
  Control: { short: 'Ctrl', long: 'Hold Ctrl' },
  Alt: { short: 'Alt', long: 'Hold Alt' },
  Super: { short: 'Super', long: 'Hold Super (Windows key)' },
};

function Keys(): JSX.Element {
  const { session } = usePage();
  const { held } = useStateOf(session);
  const focusBack = useFocusBack();
  const then = (f: () => void) => () => {
    f();
    focusBack(); // so that the next key on the keyboard joins the one that is held
  };
  return (
    <>
      <div class="keys" role="group" aria-label="Keys to hold">
        {modifiers.map((m) => (
          <button
            key={m}
            type="button"
            class="key"
            aria-pressed={held.has(m)}
            aria-label={modifierWords[m].long}
            title={modifierWords[m].long}
            onClick={then(() => session.toggleKey(m))}
          >
            {modifierWords[m].short}
          </button>
        ))}
      </div>
      <div class="keys" role="group" aria-label="Keys to press">
        <button type="button" class="key half" aria-label="Press Tab" onClick={then(() => session.press(keys.Tab))}>Tab</button>
        <button type="button" class="key half" aria-label="Press Escape" onClick={then(() => session.press(keys.Escape))}>Esc</button>
        <button type="button" class="key wide" aria-label="Press Ctrl-Alt-Del" onClick={then(() => session.sendCtrlAltDel())}>
          Ctrl-Alt-Del
        </button>
      </div>
      <details>
        <summary>Function keys</summary>
        <div class="keys functions" role="group" aria-label="Function keys">
          {Array.from({ length: 12 }, (_, i) => i + 1).map((n) => (
            <button key={n} type="button" class="key" aria-label={`Press F${n}`} onClick={then(() => session.press(functionKey(n)))}>
              F{n}
            </button>
          ))}
        </div>
      </details>
    </>
  );
}

const powerActions = [
  { name: 'Shut down', ask: 'Shut the machine down?', hint: 'Asks the system to shut down', act: 'machineShutdown' },
  { name: 'Reboot', ask: 'Reboot the machine?', hint: 'Asks the system to start again', act: 'machineReboot' },
  { name: 'Reset', ask: 'Reset the machine at once?', hint: 'Like the reset button: unsaved work is lost', act: 'machineReset' },
] as const;

function Power(): JSX.Element {
  const { session } = usePage();
  const [asked, ask] = useState<(typeof powerActions)[number] | undefined>();
  if (asked !== undefined) {
    return (
      <div class="confirm" role="alertdialog" aria-label={asked.ask}>
        <p>{asked.ask}</p>
        <div class="buttons">
          <button
            type="button"
            class="danger"
            onClick={() => {
              session.rfb?.[asked.act]();
              session.store.set({ panel: undefined });
              session.notify(`${asked.name}: asked for`);
            }}
          >
            {asked.name}
          </button>
          <button type="button" onClick={() => ask(undefined)}>Cancel</button>
        </div>
      </div>
    );
  }
  return (
    <div class="stack">
      {powerActions.map((a) => (
        <button key={a.act} type="button" class="line" onClick={() => ask(a)}>
          <span>{a.name}</span>
          <small class="hint">{a.hint}</small>
        </button>
      ))}
    </div>
  );
}

const clipboardHints = {
  unsupported: 'This browser does not let the page use the clipboard by itself. Paste here to send; copy from here what you copied there.',
  prompt: 'What you copy there arrives in your clipboard. To send yours without pasting it here, allow the page to read it.',
  granted: 'Both clipboards are kept the same. You can also edit the text here.',
  denied: 'The browser forbids the page to read the clipboard. Paste here to send.',
};

function ClipboardText(): JSX.Element {
  const { session } = usePage();
  const { clipboard, clipboardPermission, values } = useStateOf(session);
  const hint = values.auto_clipboard ? clipboardHints[clipboardPermission] : 'Paste here to send; copy from here what you copied there.';
  return (
    <div class="stack">
      <label class="field">
        <span>Text in the display’s clipboard</span>
        <textarea
          name="clipboard"
          rows={6}
          value={clipboard}
          spellcheck={false}
          onChange={(e) => session.clipboard.send(e.currentTarget.value)}
        />
      </label>
      <small class="hint">{hint}</small>
      <div class="buttons">
        {values.auto_clipboard && clipboardPermission === 'prompt' && (
          <button type="button" onClick={() => void session.allowClipboard()}>Allow</button>
        )}
        <button type="button" onClick={() => session.clipboard.send('')}>Clear</button>
      </div>
    </div>
  );
}
