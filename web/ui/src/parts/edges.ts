// Where a dragged toolbar goes.

import type { Side } from '../settings.ts';

interface Size {
  width: number;
  height: number;
}

// Only a pointer well within reach of an edge's middle part moves the toolbar there: corners belong to nobody, or the
// toolbar would jump to and fro.
const reach = 0.18;
const corner = 0.2;

/** nearestSide is the edge that a point in the window is close to. */
export function nearestSide(x: number, y: number, window: Size): Side | undefined {
  const h = x / window.width;
  const v = y / window.height;
  const inner = (n: number): boolean => n > corner && n < 1 - corner;
  if (inner(v) && h < reach) return 'left';
  if (inner(v) && h > 1 - reach) return 'right';
  if (inner(h) && v < reach) return 'top';
  if (inner(h) && v > 1 - reach) return 'bottom';
  return undefined;
}

const margin = 40; // pixels that the handle keeps from the window's corners

/** along is how far from the middle of its edge the handle goes, in pixels, to be at a point. */
export function along(side: Side, x: number, y: number, window: Size): number {
  const vertical = side === 'left' || side === 'right';
  const [at, length] = vertical ? [y, window.height] : [x, window.width];
  const most = Math.max(0, length / 2 - margin);
  return Math.round(Math.min(most, Math.max(-most, at - length / 2)));
}
