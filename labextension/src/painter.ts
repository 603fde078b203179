// What both ways of drawing share: the scene to be drawn and the choice between them.

import { paletteOf, rgba } from './colormaps';
import { buildTable } from './contrast';
import { Canvas2dPainter } from './draw2d';
import { WebglPainter } from './drawgl';
import type { Contrast, Limits, Plane, Size, Viewport } from './models';

/** A plane with one RGBA word for each of its codes; words with alpha below 255 let what lies under show. */
export interface Sheet {
  plane: Plane;
  good: Uint8Array | null;
  table: Uint32Array;
}

export interface Scene {
  /** From the lowest to the topmost. */
  sheets: Sheet[];
  view: Viewport;
  background: number;
}

export interface Painter {
  readonly kind: '2d' | 'webgl2';
  readonly canvas: HTMLCanvasElement;
  /** Most canvas pixels that are drawn at a comfortable speed. */
  readonly comfortable: number;
  resize(size: Size): void;
  paint(scene: Scene): void;
  /** RGBA of one canvas pixel, which also waits until the drawing is done. */
  readPixel(x: number, y: number): Uint8ClampedArray;
  dispose(): void;
}

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
export const BAD_PIXEL = rgba(120, 140, 165);
export const MASK_COLOUR: readonly [number, number, number] = [86, 180, 233];
export const OVERLAY_COLOUR: readonly [number, number, number] = [213, 94, 0];

/** A graphics card where there is one; on a software renderer the 2-D canvas is several times quicker. */
export function makePainter(wish: 'auto' | '2d' | 'webgl2'): Painter {
  if (wish !== '2d') {
    const painter = WebglPainter.create();
    if (painter !== null && (wish === 'webgl2' || !SOFTWARE.test(painter.device))) {
      return painter;
    }
    painter?.dispose();
  }
  return new Canvas2dPainter();
}

export function baseSheet(plane: Plane, good: Uint8Array | null, contrast: Contrast, limits: Limits): Sheet {
  return { plane, good, table: buildTable(plane, limits, contrast.stretch, paletteOf(contrast.colormap), BAD_PIXEL) };
}

/** Colour that grows more opaque from `low` to `high`, for LCN or attention over the frame. */
export function tintSheet(plane: Plane, limits: Limits, opacity: number): Sheet {
  const [red, green, blue] = OVERLAY_COLOUR;
  const ramp = Uint32Array.from({ length: 256 }, (_, i) => rgba(red, green, blue, Math.round(opacity * i)));
  return { plane, good: null, table: buildTable(plane, limits, 'linear', ramp, 0) };
}

/** Masked pixels in one colour. `bad` holds 1 where a pixel is masked. */
export function maskSheet(bad: Uint8Array, width: number, height: number, opacity: number): Sheet {
  const table = new Uint32Array(256);
  table[1] = rgba(...MASK_COLOUR, Math.round(255 * opacity));
  const plane: Plane = {
    position: -1,
    layer: 'raw',
    width,
    height,
    x0: 0,
    y0: 0,
    step: 1,
    codes: bad,
    scale: 1,
    offset: 0,
    badCode: -1,
    clipCode: -1,
    exact: true
  };
  return { plane, good: null, table };
}
