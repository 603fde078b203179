// What to ask the kernel for, the most urgent first.

import type { Display } from './display';
import type { Wanted } from './pixels';

export interface Situation {
  /** The frame on screen; -1 for none. */
  here: number;
  /** Frames around it in the queue, nearest first. */
  around: readonly number[];
  previewStep: number;
  /** Canvas pixels per frame pixel. */
  scale: number;
}

/** This frame as shown, what is laid over it, its nearest neighbours, its other layer, then the frames farther off. */
export function wantedFor(display: Display, situation: Situation): Wanted[] {
  const { here, around, previewStep } = situation;
  if (here < 0) {
    return [];
  }
  const near = around.slice(0, 2);
  const far = around.slice(2);
  return [
    ...pictures(display, situation),
    { position: here, layer: 'spots', step: 1 },
    ...near.map(position => ({ position, layer: display.layer, step: previewStep })),
    ...profiles(display, [here]),
    { position: here, layer: otherLayer(display), step: previewStep },
    ...far.map(position => ({ position, layer: display.layer, step: previewStep })),
    ...near.flatMap<Wanted>(position => [
      { position, layer: 'spots', step: 1 },
      { position, layer: otherLayer(display), step: previewStep }
    ]),
    ...profiles(display, near)
  ];
}

/** The layer that one key flips to. */
function otherLayer(display: Display): 'raw' | 'lcn' {
  return display.layer === 'lcn' ? 'raw' : 'lcn';
}

function pictures(display: Display, situation: Situation): Wanted[] {
  const { here, previewStep, scale } = situation;
  const list: Wanted[] = [{ position: here, layer: display.layer, step: previewStep }];
  if (previewStep > 1 && scale * previewStep > 1.5) {
    list.push({ position: here, layer: display.layer, step: 1 });
  }
  if (display.shown.lcn && display.layer !== 'lcn') {
    list.push({ position: here, layer: 'lcn', step: previewStep });
  }
  if (display.shown.attention) {
    list.push({ position: here, layer: 'attention', step: previewStep });
  }
  return list;
}

function profiles(display: Display, positions: readonly number[]): Wanted[] {
  return display.shown.profile ? positions.map(position => ({ position, layer: 'profile', step: 1 })) : [];
}
