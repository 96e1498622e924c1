// The session: it connects as the settings say, follows the connection to its end, and connects again.
//
//	idle -> connecting -> connected -> closing -> idle
//	             |            |
//	             +------------+-> idle, with an explanation
//	                          +-> waiting -> connecting       (reconnect)

import type RFB from '@novnc/novnc';
import type { Credentials } from '@novnc/novnc';
import { Awake } from './awake.ts';
import { Bell } from './bell.ts';
import { Clipboard, permission } from './clipboard.ts';
import { Connection, type Listener } from './connection.ts';
import { Countdown } from './countdown.ts';
import type { CredentialType } from './credentials.ts';
import { blank, type Ending } from './ending.ts';
import type { Entrance } from './entrance.ts';
import { ctrlAltDel, Held, send, type Key, type Modifier, chord } from './keys.ts';
import { allows, watches, type Notice } from './notices.ts';
import type { Name, Values } from './settings.ts';
import { title } from './start.ts';
import type { State } from './state.ts';
import { save, type Kept } from './storage.ts';
import type { Store } from './store.ts';
import { Terms } from './terms.ts';
import { socketURL } from './url.ts';
import { apply, needsClip } from './view.ts';
import { Inquiry } from './waiting.ts';
import { explain } from './words.ts';

const noticeTime = 3000; // milliseconds

