// A scripted display behind a web server that stands in for the gateway: it serves the built page under the gateway's
// security policy, and at /ws a display that does what a test tells it to.

import { generateKeyPairSync, createDecipheriv } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { WebSocketServer, type WebSocket } from 'ws';
import { bytes, counted, picture, read, serverInit, u32 } from './wire.ts';

const dist = fileURLToPath(new URL('../dist', import.meta.url));

/** policy is the gateway's Content-Security-Policy. */
export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data: blob:; media-src 'self' data:; " +
  "manifest-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.txt': 'text/plain',
};

/** Script is what the display does; a test changes it before the page connects. */
export interface Script {
  /** RFB security type: None, VncAuth, RA2ne. */
  security: 1 | 2 | 6;
  /** Play a repeater first, which wants to know the display's ID. */
  repeater: boolean;
  /** The password of VncAuth. */
  password: string;
  /** Refuse after security with this reason. */
  refuse: string | undefined;
  /** Close the WebSocket at once with this code and reason. */
  close: { code: number; reason: string } | undefined;
  /** What a token is exchanged for; undefined: tokens are not taken. */
  pass: string | undefined;
  /** What a page that wishes for something of its session is answered. */
  granted: unknown;
  /** Say these words while the display is not up, and go on when they are cleared. */
  waiting: string | undefined;
  /** Refuse the upgrade with this HTTP status and words. */
  status: { code: number; words: string } | undefined;
  width: number;
  height: number;
  colour: number;
  name: string;
  files: Record<string, unknown>;
}

const standard: Script = {
  security: 1,
  repeater: false,
  password: 'secret',
  refuse: undefined,
  close: undefined,
  status: undefined,
  pass: undefined,
  granted: undefined,
  waiting: undefined,
  width: 320,
  height: 240,
  colour: 0x2f6fed,
  name: 'scripted',
  files: {},
};

/** Display serves one test file; reset it before each test. */
export class Display {
  script: Script = { ...standard };
  /** What viewers have sent since the last reset, in words. */
  log: string[] = [];
  viewers: WebSocket[] = [];
  paths: string[] = [];
  /** The tokens that pages have brought. */
  tokens: string[] = [];
  /** What pages have wished for. */
  wishes: unknown[] = [];
  private readonly sockets = new WebSocketServer({ noServer: true });

