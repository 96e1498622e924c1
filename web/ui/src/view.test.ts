import { describe, expect, it, vi } from 'vitest';
import { resolve, type Values } from './settings.ts';
import { apply, clips, type Picture } from './view.ts';

vi.mock('novnc-core/util/browser.js', () => ({}));

function values(changes: Partial<Values>): Values {
  const none = { mandatory: {}, fragment: {}, query: {}, stored: {}, defaults: {} };
  return { ...resolve(none, false).values, ...changes };
}

function applied(changes: Partial<Values>, forced = false): Partial<Picture> {
  const picture = {} as Picture;
  apply(picture, values(changes), forced);
  return picture;
}

describe('clipping', () => {
  it.each([
    ['off', false, false, false],
    ['off', true, false, true],
    ['off', false, true, true],
    ['remote', true, false, true],
    ['scale', true, false, false],
    ['scale', true, true, false],
  ] as const)('resize %s, view_clip %s, forced %s', (resize, view_clip, forced, want) => {
    expect(clips({ resize, view_clip }, forced)).toBe(want);
  });
});

describe('apply', () => {
  it('sets one of the ways to deal with sizes', () => {
    expect(applied({ resize: 'off' })).toMatchObject({ scaleViewport: false, resizeSession: false });
    expect(applied({ resize: 'scale' })).toMatchObject({ scaleViewport: true, resizeSession: false });
    expect(applied({ resize: 'remote' })).toMatchObject({ scaleViewport: false, resizeSession: true });
  });

  it('passes the rest on', () => {
    expect(applied({ quality: 9, compression: 0, show_dot: true, view_only: true })).toMatchObject({
      qualityLevel: 9,
      compressionLevel: 0,
      showDotCursor: true,
      viewOnly: true,
    });
  });
});
