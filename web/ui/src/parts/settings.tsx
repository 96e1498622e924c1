// The settings panel.

import type { JSX } from 'preact';
import { isTouchDevice } from 'novnc-core/util/browser.js';
import { longestDelay } from '../settings.ts';
import { Choice, Count, Slider, Switch } from './fields.tsx';
import { usePage, useStateOf } from './use.ts';

/** Settings shows every setting but those of the address, which the connect form has. */
export function Settings(): JSX.Element {
  const { session } = usePage();
  const { values, phase } = useStateOf(session);
  const busy = phase !== 'idle';
  return (
    <div class="settings">
      <fieldset>
        <legend>Picture</legend>
        <Choice
          name="resize"
          label="When sizes differ"
          options={{ off: 'Leave as it is', scale: 'Scale the picture', remote: 'Resize the display' }}
        />
        <Switch
          name="view_clip"
          label="Cut off to fit the window"
          hint={session.forcedClip ? 'This device has no scroll bars, so it is always on' : 'Drag the picture instead of scroll bars'}
          disabled={values.resize === 'scale' || session.forcedClip}
        />
        <Slider name="quality" label="Quality" low="Faster" high="Sharper" />
        <Slider name="compression" label="Compression" low="Less work" high="Less traffic" />
        <Switch name="show_dot" label="Show a dot when there is no pointer" />
      </fieldset>
      <fieldset>
        <legend>Session</legend>
        <Switch name="view_only" label="View only" hint="Watch without sending keys, pointer or clipboard" />
        <Switch name="shared" label="Share with other viewers" hint="Off: the display may send the others away" disabled={busy} />
        <Switch name="auto_clipboard" label="Keep both clipboards the same" hint="Where the browser allows it" />
        <Switch name="reconnect" label="Reconnect when the connection is lost" />
        <Count name="reconnect_delay" label="Seconds before reconnecting" max={longestDelay} scale={1000} step={0.5} />
      </fieldset>
      <fieldset>
        <legend>This device</legend>
        <Switch name="bell" label="Bell sound" />
        <Switch name="keep_device_awake" label="Keep the screen on" hint="While a session is open" />
        <Choice
          name="toolbar"
          label="Toolbar at the"
          options={{ left: 'Left', right: 'Right', top: 'Top', bottom: 'Bottom' }}
        />
        <Choice
          name="logging"
          label="Log to the browser’s console"
          options={{ error: 'Errors', warn: 'Warnings', info: 'Information', debug: 'Everything' }}
        />
      </fieldset>
      <p class="about">
        vncgate page {__PAGE_VERSION__} on noVNC {__NOVNC_VERSION__}
        {isTouchDevice ? ' · touch' : ''} ·{' '}
        <a href="./licenses.txt" target="_blank" rel="noreferrer">
          licences
        </a>
      </p>
    </div>
  );
}