  private constructor(
    private readonly server: Server,
    /** prefix is the folder that the page is served below, as behind a reverse proxy. */
    private readonly prefix: string,
  ) {
    server.on('request', (req, res) => this.serve(req, res));
    server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => this.upgrade(req, socket, head));
  }

  static async start(prefix = ''): Promise<Display> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Display(server, prefix);
  }

  reset(script: Partial<Script> = {}): void {
    this.script = { ...standard, ...script };
    for (const v of this.viewers) v.terminate();
    this.viewers = [];
    this.log = [];
    this.paths = [];
    this.tokens = [];
    this.wishes = [];
  }

  stop(): void {
    this.reset();
    this.server.closeAllConnections();
    this.server.close();
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** url is the address of a page, which connects to /ws. */
  url(page = 'vnc.html', parameters = 'path=ws'): string {
    return `http://127.0.0.1:${this.port}${this.prefix}/${page}?${parameters}`;
  }

  /** send gives every viewer the same bytes. */
  send(message: Buffer): void {
    for (const v of this.viewers) v.send(message);
  }

  /** tell gives every viewer the same notice. */
  tell(notice: Record<string, unknown>): void {
    for (const v of this.viewers) v.send(JSON.stringify(notice));
  }

  /** end closes all sessions with a code and a reason. */
  end(code: number, reason: string): void {
    for (const v of this.viewers) v.close(code, reason);
  }

  /** waitFor returns the first logged message that matches, once there is one. */
  async waitFor(pattern: RegExp, patience = 60_000): Promise<string> {
    const end = Date.now() + patience;
    for (;;) {
      const found = this.log.find((m) => pattern.test(m));
      if (found !== undefined) return found;
      if (Date.now() > end) throw new Error(`no message like ${String(pattern)} in: ${this.log.join(' | ')}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  private serve(req: IncomingMessage, res: ServerResponse): void {
    const path = normalize(new URL(req.url ?? '/', 'http://x').pathname);
    const local = path.startsWith(this.prefix) ? path.slice(this.prefix.length) : '/none';
    if (local === '/ws' || local === '/') {
      if (req.method === 'POST') {
        void this.exchange(req, res);
        return;
      }
      if (this.script.waiting !== undefined) {
        res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ waiting: this.script.waiting, seconds: 3 }));
        return;
      }
      const { code, words } = this.script.status ?? { code: 426, words: 'upgrade required' };
      res.writeHead(code, { 'Content-Type': 'application/json' }).end(JSON.stringify({ error: words }));
      return;
    }
    const given = this.script.files[local];
    const file = join(dist, local);
    if (given === undefined && !existsSync(file)) {
      res.writeHead(404).end();
      return;
    }
    res.writeHead(200, {
      'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      'Content-Security-Policy': policy,
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-cache',
    });
    res.end(given === undefined ? readFileSync(file) : JSON.stringify(given));
  }

  private async exchange(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let body = '';
    for await (const part of req) body += String(part);
    const { status, pass, granted } = this.script;
    const given = JSON.parse(body) as { token?: string; key?: string };
    if (given.key !== undefined) {
      this.wishes.push(given);
      res.writeHead(status?.code ?? 200, { 'Content-Type': 'application/json' });
      res.end(JSON.stringify(status === undefined ? granted : { error: status.words }));
      return;
    }
    this.tokens.push(given.token ?? '');
    res.writeHead(status?.code ?? (pass === undefined ? 405 : 200), { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(status === undefined ? { pass } : { error: status.words }));
  }

  private upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { status } = this.script;
    this.paths.push(req.url ?? '');
    if (status !== undefined) {
      socket.end(`HTTP/1.1 ${status.code} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    this.sockets.handleUpgrade(req, socket, head, (viewer) => {
      this.viewers.push(viewer);
      viewer.on('error', () => viewer.terminate());
      if (this.script.close !== undefined) viewer.close(this.script.close.code, this.script.close.reason);
      else void this.talk(viewer);
    });
  }

  private async talk(viewer: WebSocket): Promise<void> {
    const { script } = this;
    const input = new Input(viewer);
    try {
      if (script.repeater) {
        viewer.send(bytes('RFB 000.000\n'));
        this.log.push(`repeater ${(await input.take(250)).toString('latin1').replace(/\0+$/, '')}`);
      }
      viewer.send(bytes('RFB 003.008\n'));
      await input.take(12);
      viewer.send(bytes(1, script.security));
      await input.take(1);
      while (this.script.waiting !== undefined) await new Promise((resolve) => setTimeout(resolve, 50));
      if (!(await this.secure(viewer, input))) return;
      this.log.push(`shared ${(await input.take(1)).readUInt8(0)}`);
      viewer.send(serverInit(script.width, script.height, script.name));
      await this.follow(viewer, input);
    } catch (e) {
      if (viewer.readyState === viewer.OPEN) viewer.close(1011, e instanceof Error ? e.message.slice(0, 100) : 'fault');
    }
  }

  private async secure(viewer: WebSocket, input: Input): Promise<boolean> {
    const { script } = this;
    let reason = script.refuse;
    if (script.security === 2) {
      const challenge = Buffer.alloc(16, 7);
      viewer.send(challenge);
      if (!solved(challenge, await input.take(16), script.password)) reason ??= 'Authentication failure';
    }
    if (script.security === 6) {
      viewer.send(publicKey());
      const length = (await input.take(4)).readUInt32BE(0);
      this.log.push(`approved ${length}`);
      return false; // the rest of RA2ne is noVNC's own affair
    }
    if (reason === undefined) {
      viewer.send(u32(0));
      return true;
    }
    viewer.send(bytes(u32(1), counted(reason)));
    viewer.close(1000);
    return false;
  }

  private async follow(viewer: WebSocket, input: Input): Promise<void> {
    let { width, height } = this.script;
    for (;;) {
      const words = await input.message();
      this.log.push(words);
      const size = /^size (\d+)x(\d+)$/.exec(words);
      if (size !== null) {
        [width, height] = [Number(size[1]), Number(size[2])];
        viewer.send(picture(width, height, this.script.colour, true));
      }
      if (words === 'request all') viewer.send(picture(width, height, this.script.colour, false));
    }
  }
}

/** Input is what a viewer has sent and nobody has read yet. */
class Input {
  private buffer = Buffer.alloc(0);
  private wake: () => void = () => undefined;
  private closed = false;

  constructor(viewer: WebSocket) {
    viewer.on('message', (data: Buffer) => {
      this.buffer = Buffer.concat([this.buffer, data]);
      this.wake();
    });
    viewer.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  private async more(): Promise<void> {
    if (this.closed) throw new Error('the viewer has gone');
    await new Promise<void>((resolve) => (this.wake = resolve));
  }

  async take(n: number): Promise<Buffer> {
    while (this.buffer.length < n) await this.more();
    const taken = this.buffer.subarray(0, n);
    this.buffer = this.buffer.subarray(n);
    return taken;
  }

  async message(): Promise<string> {
    for (;;) {
      const m = read(this.buffer);
      if (m !== undefined) {
        await this.take(m.length);
        return m.words;
      }
      await this.more();
    }
  }
}

// VNC Authentication encrypts the challenge with DES under the password, each byte's bits reversed (RFC 6143, 7.2.2).
// OpenSSL has no plain DES any more, but triple DES with one key three times is the same.
function solved(challenge: Buffer, response: Buffer, password: string): boolean {
  const key = Buffer.alloc(8);
  key.write(password.slice(0, 8), 'latin1');
  for (let i = 0; i < 8; i++) key[i] = parseInt((key[i] ?? 0).toString(2).padStart(8, '0').split('').reverse().join(''), 2);
  const des = createDecipheriv('des-ede3-ecb', Buffer.concat([key, key, key]), null).setAutoPadding(false);
  return Buffer.concat([des.update(response), des.final()]).equals(challenge);
}

// The display's part of RA2ne's first step: the length of the key in bits, modulus and exponent.
function publicKey(): Buffer {
  const { publicKey: key } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n = '', e = '' } = key.export({ format: 'jwk' });
  const exponent = Buffer.from(e, 'base64url');
  return bytes(u32(2048), Buffer.from(n, 'base64url'), Buffer.alloc(256 - exponent.length), exponent);
}

