// Keeping this device's screen on while a session is open.

/** Awake holds the browser's wake lock as long as it is wanted. */
export class Awake {
  private wanted = false;
  private lock: WakeLockSentinel | undefined;
  private asking = false;

  constructor() {
    // The browser takes the lock away with a hidden page and does not give it back by itself.
    document.addEventListener('visibilitychange', () => void this.follow());
  }

  /** want says whether the screen has to stay on from now on. */
  want(on: boolean): void {
    this.wanted = on;
    void this.follow();
  }

  private async follow(): Promise<void> {
    if (!this.wanted) {
      const lock = this.lock;
      this.lock = undefined;
      await lock?.release();
    } else if (document.visibilityState === 'visible' && (this.lock === undefined || this.lock.released)) {
      await this.acquire();
    }
  }

  private async acquire(): Promise<void> {
    const locks = navigator.wakeLock as WakeLock | undefined; // absent on a page without https
    if (this.asking || locks === undefined) return;
    this.asking = true;
    try {
      this.lock = await locks.request('screen');
    } catch {
      return; // low battery, say: the browser knows better
    } finally {
      this.asking = false;
    }
    await this.follow(); // the wish may have changed in the meantime
  }
}
