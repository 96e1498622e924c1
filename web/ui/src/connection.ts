// One connection to a display. The page opens the WebSocket itself and hands it to noVNC, because noVNC does not pass on
// the close code and the reason, which say why a session ended.

import RFB, { type Credentials } from '@novnc/novnc';
import type { CredentialType } from './credentials.ts';
import { blank, type Ending } from './ending.ts';
import { readNotice, withNotices, type Notice } from './notices.ts';
import { ask } from './refusal.ts';
import { sameOrigin } from './url.ts';
import { fingerprint } from './verify.ts';

/** Request is what a connection is opened with. */
export interface Request {
  url: URL;
  page: URL;
  credentials: Credentials;
  shared: boolean;
  repeaterID: string;
  /** Ask the gateway for notices. */
  notices: boolean;
}

/** Listener is told what happens; onend comes exactly once, and last. */
export interface Listener {
  onconnect(): void;
  oncredentials(types: CredentialType[]): void;
  onverify(fingerprint: string): void;
  onnotice(notice: Notice): void;
  onend(ending: Ending): void;
}

// noVNC gives up at once when a handshake fails; the gateway's Close frame, which may say more, is right behind.
const closeFrameWait = 1000;

/** Connection owns one WebSocket and the RFB object on it. */
export class Connection {
  readonly rfb: RFB;
  private readonly ending: Ending;
  private readonly closed: Promise<void>;

  /** It throws what the browser throws for an address that it will not connect to. */
  constructor(
    screen: HTMLElement,
    private readonly request: Request,
    private readonly listener: Listener,
  ) {
    this.ending = { ...blank, url: request.url, credentialsSent: !empty(request.credentials) };
    const notices = request.notices && sameOrigin(request.url, request.page);
    const socket = new WebSocket(notices ? withNotices(request.url) : request.url);
    if (notices) this.takeNotices(socket);
    socket.addEventListener('open', () => {
      this.ending.opened = true;
    });
    this.closed = new Promise((resolve) => {
      // Registered before noVNC's own handler, so that the code is known when noVNC reports the end.
      socket.addEventListener('close', (e) => {
        this.ending.code = e.code;
        this.ending.reason = e.reason;
        resolve();
      });
    });
    try {
      this.rfb = new RFB(screen, socket, {
        shared: request.shared,
        repeaterID: request.repeaterID,
        credentials: { ...request.credentials },
      });
    } catch (e) {
      socket.close(); // a canvas that cannot be drawn on must not leave a connection behind
      throw e;
    }
    this.listen();
  }

  // Before noVNC's own handler, to which a text message would be the display's bytes.
  private takeNotices(socket: WebSocket): void {
    socket.addEventListener('message', (e: MessageEvent<unknown>) => {
      if (typeof e.data !== 'string') return;
      e.stopImmediatePropagation();
      const notice = readNotice(e.data);
      if (notice !== undefined) this.listener.onnotice(notice);
    });
  }

  private listen(): void {
    const { rfb, ending, listener } = this;
    rfb.addEventListener('connect', () => {
      ending.connected = true;
      listener.onconnect();
    });
    rfb.addEventListener('credentialsrequired', (e) => listener.oncredentials(e.detail.types));
    rfb.addEventListener('serververification', (e) => void this.verify(e.detail.publickey));
    rfb.addEventListener('securityfailure', (e) => {
      ending.security = { status: e.detail.status, reason: e.detail.reason ?? '' };
    });
    rfb.addEventListener('disconnect', () => void this.finish());
  }

  private async verify(publickey: Uint8Array<ArrayBuffer> | undefined): Promise<void> {
    if (publickey !== undefined) this.listener.onverify(await fingerprint(publickey));
  }

  private async finish(): Promise<void> {
    const { ending } = this;
    if (!ending.wanted) {
      if (ending.code === 0) await Promise.race([this.closed, pause(closeFrameWait)]);
      if (!ending.opened) ending.refusal = await ask(this.request.url, this.request.page);
    }
    this.listener.onend(ending);
  }

  /** url is the address of the WebSocket. */
  get url(): URL {
    return this.request.url;
  }

  /** answer sends the credentials that oncredentials asked for. */
  answer(credentials: Credentials): void {
    this.ending.credentialsSent = true;
    this.rfb.sendCredentials({ ...credentials });
  }

  /** close ends the connection; onend follows. */
  close(): void {
    this.ending.wanted = true;
    this.rfb.disconnect();
  }
}

function empty(c: Credentials): boolean {
  return [c.username, c.password, c.target].every((v) => v === undefined || v === '');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
