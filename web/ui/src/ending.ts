// How a connection ended: everything that is known about it, for words.ts to put into words.

import type { Refusal } from './refusal.ts';

/** Close codes of the gateway (RFC 6455, 7.4.1, and what the gateway means by them). */
export const closeCode = {
  displayClosed: 1000,
  goingAway: 1001, // the gateway drains or restarts
  protocolError: 1002,
  noStatus: 1005, // never sent: a Close without a code
  abnormal: 1006, // never sent: the connection broke without a Close
  policy: 1008,
  tooBig: 1009,
  displayUnreachable: 1011,
  restart: 1012,
  tryLater: 1013,
} as const;

/** Ending describes one connection after its end. */
export interface Ending {
  url: URL | undefined;
  /** The user asked for it. */
  wanted: boolean;
  /** The WebSocket had been opened. */
  opened: boolean;
  /** The RFB handshake was complete and the picture was on the screen. */
  connected: boolean;
  /** The close code, or 0 where no Close has been seen. */
  code: number;
  /** The reason sent with the close code. */
  reason: string;
  /** The display, or the gateway in its place, refused in the security handshake. */
  security: { status: number; reason: string } | undefined;
  /** A user name or password had been sent. */
  credentialsSent: boolean;
  /** Why the WebSocket was not opened. */
  refusal: Refusal | undefined;
  /** The connection could not even be tried: what the browser said. */
  error: string | undefined;
}

/** blank is the start of every Ending. */
export const blank: Ending = {
  url: undefined,
  wanted: false,
  opened: false,
  connected: false,
  code: 0,
  reason: '',
  security: undefined,
  credentialsSent: false,
  refusal: undefined,
  error: undefined,
};
