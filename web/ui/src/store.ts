// The state of the page in one object that the parts of the page watch.

/** Store holds a value and tells its watchers when it has been replaced. */
export class Store<T extends object> {
  private readonly watchers = new Set<() => void>();

  constructor(private value: T) {}

  get(): T {
    return this.value;
  }

  /** set replaces some fields. */
  set(changes: Partial<T>): void {
    this.value = { ...this.value, ...changes };
    for (const watcher of [...this.watchers]) watcher();
  }

  /** watch calls f after each change until the function it returns is called. */
  watch(f: () => void): () => void {
    this.watchers.add(f);
    return () => {
      this.watchers.delete(f);
    };
  }
}
