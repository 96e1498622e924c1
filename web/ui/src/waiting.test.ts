import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { askWait, elapsed, Inquiry, type Wait } from './waiting.ts';

const page = new URL('http://gate.example/vnc.html');
const socket = new URL('ws://gate.example/websockify?pass=abc');
const now = 1_700_000_000_000;

beforeEach(() => {
  vi.useFakeTimers({ now });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('askWait', () => {
  const answer = (body: unknown, status = 200): typeof fetch => () => Promise.resolve(Response.json(body, { status }));

  it('reads the words and since when', async () => {
    expect(await askWait(socket, answer({ waiting: 'Starting.', seconds: 12 }))).toEqual({ words: 'Starting.', since: now - 12_000 });
  });

  it.each<[string, unknown, number]>([
    ['an upgrade would do', { error: 'for WebSocket' }, 426],
    ['no object', null, 200],
    ['other words', { waiting: 7 }, 200],
  ])('hears nothing: %s', async (_, body, status) => expect(await askWait(socket, answer(body, status))).toBeUndefined());

  it('bears odd numbers, long words, a page, and silence', async () => {
    expect(await askWait(socket, answer({ waiting: 'x', seconds: -5 }))).toEqual({ words: 'x', since: now });
    expect(await askWait(socket, answer({ waiting: 'x', seconds: 'long' }))).toEqual({ words: 'x', since: now });
    expect((await askWait(socket, answer({ waiting: 'x'.repeat(5000) })))?.words.length).toBe(300);
    expect(await askWait(socket, () => Promise.resolve(new Response('<html>')))).toBeUndefined();
    expect(await askWait(socket, () => Promise.reject(new TypeError('network')))).toBeUndefined();
  });
});

describe('Inquiry', () => {
  function inquiry(answers: (Wait | undefined)[]): { asked: number[]; told: (Wait | undefined)[]; inquiry: Inquiry } {
    const asked: number[] = [];
    const told: (Wait | undefined)[] = [];
    const asker = (): Promise<Wait | undefined> => {
      asked.push(Date.now() - now);
      return Promise.resolve(answers.length > 1 ? answers.shift() : answers[0]);
    };
    return { asked, told, inquiry: new Inquiry((w) => told.push(w), asker) };
  }

  it('asks after a second, then ever more rarely', async () => {
    const i = inquiry([undefined]);
    i.inquiry.start(socket, page);
    await vi.advanceTimersByTimeAsync(21_000);
    expect(i.asked).toEqual([1000, 3000, 6000, 10_000, 15_000, 20_000]);
    expect(i.told).toEqual([]);
  });

  it('tells what changes, and not how seconds are rounded', async () => {
    const [first, second] = [{ words: 'a', since: now - 500 }, { words: 'b', since: now }];
    const i = inquiry([first, { words: 'a', since: now }, second, undefined]);
    i.inquiry.start(socket, page);
    await vi.advanceTimersByTimeAsync(12_000);
    expect(i.told).toEqual([first, second, undefined]);
  });

  it('stops, also while it waits for an answer', async () => {
    let answer: (w: Wait) => void = () => undefined;
    const told: (Wait | undefined)[] = [];
    const i = new Inquiry((w) => told.push(w), () => new Promise((resolve) => (answer = resolve)));
    i.start(socket, page);
    await vi.advanceTimersByTimeAsync(1000);
    i.stop();
    answer({ words: 'late', since: now });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(told).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('takes the words back when it stops', async () => {
    const wait = { words: 'a', since: now };
    const i = inquiry([wait]);
    i.inquiry.start(socket, page);
    await vi.advanceTimersByTimeAsync(1000);
    i.inquiry.stop();
    expect(i.told).toEqual([wait, undefined]);
  });

  it('does not ask another origin', async () => {
    const i = inquiry([undefined]);
    i.inquiry.start(new URL('ws://other.example/'), page);
    await vi.advanceTimersByTimeAsync(5000);
    expect(i.asked).toEqual([]);
  });
});

it.each([
  [0, '0 seconds'],
  [1999, '1 second'],
  [59_999, '59 seconds'],
  [185_000, '3 min 5 s'],
  [-5, '0 seconds'],
])('%d ms are %s', (ms, want) => expect(elapsed(ms)).toBe(want));
