import { describe, expect, it } from 'vitest';
import { along, nearestSide } from './edges.ts';

const window = { width: 1000, height: 800 };

describe('nearestSide', () => {
  it.each([
    [5, 400, 'left'],
    [995, 400, 'right'],
    [500, 5, 'top'],
    [500, 795, 'bottom'],
    [500, 400, undefined],
    [5, 5, undefined],
    [995, 795, undefined],
  ])('%d, %d is %s', (x, y, side) => expect(nearestSide(x, y, window)).toBe(side));
});

describe('along', () => {
  it('measures from the middle of the edge', () => {
    expect(along('left', 0, 400, window)).toBe(0);
    expect(along('right', 0, 300, window)).toBe(-100);
    expect(along('top', 600, 0, window)).toBe(100);
  });

  it('keeps away from the corners', () => {
    expect(along('left', 0, -50, window)).toBe(-360);
    expect(along('bottom', 5000, 0, window)).toBe(460);
    expect(along('left', 0, 5, { width: 10, height: 10 })).toBe(0);
  });
});
