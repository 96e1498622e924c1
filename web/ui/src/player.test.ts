import { afterEach, beforeEach, describe as group, expect, it, vi } from 'vitest';
import { clock, describe, next, Player, readPlaying, readTimeline, type Mark } from './player.ts';
import type { Answer, PlayWish } from './wish.ts';

const mark = (at: number, kind = 'typed', text = ''): Mark => ({ at, kind, text });

group('what the gateway says', () => {
  it('is read, and what is no answer is not', () => {
    const now = readPlaying({ recording: 'r', position: 1.5, duration: 60, speed: 2, playing: true, at_end: false, skip_idle: 2 });
    expect(now).toEqual({ recording: 'r', position: 1.5, duration: 60, speed: 2, playing: true, atEnd: false, skipIdle: 2, error: '' });
    for (const nothing of [undefined, null, 7, 'x', [], {}, { position: 'a', duration: 1 }]) expect(readPlaying(nothing)).toBeUndefined();
  });

  it('has a time line, within bounds', () => {
    const line = readTimeline({ activity: [0, 50, 900, -3, 'x'], marks: [{ at: 3, kind: 'size' }, 7], search: true });
    expect(line).toEqual({ activity: [0, 50, 100, 0, 0], marks: [mark(3, 'size'), mark(0, '')], search: true });
    expect(readTimeline(undefined)).toEqual({ activity: [], marks: [], search: false });
  });
});

it('shows times as players do', () => {
  expect([0, 7.9, 754, 3723, -1].map(clock)).toEqual(['0:00', '0:07', '12:34', '1:02:03', '0:00']);
});

it('says what happens at a mark', () => {
  expect(describe(mark(1))).toBe('Typing begins');
  expect(describe(mark(1, 'mark', 'PAUSED'))).toBe('The gateway notes something: PAUSED');
  expect(describe(mark(1, 'new'))).toBe('Something happens');
});

it('finds the next mark and the one before', () => {
  const marks = [mark(1), mark(5), mark(9)];
  expect(next(marks, 0)?.at).toBe(1);
  expect(next(marks, 5)?.at).toBe(9);
  expect(next(marks, 9)).toBeUndefined();
  expect(next(marks, 5.2, true)?.at).toBe(1);
  expect(next(marks, 6, true)?.at).toBe(5);
});

group('a player', () => {
  const asked: PlayWish[] = [];
  let answer: (what: PlayWish) => Answer;
  const playing = { recording: 'r', position: 10, duration: 60, speed: 1, playing: true, at_end: false };
  const player = (): Player => new Player((what) => {
    asked.push(what);
    return Promise.resolve(answer(what));
  });
  beforeEach(() => {
    vi.useFakeTimers();
    asked.length = 0;
    answer = (what) => {
      switch (what.do) {
        case 'timeline':
          return { ok: true, body: { activity: [1], marks: [{ at: 20, kind: 'size' }], search: true } };
        case 'thumbnail':
          return { ok: true, body: { picture: `data:image/jpeg;base64,${String(what.position)}` } };
        case 'search':
          return { ok: true, body: { found: [{ at: 4, kind: 'typed', text: 'hello' }] } };
        default:
          return { ok: true, body: playing };
      }
    };
  });
  afterEach(() => vi.useRealTimers());

  it('asks how far it is, and goes on meanwhile', async () => {
    const p = player();
    p.start();
    await vi.advanceTimersByTimeAsync(0);
    expect(p.store.get().now?.position).toBe(10);
    expect(p.store.get().timeline?.marks).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(800);
    expect(p.store.get().now?.position).toBeGreaterThan(10.5);
    await vi.advanceTimersByTimeAsync(300);
    expect(asked.filter((w) => w.do === '')).toHaveLength(2);
    p.stop();
  });

  it('steers', async () => {
    const p = player();
    p.start();
    await vi.advanceTimersByTimeAsync(0);
    asked.length = 0;
    p.toggle();
    p.step(5);
    p.jump(false);
    p.jump(true);
    p.seek(1e9);
    p.faster(true);
    p.faster(false);
    p.setSpeed(4, true);
    expect(asked.map((w) => [w.do, w.position ?? w.speed])).toEqual([
      ['pause', undefined], ['seek', 15], ['seek', 20], ['seek', 0], ['seek', 60], ['speed', 2], ['speed', 1], ['speed', 4],
    ]);
    expect(asked.at(-1)?.skip_idle).toBe(2);
    p.stop();
  });

  it('keeps small pictures, and takes nothing else for one', async () => {
    const p = player();
    expect(await p.picture(7.8)).toBe('data:image/jpeg;base64,7');
    expect(await p.picture(7.1)).toBe('data:image/jpeg;base64,7');
    expect(asked).toHaveLength(1);
    answer = () => ({ ok: true, body: { picture: 'javascript:alert(1)' } });
    expect(await p.picture(9)).toBeUndefined();
  });

  it('searches, and says what went wrong', async () => {
    const p = player();
    await p.search('hello');
    expect(p.store.get().found).toEqual([mark(4, 'typed', 'hello')]);
    answer = () => ({ ok: false, words: 'No.' });
    await p.search('again');
    expect(p.store.get().fault).toBe('No.');
    await p.search(' ');
    expect(p.store.get().found).toBeUndefined();
  });
});
