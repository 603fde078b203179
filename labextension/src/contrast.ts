// From coded pixel values to shades: limits by percentile, stretch, and a table with one colour for each code.

import type { Contrast, Limits, Plane, Stretch } from './models';

const ASINH_SOFTENING = 10;
const LOG_STEEPNESS = 1000;

/** Each stretch takes 0..1 to 0..1, rises, and keeps both ends. */
export const STRETCHES: Readonly<Record<Stretch, (t: number) => number>> = {
  linear: t => t,
  sqrt: t => Math.sqrt(t),
  log: t => Math.log1p(LOG_STEEPNESS * t) / Math.log1p(LOG_STEEPNESS),
  asinh: t => Math.asinh(ASINH_SOFTENING * t) / Math.asinh(ASINH_SOFTENING)
};

export const STRETCH_NAMES = Object.keys(STRETCHES) as Stretch[];

export const DEFAULT_CONTRAST: Readonly<Contrast> = {
  stretch: 'linear',
  mode: 'percentile',
  lowPercentile: 1,
  highPercentile: 99.7,
  low: 0,
  high: 100,
  colormap: 'inverted grey'
};

export function valueOf(plane: Plane, code: number): number {
  return plane.offset + plane.scale * code;
}

/**
 * Codes of evenly spread blocks of `factor` by `factor` pixels, the highest good one of each, ascending.
 * This is what a canvas shows when the frame is larger than it, so limits fit what is seen.
 */
export function sampleCodes(plane: Plane, good: Uint8Array | null, factor: number, wanted = 40000): Uint16Array {
  const columns = Math.max(1, Math.floor(plane.width / factor));
  const rows = Math.max(1, Math.floor(plane.height / factor));
  const stride = Math.max(1, Math.floor(Math.sqrt((columns * rows) / wanted)));
  const found: number[] = [];
  for (let row = stride >> 1; row < rows; row += stride) {
    for (let column = stride >> 1; column < columns; column += stride) {
      const code = highestGood(plane, good, column * factor, row * factor, factor);
      if (code >= 0) {
        found.push(code);
      }
    }
  }
  return Uint16Array.from(found).sort();
}

function highestGood(plane: Plane, good: Uint8Array | null, x: number, y: number, factor: number): number {
  let highest = -1;
  const right = Math.min(plane.width, x + factor);
  const bottom = Math.min(plane.height, y + factor);
  for (let row = y; row < bottom; row++) {
    for (let at = row * plane.width + x, end = row * plane.width + right; at < end; at++) {
      const code = plane.codes[at];
      if (code > highest && code !== plane.badCode && (good === null || good[at] === 1)) {
        highest = code;
      }
    }
  }
  return highest;
}

/** The value below which `percent` of the sorted codes lie, between neighbours by linear interpolation. */
export function percentile(sorted: Uint16Array, percent: number): number {
  if (sorted.length === 0) {
    return NaN;
  }
  const at = (Math.min(100, Math.max(0, percent)) / 100) * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** Lowest and highest value to be told apart; never equal, also for a constant or an empty frame. */
export function limitsFor(plane: Plane, contrast: Contrast, sorted: Uint16Array): Limits {
  let { low, high } = contrast;
  if (contrast.mode === 'percentile') {
    low = valueOf(plane, percentile(sorted, contrast.lowPercentile));
    high = valueOf(plane, percentile(sorted, contrast.highPercentile));
  }
  if (!Number.isFinite(low) || !Number.isFinite(high)) {
    return { low: 0, high: 1 };
  }
  return high > low ? { low, high } : { low, high: low + Math.max(plane.scale, Math.abs(low) * 1e-6) };
}

/** One RGBA word for each code, as a canvas on a little-endian machine wants it. */
export function buildTable(
  plane: Plane,
  limits: Limits,
  stretch: Stretch,
  palette: Uint32Array,
  bad: number
): Uint32Array {
  const size = plane.codes.BYTES_PER_ELEMENT === 1 ? 256 : 65536;
  const table = new Uint32Array(size);
  const last = palette.length - 1;
  const first = clampIndex(Math.ceil((limits.low - plane.offset) / plane.scale), size);
  const end = clampIndex(Math.floor((limits.high - plane.offset) / plane.scale) + 1, size);
  const bend = STRETCHES[stretch];
  const span = limits.high - limits.low;
  table.fill(palette[0], 0, first);
  for (let code = first; code < end; code++) {
    const t = Math.min(1, Math.max(0, (plane.offset + plane.scale * code - limits.low) / span));
    table[code] = palette[Math.round(bend(t) * last)]!;
  }
  table.fill(palette[last], Math.max(first, end));
  if (plane.badCode >= 0) {
    table[plane.badCode] = bad;
  }
  return table;
}

function clampIndex(index: number, size: number): number {
  return Math.min(size, Math.max(0, index));
}
