// Pictures of the displays that somebody sees on the page: one at a time, each anew after a while, and none while the
// page itself is not seen. Each costs its display a connection.

import { Store } from '../store.ts';

/** Picture is what is known of a display's screen. */
export interface Picture {
  /** An address for an image; undefined: there is none yet. */
  url: string | undefined;
  /** When the screen was like that. */
  at: number;
  /** Why there is no newer one; '' if it is as new as it should be. */
  why: string;
}

/** Taken is a picture as the gateway has sent it. */
export interface Taken {
  blob: Blob;
  at: number;
}

/** How often a picture is taken anew, how long it waits after one that could not be had, and the time between two. */
export const every = 30_000;
const afterFailure = 60_000;
const between = 500;

/** Never is thrown for a display of which there are no pictures, now or later. */
export class Never extends Error {}

interface Wanted {
  due: number;
}

/** Pictures takes them. */
export class Pictures {
  readonly store = new Store<{ of: ReadonlyMap<string, Picture> }>({ of: new Map() });
  private readonly wanted = new Map<string, Wanted>();
  private readonly due = new Map<string, number>();
  private timer = 0;
  private taking = false;
  private ended = false;

  constructor(
    private readonly take: (target: string) => Promise<Taken>,
    private readonly seen: () => boolean = () => document.visibilityState === 'visible',
  ) {}

  /** show says that a display is on the screen; the function that it returns, that it no longer is. */
  show(target: string): () => void {
    const wish = { due: 0 };
    this.wanted.set(target, wish);
    this.soon();
    return () => {
      if (this.wanted.get(target) === wish) this.wanted.delete(target);
    };
  }

  /** soon looks whether there is something to do: the page has come to be seen, say. */
  soon(): void {
    if (this.ended || this.taking) return;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.next(), between);
  }

  /** end forgets all pictures. */
  end(): void {
    this.ended = true;
    window.clearTimeout(this.timer);
    for (const p of this.store.get().of.values()) this.forget(p);
    this.store.set({ of: new Map() });
  }

  private async next(): Promise<void> {
    const target = this.first();
    if (target === undefined || !this.seen()) {
      this.wait();
      return;
    }
    this.taking = true;
    try {
      const { blob, at } = await this.take(target);
      this.keep(target, { url: URL.createObjectURL(blob), at, why: '' });
      this.due.set(target, Date.now() + every);
    } catch (e) {
      const before = this.store.get().of.get(target);
      this.put(target, { url: before?.url, at: before?.at ?? 0, why: e instanceof Error ? e.message : 'no picture' });
      this.due.set(target, e instanceof Never ? Infinity : Date.now() + afterFailure);
    }
    this.taking = false;
    this.soon();
  }

  /** first is the display that has waited longest, if its time has come. */
  private first(): string | undefined {
    const [target] = [...this.wanted.keys()].sort((a, b) => this.dueOf(a) - this.dueOf(b));
    return target !== undefined && this.dueOf(target) <= Date.now() ? target : undefined;
  }

  private dueOf(target: string): number {
    return this.due.get(target) ?? 0;
  }

  /** wait sleeps until the next is due. Whoever hides the page wakes us when it is seen again. */
  private wait(): void {
    const next = Math.min(...[...this.wanted.keys()].map((t) => this.dueOf(t)));
    if (this.ended || !Number.isFinite(next) || !this.seen()) return;
    this.timer = window.setTimeout(() => void this.next(), Math.max(next - Date.now(), between));
  }

  private keep(target: string, p: Picture): void {
    if (this.ended) {
      this.forget(p);
      return;
    }
    const before = this.store.get().of.get(target);
    if (before !== undefined) this.forget(before);
    this.put(target, p);
  }

  private put(target: string, p: Picture): void {
    if (!this.ended) this.store.set({ of: new Map(this.store.get().of).set(target, p) });
  }

  private forget(p: Picture): void {
    if (p.url !== undefined) URL.revokeObjectURL(p.url);
  }
}
