import { expect, it } from 'vitest';
import { load, save, type Kept } from './storage.ts';

function memory(): Kept & { map: Map<string, string> } {
  const map = new Map<string, string>();
  return { map, getItem: (k) => map.get(k) ?? null, setItem: (k, v) => void map.set(k, v) };
}

it('keeps settings under names of our own', () => {
  const kept = memory();
  save(kept, 'quality', 9);
  save(kept, 'view_only', true);
  expect([...kept.map.keys()]).toEqual(['vncgate.quality', 'vncgate.view_only']);
  expect(load(kept)).toEqual({ quality: '9', view_only: 'true' });
});

it('never keeps or reads a password', () => {
  const kept = memory();
  save(kept, 'password', 'secret');
  expect(kept.map.size).toBe(0);
  kept.map.set('vncgate.password', 'secret');
  expect(load(kept)).toEqual({});
});

it('works without a storage, and with one that is full', () => {
  save(undefined, 'quality', 1);
  expect(load(undefined)).toEqual({});
  const full: Kept = {
    getItem: () => null,
    setItem: () => {
      throw new DOMException('full', 'QuotaExceededError');
    },
  };
  expect(() => save(full, 'quality', 1)).not.toThrow();
});

it('leaves out what makes no sense', () => {
  const kept = memory();
  kept.map.set('vncgate.quality', 'best');
  expect(load(kept)).toEqual({});
});
