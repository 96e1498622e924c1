import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Never, Pictures, every, type Taken } from './pictures.ts';

let asked: string[];
let under: number;
let answer: (target: string) => Promise<Taken>;
let seen: boolean;
let pictures: Pictures;
let urls: Set<string>;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  under = 0;
  seen = true;
  urls = new Set();
  let made = 0;
  vi.spyOn(URL, 'createObjectURL').mockImplementation(() => {
    const url = `blob:${made++}`;
    urls.add(url);
    return url;
  });
  vi.spyOn(URL, 'revokeObjectURL').mockImplementation((url) => void urls.delete(url));
  answer = () => Promise.resolve({ blob: new Blob(['x']), at: Date.now() });
  pictures = new Pictures(
    async (target) => {
      asked.push(target);
      under++;
      expect(under).toBe(1);
      try {
        return await answer(target);
      } finally {
        under--;
      }
    },
    () => seen,
  );
});
afterEach(() => {
  pictures.end();
  expect(urls.size).toBe(0);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const of = (target: string) => pictures.store.get().of.get(target);

describe('Pictures', () => {
  it('takes one at a time, and each again after a while', async () => {
    answer = () => new Promise((done) => setTimeout(() => done({ blob: new Blob(['x']), at: 1 }), 2000));
    pictures.show('a');
    pictures.show('b');
    pictures.show('c');
    await vi.advanceTimersByTimeAsync(12_000);
    expect(asked).toEqual(['a', 'b', 'c']);
    expect(of('c')).toMatchObject({ at: 1, why: '' });
    await vi.advanceTimersByTimeAsync(every);
    expect(asked.slice(3, 5)).toEqual(['a', 'b']);
    expect(urls.size).toBe(3);
  });

  it('takes none of what is not on the screen', async () => {
    const hide = pictures.show('a');
    await vi.advanceTimersByTimeAsync(1000);
    hide();
    await vi.advanceTimersByTimeAsync(10 * every);
    expect(asked).toEqual(['a']);
    pictures.show('a');
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual(['a', 'a']);
  });

  it('takes none while the page is not seen', async () => {
    seen = false;
    pictures.show('a');
    await vi.advanceTimersByTimeAsync(10 * every);
    expect(asked).toEqual([]);
    seen = true;
    pictures.soon();
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked).toEqual(['a']);
  });

  it('keeps the last picture, and says why there is no newer one', async () => {
    pictures.show('a');
    await vi.advanceTimersByTimeAsync(1000);
    const { url } = of('a') ?? {};
    answer = () => Promise.reject(new Error('A viewer sees this display'));
    await vi.advanceTimersByTimeAsync(every);
    expect(of('a')).toMatchObject({ url, why: 'A viewer sees this display' });
    answer = () => Promise.resolve({ blob: new Blob(['y']), at: 7 });
    await vi.advanceTimersByTimeAsync(2 * every + 1000);
    expect(of('a')).toMatchObject({ at: 7, why: '' });
    expect(urls.size).toBe(1);
  });

  it('does not ask again for what is never there', async () => {
    answer = () => Promise.reject(new Never('The configuration allows no pictures'));
    pictures.show('a');
    await vi.advanceTimersByTimeAsync(20 * every);
    expect(asked).toEqual(['a']);
    expect(of('a')?.url).toBe(undefined);
  });
});
