// The two clipboards. Where the browser allows it (https, and the user agreed) they are kept the same: what is copied
// at the display is written to the local clipboard, and the local one is sent when the page gets the focus. Everywhere
// else there is the clipboard panel.

/** Local is what the page needs of navigator.clipboard. */
export interface Local {
  readText?: () => Promise<string>;
  writeText?: (text: string) => Promise<void>;
}

/** Remote is the display's clipboard. */
export interface Remote {
  clipboardPasteFrom(text: string): void;
}

/** largest bounds what is sent without being asked, in UTF-16 units: a copied video must not clog the session. */
export const largest = 1 << 20;

/** Clipboard carries text between the two and remembers the last, so that it is not sent back where it came from. */
export class Clipboard {
  private last: string | undefined;

  constructor(
    private readonly local: Local | undefined,
    private readonly remote: () => Remote | undefined,
    /** May the page carry text unasked? */
    private readonly automatic: () => boolean,
    /** shown is told each text, for the panel. */
    private readonly shown: (text: string) => void,
  ) {}

  /** received takes the text that was copied at the display. */
  async received(text: string): Promise<void> {
    this.last = text;
    this.shown(text);
    if (!this.automatic()) return;
    try {
      await this.local?.writeText?.(text);
    } catch {
      // Not allowed, or the page has not the focus: the panel has the text.
    }
  }

  /** focused sends the local clipboard if it has changed; it is called when the page gets the focus. */
  async focused(): Promise<void> {
    if (!this.automatic()) return;
    let text: string | undefined;
    try {
      text = await this.local?.readText?.();
    } catch {
      return; // not allowed
    }
    if (text === undefined || text === '' || text === this.last || text.length > largest) return;
    this.send(text);
  }

  /** send gives the display a text, from the panel or from the local clipboard. */
  send(text: string): void {
    this.last = text;
    this.shown(text);
    this.remote()?.clipboardPasteFrom(text);
  }

  /** reset forgets the last text, for a new session whose clipboard is empty. */
  reset(): void {
    this.last = undefined;
  }
}

/** Permission is whether the browser lets the page read the clipboard: not at all, after asking, or freely. */
export type Permission = 'unsupported' | 'prompt' | 'granted' | 'denied';

/** permission finds out without asking the user. */
export async function permission(): Promise<Permission> {
  const clipboard = navigator.clipboard as Local | undefined; // absent on a page without https
  if (clipboard?.readText === undefined || clipboard.writeText === undefined) return 'unsupported';
  try {
    const status = await navigator.permissions.query({ name: 'clipboard-read' as PermissionName });
    return status.state;
  } catch {
    // Firefox and Safari know no such permission: they ask at each read, which at each focus would be a nuisance.
    return 'unsupported';
  }
}
