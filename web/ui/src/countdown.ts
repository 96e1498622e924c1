// The wait before the page connects again.

/** Countdown calls done after a time, and tick with the whole seconds that are left, at once and each time they change. */
export class Countdown {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private end = 0;

  constructor(
    private readonly tick: (left: number) => void,
    private readonly done: () => void,
  ) {}

  /** start begins anew with a wait in milliseconds. */
  start(ms: number): void {
    this.stop();
    this.end = Date.now() + ms;
    this.step();
  }

  /** stop ends the wait without connecting. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** now ends the wait by connecting. */
  now(): void {
    if (this.timer === undefined) return;
    this.stop();
    this.done();
  }

  private step(): void {
    // By the clock and not by counting: a sleeping laptop or a hidden tab stretches timers.
    const left = Math.max(0, this.end - Date.now());
    this.tick(Math.ceil(left / 1000));
    if (left === 0) {
      this.timer = undefined;
      this.done();
      return;
    }
    this.timer = setTimeout(() => this.step(), left % 1000 || 1000);
  }
}
