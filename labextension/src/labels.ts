// The three labels, with a shape and a word each so that colour is never needed to tell them apart.

import type { LabelValue } from './models';

export interface LabelFace {
  value: LabelValue;
  name: string;
  sign: string;
  rule: string;
  action: 'hit' | 'maybe' | 'miss';
}

export const FACES: readonly LabelFace[] = [
  { value: 2, name: 'Hit', sign: '●', rule: '≥ 10 spots', action: 'hit' },
  { value: 1, name: 'Maybe', sign: '◐', rule: '4–9 spots', action: 'maybe' },
  { value: 0, name: 'Miss', sign: '○', rule: '≤ 3 spots', action: 'miss' }
];

export function faceOf(label: number): LabelFace | undefined {
  return FACES.find(face => face.value === label);
}

/** "● Hit", or a dash for a frame without a label. */
export function labelText(label: number): string {
  const face = faceOf(label);
  return face === undefined ? '– no label' : `${face.sign} ${face.name}`;
}

/** What the spot rule says of a number of spots. */
export function ruleFor(spots: number): LabelValue {
  return spots >= 10 ? 2 : spots >= 4 ? 1 : 0;
}
