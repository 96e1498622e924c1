// The state that the page shows.

import type { CredentialType } from './credentials.ts';
import type { Permission } from './clipboard.ts';
import type { Modifier } from './keys.ts';
import type { Name, Values } from './settings.ts';
import type { Wait } from './waiting.ts';
import type { Explanation } from './words.ts';

/** Phase is where the page is in the life of a session; waiting is the time before it connects again by itself. */
export type Phase = 'idle' | 'connecting' | 'connected' | 'closing' | 'waiting';

export type Panel = 'keys' | 'power' | 'clipboard' | 'settings';

/** Question is what the user has to answer before the connection can go on. */
export type Question =
  | { kind: 'credentials'; types: CredentialType[]; username: string }
  | { kind: 'verify'; fingerprint: string };

export interface State {
  values: Values;
  fixed: ReadonlySet<Name>;
  phase: Phase;
  /** How the last connection ended, until the next one stands. */
  explanation: Explanation | undefined;
  question: Question | undefined;
  /** What the gateway says while it waits for the display, in phase connecting. */
  wait: Wait | undefined;
  /** Seconds until the page connects again, in phase waiting. */
  left: number;
  desktop: string;
  encrypted: boolean;
  power: boolean;
  /** The picture is larger than the window and cut off; it can be dragged. */
  clipping: boolean;
  dragging: boolean;
  held: ReadonlySet<Modifier>;
  clipboard: string;
  clipboardPermission: Permission;
  /** The on-screen keyboard is up. */
  typing: boolean;
  fullscreen: boolean;
  panel: Panel | undefined;
  /** The toolbar is open, and not just a handle at the edge. */
  toolbar: boolean;
  /** A short message that goes away by itself. */
  notice: string;
}

/** initial is the state before anything has happened. */
export function initial(values: Values, fixed: ReadonlySet<Name>): State {
  return {
    values,
    fixed,
    phase: 'idle',
    explanation: undefined,
    question: undefined,
    wait: undefined,
    left: 0,
    desktop: '',
    encrypted: false,
    power: false,
    clipping: false,
    dragging: false,
    held: new Set(),
    clipboard: '',
    clipboardPermission: 'unsupported',
    typing: false,
    fullscreen: false,
    panel: undefined,
    toolbar: true,
    notice: '',
  };
}
