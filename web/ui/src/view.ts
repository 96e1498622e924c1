// How the settings about the picture become properties of noVNC.

import { hasScrollbarGutter, isAndroid, isChromeOS, isIOS, isMac } from 'novnc-core/util/browser.js';
import type { Values } from './settings.ts';

/** Picture is what is set on an RFB object. */
export interface Picture {
  clipViewport: boolean;
  scaleViewport: boolean;
  resizeSession: boolean;
  qualityLevel: number;
  compressionLevel: number;
  showDotCursor: boolean;
  viewOnly: boolean;
}

/**
 * needsClip is true where scroll bars lie over the picture and can hardly be caught; there a picture that is too large
 * is dragged instead.
 */
export function needsClip(): boolean {
  return !hasScrollbarGutter && (isIOS() || isAndroid() || isMac() || isChromeOS());
}

/** clips tells whether a too large picture is cut off; a scaled one always fits. */
export function clips(values: Pick<Values, 'resize' | 'view_clip'>, forced: boolean): boolean {
  return values.resize !== 'scale' && (forced || values.view_clip);
}

/** apply sets the picture as the settings want it. */
export function apply(rfb: Picture, values: Values, forced: boolean): void {
  rfb.clipViewport = clips(values, forced);
  rfb.scaleViewport = values.resize === 'scale';
  rfb.resizeSession = values.resize === 'remote';
  rfb.qualityLevel = values.quality;
  rfb.compressionLevel = values.compression;
  rfb.showDotCursor = values.show_dot;
  rfb.viewOnly = values.view_only;
}
