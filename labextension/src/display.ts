// How frames are shown, whichever frame it is: layer, contrast of each layer, overlays and their opacity.

import { COLORMAP_NAMES } from './colormaps';
import { DEFAULT_CONTRAST, STRETCH_NAMES } from './contrast';
import type { Contrast, LayerName, Limits, TextStore } from './models';

export const OVERLAYS = ['lcn', 'attention', 'spots', 'mask', 'crop', 'rings', 'profile'] as const;
export type OverlayName = (typeof OVERLAYS)[number];

export interface Display {
  layer: LayerName;
  contrast: Record<LayerName, Contrast>;
  shown: Record<OverlayName, boolean>;
  opacity: Record<OverlayName, number>;
  /** The overlay whose opacity the keys change: the last one switched on. */
  lastOverlay: OverlayName;
}

const SLOT = 'sfx-label:display';
const OPACITY_STEP = 0.1;
const LIMIT_STEP = 0.8;

export function defaultDisplay(layer: LayerName): Display {
  return {
    layer,
    contrast: {
      raw: { ...DEFAULT_CONTRAST },
      gcn: { ...DEFAULT_CONTRAST },
      // a Bragg pixel stands at the far end of the range that the window allows, whatever the frame
      lcn: { ...DEFAULT_CONTRAST, mode: 'manual', low: 0, high: 3 },
      difference: { ...DEFAULT_CONTRAST, lowPercentile: 5, highPercentile: 99.9 },
      attention: { ...DEFAULT_CONTRAST, mode: 'manual', low: 0, high: 1 }
    },
    shown: { lcn: false, attention: false, spots: true, mask: false, crop: true, rings: false, profile: true },
    opacity: { lcn: 0.8, attention: 0.6, spots: 0.9, mask: 0.6, crop: 0.9, rings: 0.8, profile: 1 },
    lastOverlay: 'spots'
  };
}

/** What this browser showed last, so that contrast and overlays stay as the user left them. */
export function recallDisplay(layer: LayerName, storage: TextStore | null): Display {
  const display = defaultDisplay(layer);
  try {
    const kept = JSON.parse(storage?.getItem(SLOT) ?? '{}') as Partial<Display>;
    Object.assign(display.shown, kept.shown);
    Object.assign(display.opacity, kept.opacity);
    for (const name of Object.keys(display.contrast) as LayerName[]) {
      Object.assign(display.contrast[name], kept.contrast?.[name]);
    }
  } catch (error) {
    console.warn('sfx-label: the display settings of this browser cannot be read; the default ones are used', error);
  }
  return display;
}

export function keepDisplay(display: Display, storage: TextStore | null): void {
  try {
    const { shown, opacity, contrast } = display;
    storage?.setItem(SLOT, JSON.stringify({ shown, opacity, contrast }));
  } catch (error) {
    console.warn('sfx-label: this browser keeps no settings', error);
  }
}

export function toggle(display: Display, overlay: OverlayName): void {
  display.shown[overlay] = !display.shown[overlay];
  if (display.shown[overlay]) {
    display.lastOverlay = overlay;
  }
}

export function changeOpacity(display: Display, direction: 1 | -1): void {
  const now = display.opacity[display.lastOverlay] + direction * OPACITY_STEP;
  display.opacity[display.lastOverlay] = Math.round(10 * Math.min(1, Math.max(OPACITY_STEP, now))) / 10;
}

/** Moves the upper limit, from then on the same for all frames. */
export function changeUpperLimit(contrast: Contrast, limits: Limits, direction: 1 | -1): void {
  contrast.mode = 'manual';
  contrast.low = limits.low;
  contrast.high = limits.low + (limits.high - limits.low) * (direction > 0 ? 1 / LIMIT_STEP : LIMIT_STEP);
}

/** Holds the limits of the frame on screen for all frames, or lets each frame have its own again. */
export function toggleHold(contrast: Contrast, limits: Limits): void {
  if (contrast.mode === 'manual') {
    contrast.mode = 'percentile';
  } else {
    Object.assign(contrast, limits, { mode: 'manual' });
  }
}

export function nextStretch(contrast: Contrast): void {
  contrast.stretch = after(STRETCH_NAMES, contrast.stretch);
}

export function nextColormap(contrast: Contrast): void {
  contrast.colormap = after(COLORMAP_NAMES, contrast.colormap);
}

function after<Item>(items: readonly Item[], item: Item): Item {
  return items[(items.indexOf(item) + 1) % items.length];
}
