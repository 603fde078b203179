// What a canvas shows of a plane: for each canvas pixel one code. Zoomed in, the pixel below it; zoomed out, the highest
// good pixel below it, since an average would wash out spots of one or two pixels, which are what the eye looks for.

import { toFrame } from './viewport';
import type { Plane, Size, Viewport } from './models';

export const OUTSIDE = 65536;

/** First plane pixel below each canvas column (or row), and one past the last; `from >= to` outside the plane. */
export interface Spans {
  from: Int32Array;
  to: Int32Array;
}

/**
 * Every canvas pixel looks at the same number of plane pixels, which overlap where the zoom is not a whole number:
 * the highest of two and the highest of one in turn would lay a grid over the noise.
 */
export function spansAlong(
  origin: number,
  scale: number,
  length: number,
  planeStart: number,
  step: number,
  planeLength: number
): Spans {
  const from = new Int32Array(length);
  const to = new Int32Array(length);
  const count = Math.max(1, Math.ceil(1 / (scale * step) - 1e-9));
  for (let at = 0; at < length; at++) {
    const first = Math.floor((origin + at / scale - planeStart) / step);
    from[at] = Math.max(0, first);
    to[at] = Math.min(planeLength, first + count);
  }
  return { from, to };
}

/** Codes for every canvas pixel, `OUTSIDE` where the plane does not reach. */
export function resample(plane: Plane, good: Uint8Array | null, view: Viewport, canvas: Size, out: Uint32Array): void {
  const corner = toFrame(view, canvas, { x: 0, y: 0 });
  const columns = spansAlong(corner.x, view.scale, canvas.width, plane.x0, plane.step, plane.width);
  const rows = spansAlong(corner.y, view.scale, canvas.height, plane.y0, plane.step, plane.height);
  let above = -1;
  for (let y = 0; y < canvas.height; y++) {
    const start = y * canvas.width;
    const same = above >= 0 && rows.from[y] === rows.from[y - 1] && rows.to[y] === rows.to[y - 1];
    if (same) {
      out.copyWithin(start, above, above + canvas.width);
    } else if (rows.from[y] >= rows.to[y]) {
      out.fill(OUTSIDE, start, start + canvas.width);
    } else {
      resampleRow(plane, good, columns, rows.from[y], rows.to[y], out, start);
    }
    above = start;
  }
}

function resampleRow(
  plane: Plane,
  good: Uint8Array | null,
  columns: Spans,
  top: number,
  bottom: number,
  out: Uint32Array,
  start: number
): void {
  const { codes, width, badCode } = plane;
  const { from, to } = columns;
  const fallback = badCode >= 0 ? badCode : 0;
  for (let x = 0; x < from.length; x++) {
    const left = from[x];
    const right = to[x];
    if (left >= right) {
      out[start + x] = OUTSIDE;
      continue;
    }
    let highest = -1;
    for (let row = top; row < bottom; row++) {
      const end = row * width + right;
      for (let at = row * width + left; at < end; at++) {
        const code = codes[at];
        if (code > highest && code !== badCode && (good === null || good[at] === 1)) {
          highest = code;
        }
      }
    }
    out[start + x] = highest >= 0 ? highest : masked(codes[top * width + left], good, fallback);
  }
}

/** Where no pixel is good: the pixel itself if only the mask speaks against it, else the code for "no value". */
function masked(code: number, good: Uint8Array | null, fallback: number): number {
  return good === null ? fallback : code;
}
