// The minimal page, vnc_lite.html: it connects at once and shows the picture below one line of text. It is meant for
// frames and for links with everything in them; host, port, encrypt, path, password, view_only and scale are understood.

import { Connection, type Listener } from './connection.ts';
import { watchForCrashes } from './crash.ts';
import { entered, labels, order, type CredentialType } from './credentials.ts';
import { blank, type Ending } from './ending.ts';
import { ctrlAltDel, send } from './keys.ts';
import type { Entrance } from './entrance.ts';
import { restriction, watches, type Notice } from './notices.ts';
import type { Values } from './settings.ts';
import { gather, title } from './start.ts';
import './styles/lite.css';
import { socketURL } from './url.ts';
import { elapsed, Inquiry } from './waiting.ts';
import { explain } from './words.ts';

function make<K extends keyof HTMLElementTagNameMap>(tag: K, text = '', name = ''): HTMLElementTagNameMap[K] {
  const e = document.createElement(tag);
  e.textContent = text;
  if (name !== '') e.className = name;
  return e;
}

/** Lite is the page: a status line, a few buttons, and the screen. */
class Lite implements Listener {
  private readonly status = make('span', 'Connecting…', 'status');
  private readonly keys = make('button', 'Send Ctrl-Alt-Del');
  private readonly reload = make('button', 'Connect again');
  private readonly form = make('form', '', 'ask');
  private readonly screen = make('div');
  private connection: Connection | undefined;
  private desktop = '';
  private limit = ''; // what the gateway does not let this viewer do
  private readonly inquiry = new Inquiry((wait) => {
    this.say(wait === undefined ? 'Connecting…' : `${wait.words} (${elapsed(Date.now() - wait.since)})`);
  });

  constructor(
    root: HTMLElement,
    private readonly values: Values,
    private readonly entrance: Entrance,
  ) {
    const bar = make('header');
    this.screen.id = 'screen';
    this.status.setAttribute('role', 'status');
    this.keys.type = 'button';
    this.keys.hidden = true;
    this.keys.addEventListener('click', () => this.sendCtrlAltDel());
    this.reload.type = 'button';
    this.reload.hidden = true;
    this.reload.addEventListener('click', () => void this.connect());
    this.form.hidden = true;
    bar.append(this.status, this.form, this.keys, this.reload);
    root.append(bar, this.screen);
  }

  async connect(): Promise<void> {
    const page = new URL(location.href);
    let url: URL | undefined;
    this.reload.hidden = true;
    this.say('Connecting…');
    try {
      url = socketURL(this.values, page);
      const entered = await this.entrance.enter(url, page);
      if (entered instanceof URL) this.dial(entered, page);
      else this.onend({ ...blank, url, refusal: entered });
    } catch (e) {
      this.onend({ ...blank, url, error: e instanceof Error ? e.message : String(e) });
    }
  }

  private dial(url: URL, page: URL): void {
    const { password, repeaterID, shared, notices } = this.values;
    const credentials = password === '' ? {} : { password };
    this.connection = new Connection(this.screen, { url, page, credentials, shared, repeaterID, notices }, this);
    this.inquiry.start(url, page);
    const { rfb } = this.connection;
    rfb.viewOnly = this.values.view_only;
    rfb.scaleViewport = this.values.scale || this.values.resize === 'scale';
    rfb.resizeSession = !rfb.scaleViewport && this.values.resize === 'remote';
    rfb.addEventListener('desktopname', (e) => {
      this.desktop = e.detail.name;
      document.title = `${this.desktop} - ${title}`;
    });
  }

  private say(text: string): void {
    this.status.textContent = text;
    this.status.title = text;
  }

  private sendCtrlAltDel(): void {
    if (this.connection === undefined) return;
    send(this.connection.rfb, ctrlAltDel);
    this.connection.rfb.focus();
  }

  onconnect(): void {
    this.inquiry.stop();
    this.form.hidden = true;
    this.keys.hidden = this.connection?.rfb.viewOnly !== false;
    this.say(this.standing);
    this.connection?.rfb.focus();
  }

  oncredentials(types: CredentialType[]): void {
    this.inquiry.stop();
    this.say('Log in:');
    const asked = order.filter((t) => types.includes(t));
    const inputs = asked.map((type) => this.input(type));
    const submit = make('button', 'Log in');
    this.form.replaceChildren(...inputs, submit);
    this.form.hidden = false;
    this.form.onsubmit = (e) => {
      e.preventDefault();
      const credentials = entered(this.form, asked);
      this.form.hidden = true;
      this.say('Connecting…');
      this.connection?.answer(credentials);
      this.inquire();
    };
    inputs[0]?.focus();
  }

  private input(type: CredentialType): HTMLInputElement {
    const input = make('input');
    input.name = type;
    input.type = type === 'password' ? 'password' : 'text';
    input.placeholder = labels[type];
    input.setAttribute('aria-label', labels[type]);
    input.autocomplete = type === 'password' ? 'current-password' : type === 'username' ? 'username' : 'off';
    return input;
  }

  onverify(fingerprint: string): void {
    this.inquiry.stop();
    this.say(`The display’s key is ${fingerprint}`);
    const accept = make('button', 'Accept');
    this.form.replaceChildren(accept);
    this.form.hidden = false;
    this.form.onsubmit = (e) => {
      e.preventDefault();
      this.form.hidden = true;
      this.connection?.rfb.approveServer();
      this.inquire();
    };
  }

  private inquire(): void {
    if (this.connection !== undefined) this.inquiry.start(this.connection.url, new URL(location.href));
  }

  // There is room for the last words only.
  onnotice(notice: Notice): void {
    if (notice.kind !== 'rights') {
      this.say(notice.words === '' ? this.standing : notice.words);
      return;
    }
    const limit = restriction(notice);
    const view = this.values.view_only || watches(notice);
    if (this.connection !== undefined) this.connection.rfb.viewOnly = view;
    this.keys.hidden = view || !notice.rights.has('keyboard');
    this.limit = limit === '' ? '' : ` (${limit.toLowerCase()})`;
    this.say(this.standing);
  }

  private get standing(): string {
    return (this.desktop === '' ? 'Connected' : `Connected to ${this.desktop}`) + this.limit;
  }

  onend(ending: Ending): void {
    const { title: what, text, said, ask } = explain(ending, location.protocol === 'https:');
    this.connection = undefined;
    this.limit = '';
    this.inquiry.stop();
    this.form.hidden = true;
    this.keys.hidden = true;
    this.reload.hidden = false;
    if (ask) this.values.password = ''; // ask the next time
    document.title = title;
    this.say([`${what}.`, text, said].filter((s) => s !== '').join(' '));
  }
}

watchForCrashes();
const root = document.getElementById('app');
if (root === null) throw new Error('the page has no place for the app');
const { values, entrance } = await gather();
await new Lite(root, values, entrance).connect();
