// What the page uses of noVNC 1.7 (docs/API.md of the package). The package brings no types.

declare module '@novnc/novnc' {
  export interface Credentials {
    username?: string;
    password?: string;
    target?: string;
  }

  export interface Options {
    shared?: boolean;
    credentials?: Credentials;
    repeaterID?: string;
    wsProtocols?: string[];
  }

  export interface Events {
    bell: CustomEvent<undefined>;
    capabilities: CustomEvent<{ capabilities: { power: boolean } }>;
    clipboard: CustomEvent<{ text: string }>;
    clippingviewport: CustomEvent<boolean>;
    connect: CustomEvent<object>;
    credentialsrequired: CustomEvent<{ types: ('username' | 'password' | 'target')[] }>;
    desktopname: CustomEvent<{ name: string }>;
    disconnect: CustomEvent<{ clean: boolean }>;
    securityfailure: CustomEvent<{ status: number; reason?: string }>;
    serververification: CustomEvent<{ type: string; publickey?: Uint8Array<ArrayBuffer> }>;
  }

  export default class RFB {
    constructor(target: HTMLElement, urlOrChannel: string | WebSocket, options?: Options);

    background: string;
    readonly capabilities: { power: boolean };
    readonly clippingViewport: boolean;
    clipViewport: boolean;
    compressionLevel: number;
    dragViewport: boolean;
    focusOnClick: boolean;
    qualityLevel: number;
    resizeSession: boolean;
    scaleViewport: boolean;
    showDotCursor: boolean;
    viewOnly: boolean;

    addEventListener<K extends keyof Events>(type: K, listener: (e: Events[K]) => void): void;
    removeEventListener<K extends keyof Events>(type: K, listener: (e: Events[K]) => void): void;

    approveServer(): void;
    blur(): void;
    clipboardPasteFrom(text: string): void;
    disconnect(): void;
    focus(options?: FocusOptions): void;
    machineReboot(): void;
    machineReset(): void;
    machineShutdown(): void;
    sendCredentials(credentials: Credentials): void;
    sendCtrlAltDel(): void;
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    toBlob(callback: (blob: Blob | null) => void, type?: string, quality?: number): void;
  }
}

declare module 'novnc-core/input/keyboard.js' {
  export default class Keyboard {
    constructor(target: HTMLElement);
    onkeyevent: (keysym: number, code: string, down: boolean) => void;
    grab(): void;
    ungrab(): void;
  }
}

declare module 'novnc-core/input/keysymdef.js' {
  const keysyms: { lookup(codepoint: number): number };
  export default keysyms;
}

declare module 'novnc-core/util/logging.js' {
  export function initLogging(level?: 'none' | 'error' | 'warn' | 'info' | 'debug'): void;
}

declare module 'novnc-core/util/browser.js' {
  export const isTouchDevice: boolean;
  export const hasScrollbarGutter: boolean;
  export function isMac(): boolean;
  export function isIOS(): boolean;
  export function isAndroid(): boolean;
  export function isChromeOS(): boolean;
  export function isSafari(): boolean;
}

declare const __NOVNC_VERSION__: string;
declare const __PAGE_VERSION__: string;
