// Where to connect to.

import type { JSX } from 'preact';
import type { Values } from '../settings.ts';
import { shown, socketURL } from '../url.ts';
import { Count, Switch, Text } from './fields.tsx';
import { usePage, useStateOf } from './use.ts';

function destination(values: Values): string {
  try {
    return shown(socketURL(values, new URL(location.href)));
  } catch {
    return 'an address that is not valid';
  }
}

/** Where shows the address that the page connects to, and below it the settings that make it up. */
export function Where(): JSX.Element {
  const { session } = usePage();
  const { values } = useStateOf(session);
  const here = values.host === '';
  return (
    <details class="where">
      <summary>
        Connection details <small>{destination(values)}</small>
      </summary>
      <fieldset>
        <Text name="path" label="Path" hint="Relative to this page, or a whole ws:// or wss:// address" />
        <Text name="host" label="Host" placeholder="this site" />
        <Count name="port" label="Port" max={65535} zero="default" disabled={here} />
        <Switch name="encrypt" label="Encrypt" hint={here ? 'As this page, unless there is a host' : ''} disabled={here} />
        <Text name="repeaterID" label="Repeater ID" placeholder="none" />
      </fieldset>
    </details>
  );
}
