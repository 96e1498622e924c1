import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Countdown } from './countdown.ts';

describe('countdown', () => {
  let log: (number | string)[];
  let countdown: Countdown;
  beforeEach(() => {
    vi.useFakeTimers();
    log = [];
    countdown = new Countdown(
      (left) => log.push(left),
      () => log.push('done'),
    );
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells each second and ends on time', () => {
    countdown.start(3000);
    vi.advanceTimersByTime(2999);
    expect(log).toEqual([3, 2, 1]);
    vi.advanceTimersByTime(1);
    expect(log).toEqual([3, 2, 1, 0, 'done']);
  });

  it('rounds parts of a second up', () => {
    countdown.start(1500);
    vi.advanceTimersByTime(500);
    expect(log).toEqual([2, 1]);
    vi.advanceTimersByTime(1000);
    expect(log).toEqual([2, 1, 0, 'done']);
  });

  it('of nothing is done at once', () => {
    countdown.start(0);
    expect(log).toEqual([0, 'done']);
  });

  it('can be stopped', () => {
    countdown.start(2000);
    vi.advanceTimersByTime(1000);
    countdown.stop();
    vi.advanceTimersByTime(60_000);
    expect(log).toEqual([2, 1]);
  });

  it('can be cut short, once', () => {
    countdown.start(5000);
    countdown.now();
    countdown.now();
    vi.advanceTimersByTime(60_000);
    expect(log).toEqual([5, 'done']);
  });

  it('does nothing when nothing is counted', () => {
    countdown.now();
    countdown.stop();
    expect(log).toEqual([]);
  });

  it('begins anew when started again', () => {
    countdown.start(1000);
    countdown.start(2000);
    vi.advanceTimersByTime(2000);
    expect(log).toEqual([1, 2, 1, 0, 'done']);
  });

  it('goes by the clock after a sleep', () => {
    countdown.start(10_000);
    vi.setSystemTime(Date.now() + 60_000); // the laptop slept: time went on, timers did not
    vi.advanceTimersByTime(1000);
    expect(log).toEqual([10, 0, 'done']);
  });
});
