// The state that the page shows.

import type { CredentialType } from './credentials.ts';
import type { Permission } from './clipboard.ts';
import type { Modifier } from './keys.ts';
import type { Standing, Warning } from './notices.ts';
import type { Name, Values } from './settings.ts';
import type { Link } from './sharing.ts';
import type { Wait } from './waiting.ts';
import type { Explanation } from './words.ts';

/** Phase is where the page is in the life of a session; waiting is the time before it connects again by itself. */
export type Phase = 'idle' | 'connecting' | 'connected' | 'closing' | 'waiting';

export type Panel = 'keys' | 'power' | 'clipboard' | 'share' | 'settings';

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
  /** What the gateway lets this viewer do; undefined where it does not say. */
  standing: Standing | undefined;
  /** What the gateway says is about to happen. */
  warning: Warning | undefined;
  /** A wish for more time: 'asking', or why it was not granted. */
  renewal: string;
  /** What people have to say, until the user has read it or the session ends; the newest first. */
  messages: readonly string[];
  /** What the gateway says while it lets nothing pass; empty while the session goes on. */
  paused: string;
  /** The links to this display that this page has made. */
  links: readonly Link[];
  /** Why a link could not be made or taken back. */
  shareFault: string;
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
    standing: undefined,
    warning: undefined,
    renewal: '',
    messages: [],
    paused: '',
    links: [],
    shareFault: '',
    notice: '',
  };
}
