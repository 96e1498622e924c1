import { expect, it } from 'vitest';
import { Store } from './store.ts';

it('replaces fields and tells its watchers', () => {
  const store = new Store({ a: 1, b: 'x' });
  const seen: number[] = [];
  const stop = store.watch(() => seen.push(store.get().a));
  const before = store.get();
  store.set({ a: 2 });
  expect(store.get()).toEqual({ a: 2, b: 'x' });
  expect(before).toEqual({ a: 1, b: 'x' });
  stop();
  store.set({ a: 3 });
  expect(seen).toEqual([2]);
});

it('bears a watcher that leaves while being told', () => {
  const store = new Store({ a: 1 });
  let told = 0;
  const stop = store.watch(() => stop());
  store.watch(() => told++);
  store.set({ a: 2 });
  expect(told).toBe(1);
});