/** Session is the one session of a page, over as many connections as it takes. */
export class Session implements Listener {
  readonly clipboard: Clipboard;
  readonly terms: Terms;
  private connection: Connection | undefined;
  private attempt = 0; // counts, so that one which was given up is known
  private credentials: Credentials = {}; // what worked or is being tried, for connecting again
  private username = ''; // typed last, for asking again
  private stood = false; // a connection has stood since the user last asked for one
  private refused = false; // the credentials in the settings were refused: ask instead
  private readonly held = new Held();
  private readonly bell = new Bell();
  private readonly awake = new Awake();
  private readonly countdown: Countdown;
  private readonly inquiry = new Inquiry((wait) => this.store.set({ wait }));
  /** forcedClip: the device has no usable scroll bars, see needsClip. */
  readonly forcedClip = needsClip();
  private noticeTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly store: Store<State>,
    private readonly kept: Kept | undefined,
    /** screen is the element that the picture goes into. */
    private readonly screen: HTMLElement,
    private readonly entrance: Entrance,
  ) {
    this.countdown = new Countdown(
      (left) => this.store.set({ left }),
      () => this.open(),
    );
    this.clipboard = new Clipboard(
      navigator.clipboard,
      () => this.rfb,
      () => this.mayCarryClipboard(),
      (clipboard) => this.store.set({ clipboard }),
    );
    this.terms = new Terms(store, {
      socket: () => this.connection?.url,
      notify: (words) => this.notify(words),
      restrict: () => this.restrict(),
    });
    void this.askPermission();
  }

  /** rfb is noVNC's object of the current connection. */
  get rfb(): RFB | undefined {
    return this.connection?.rfb;
  }

  private get values(): Values {
    return this.store.get().values;
  }

  private get phase(): State['phase'] {
    return this.store.get().phase;
  }

  /** connect starts a session at the user's wish. */
  connect(): void {
    if (this.phase !== 'idle') return;
    this.stood = false;
    this.open();
  }

  /** again connects once more after an end: the wait is over, or the user does not want to wait. */
  again(): void {
    if (this.phase === 'waiting') this.countdown.now();
    else if (this.phase === 'idle') this.open();
  }

  /** online is told when this device's network goes and comes back. */
  online(on: boolean): void {
    if (on) this.countdown.now();
    else if (this.phase === 'connected') this.notify('This device is offline: the picture stands still');
  }

  /** giveUp stops waiting. */
  giveUp(): void {
    this.countdown.stop();
    this.store.set({ phase: 'idle', toolbar: true });
  }

  /** disconnect ends the session, or the attempt to make one. */
  disconnect(): void {
    if (this.phase === 'waiting') {
      this.giveUp();
      return;
    }
    if (this.connection === undefined) {
      this.attempt++;
      this.onend({ ...blank, wanted: true });
      return;
    }
    this.releaseKeys();
    this.connection.close();
    this.store.set({ phase: 'closing', question: undefined, panel: undefined });
  }

  private open(): void {
    this.countdown.stop();
    const page = new URL(location.href);
    try {
      const url = socketURL(this.values, page);
      this.store.set({ phase: 'connecting', panel: undefined, question: undefined, encrypted: url.protocol === 'wss:' });
      void this.enter(url, page);
    } catch (e) {
      this.fail(e);
    }
  }

  private async enter(url: URL, page: URL): Promise<void> {
    const attempt = ++this.attempt;
    const entered = await this.entrance.enter(url, page);
    if (attempt !== this.attempt) return; // given up meanwhile
    if (entered instanceof URL) this.dial(entered, page);
    else this.onend({ ...blank, url, refusal: entered });
  }

  private dial(url: URL, page: URL): void {
    const { password, shared, repeaterID, notices } = this.values;
    if (password !== '' && !this.refused && this.credentials.password === undefined) this.credentials = { password };
    try {
      this.connection = new Connection(this.screen, { url, page, credentials: this.credentials, shared, repeaterID, notices }, this);
    } catch (e) {
      this.fail(e, url);
      return;
    }
    this.inquiry.start(url, page);
    this.follow(this.connection.rfb);
    this.awake.want(this.values.keep_device_awake);
  }

  private fail(e: unknown, url?: URL): void {
    this.onend({ ...blank, url, error: e instanceof Error ? e.message : String(e) });
  }

  private follow(rfb: RFB): void {
    this.apply(rfb);
    this.clipboard.reset();
    rfb.addEventListener('desktopname', (e) => {
      this.store.set({ desktop: e.detail.name });
      document.title = `${e.detail.name} - ${title}`;
    });
    rfb.addEventListener('capabilities', (e) => this.store.set({ power: e.detail.capabilities.power }));
    rfb.addEventListener('clippingviewport', () => this.followClipping());
    rfb.addEventListener('clipboard', (e) => void this.clipboard.received(e.detail.text));
    rfb.addEventListener('bell', () => {
      if (this.values.bell) void this.bell.ring();
    });
  }

  // Listener

  onconnect(): void {
    this.inquiry.stop();
    this.stood = true;
    this.refused = false;
    this.store.set({ phase: 'connected', explanation: undefined, question: undefined, panel: undefined });
    this.followClipping();
    const { desktop, encrypted } = this.store.get();
    this.notify(`Connected${encrypted ? ' (encrypted)' : ''}${desktop === '' ? '' : ` to ${desktop}`}`);
    this.rfb?.focus();
    void this.focused();
  }

  oncredentials(types: CredentialType[]): void {
    this.inquiry.stop();
    this.store.set({ question: { kind: 'credentials', types, username: this.username } });
  }

  onverify(fingerprint: string): void {
    this.inquiry.stop();
    this.store.set({ question: { kind: 'verify', fingerprint } });
  }

  onnotice(notice: Notice): void {
    this.terms.take(notice);
  }

  onend(ending: Ending): void {
    const explanation = explain(ending, location.protocol === 'https:');
    this.connection = undefined;
    this.inquiry.stop();
    if (explanation.ask) {
      this.credentials = {};
      this.refused = true;
    }
    this.terms.end();
    this.awake.want(false);
    document.title = title;
    this.store.set({
      explanation,
      notice: '',
      question: undefined,
      panel: undefined,
      power: false,
      clipping: false,
      dragging: false,
      held: this.held.forget(),
    });
    // As in noVNC, only a session that once stood is connected again by itself.
    if (this.values.reconnect && this.stood && explanation.again) {
      this.store.set({ phase: 'waiting' });
      this.countdown.start(this.values.reconnect_delay);
    } else {
      this.store.set({ phase: 'idle', toolbar: true });
    }
  }

  // Answers to questions

  /** answer sends the user's credentials. */
  answer(credentials: Credentials): void {
    this.credentials = credentials;
    this.username = credentials.username ?? this.username;
    this.store.set({ question: undefined });
    this.connection?.answer(credentials);
    this.inquire();
  }

  /** approve accepts the display's key. */
  approve(): void {
    this.store.set({ question: undefined });
    this.rfb?.approveServer();
    this.inquire();
  }

  private inquire(): void {
    if (this.connection !== undefined) this.inquiry.start(this.connection.url, new URL(location.href));
  }

  // Settings

  /** change sets one setting, keeps it for the next visit, and applies it to the running session. */
  change<N extends Name>(name: N, value: Values[N]): void {
    const { values, fixed } = this.store.get();
    if (fixed.has(name)) return;
    this.store.set({ values: { ...values, [name]: value } });
    save(this.kept, name, value);
    if (name === 'password') this.credentials = {};
    if (this.rfb === undefined) return;
    if (name === 'view_only') this.releaseKeys(); // before viewOnly stops the releases
    this.apply(this.rfb);
    this.followClipping();
    if (name === 'keep_device_awake') this.awake.want(this.values.keep_device_awake);
  }

  private apply(rfb: RFB): void {
    apply(rfb, this.values, this.forcedClip);
    const { standing } = this.store.get();
    if (watches(standing)) rfb.viewOnly = true; // nothing of it would pass
    if (standing?.playback === true) {
      rfb.clipViewport = false; // a recording has no size of its own to be asked for
      rfb.resizeSession = false;
      rfb.scaleViewport = true;
    }
  }

  // The gateway has let go of what was held down, if it takes no more of it.
  private restrict(): void {
    if (this.rfb === undefined) return;
    if (!allows(this.store.get().standing, 'keyboard')) this.releaseKeys();
    this.apply(this.rfb);
  }

  /** toggleDrag switches between working on the display and moving the cut off picture. */
  toggleDrag(): void {
    if (this.rfb === undefined) return;
    this.rfb.dragViewport = !this.rfb.dragViewport;
    this.followClipping();
  }

  private followClipping(): void {
    const { rfb } = this;
    if (rfb === undefined) return;
    const clipping = rfb.clipViewport && rfb.clippingViewport;
    if (!clipping) rfb.dragViewport = false; // nothing to drag any more: the pointer is the display's again
    this.store.set({ clipping, dragging: rfb.dragViewport });
  }

  // Keys

  /** toggleKey holds a modifier down at the display, or lets go of it. */
  toggleKey(m: Modifier): void {
    if (this.rfb === undefined) return;
    this.store.set({ held: this.held.toggle(this.rfb, m) });
  }

  /** press sends one key. */
  press(key: Key): void {
    if (this.rfb !== undefined) send(this.rfb, chord(key));
  }

  /** sendCtrlAltDel sends what the browser's own system would catch. */
  sendCtrlAltDel(): void {
    if (this.rfb !== undefined) send(this.rfb, ctrlAltDel);
  }

  private releaseKeys(): void {
    if (this.rfb !== undefined) this.store.set({ held: this.held.release(this.rfb) });
  }

  // Clipboard

  private mayCarryClipboard(): boolean {
    return this.phase === 'connected' && this.values.auto_clipboard && !this.values.view_only && !watches(this.store.get().standing);
  }

  private async askPermission(): Promise<void> {
    this.store.set({ clipboardPermission: await permission() });
  }

  /** focused is called when the page gets the focus: the user may have copied something elsewhere. */
  async focused(): Promise<void> {
    await this.askPermission();
    if (this.store.get().clipboardPermission === 'granted') await this.clipboard.focused();
  }

  /** allowClipboard lets the browser ask the user for leave to read the clipboard. */
  async allowClipboard(): Promise<void> {
    await this.clipboard.focused();
    await this.askPermission();
  }

  /** notify shows a short message. */
  notify(notice: string): void {
    clearTimeout(this.noticeTimer);
    this.store.set({ notice });
    this.noticeTimer = setTimeout(() => this.store.set({ notice: '' }), noticeTime);
  }
}
