import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Plane, Size, Viewport } from '../src/models';
import { OUTSIDE, resample, spansAlong } from '../src/resample';
import { planeOf } from './planes';

function shown(plane: Plane, view: Viewport, canvas: Size, good: Uint8Array | null = null): number[] {
  const out = new Uint32Array(canvas.width * canvas.height);
  resample(plane, good, view, canvas, out);
  return [...out];
}

const four = planeOf(2, Uint16Array.from([1, 2, 3, 4]));

test('pixel for pixel the canvas shows the codes themselves', () => {
  assert.deepEqual(shown(four, { scale: 1, x: 1, y: 1 }, { width: 2, height: 2 }), [1, 2, 3, 4]);
});

test('zoomed in, every frame pixel is a square', () => {
  const seen = shown(four, { scale: 2, x: 1, y: 1 }, { width: 4, height: 4 });
  assert.deepEqual(seen, [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
});

test('zoomed out, a spot of one pixel stays as strong as it is', () => {
  const codes = new Uint16Array(64).fill(5);
  codes[27] = 900;
  const seen = shown(planeOf(8, codes), { scale: 0.25, x: 4, y: 4 }, { width: 2, height: 2 });
  assert.deepEqual(seen, [900, 5, 5, 5]);
});

test('every canvas pixel looks at the same number of frame pixels', () => {
  const spans = spansAlong(0, 0.85, 80, 0, 1, 100);
  spans.from.forEach((from, i) => assert.equal(spans.to[i] - from, 2));
});

test('beside the frame there is nothing', () => {
  const seen = shown(four, { scale: 1, x: 1, y: 1 }, { width: 4, height: 2 });
  assert.deepEqual(seen, [OUTSIDE, 1, 2, OUTSIDE, OUTSIDE, 3, 4, OUTSIDE]);
});

test('masked and valueless pixels do not outshine good ones', () => {
  const plane = planeOf(2, Uint16Array.from([10, 65535, 999, 20]), { badCode: 65535 });
  const good = Uint8Array.from([1, 1, 0, 1]);
  assert.deepEqual(shown(plane, { scale: 0.5, x: 1, y: 1 }, { width: 1, height: 1 }, good), [20]);
});

test('where no pixel is good, the masked one is shown for what it is', () => {
  const good = new Uint8Array(4);
  assert.deepEqual(shown(four, { scale: 1, x: 1, y: 1 }, { width: 2, height: 2 }, good), [1, 2, 3, 4]);
  const bad = planeOf(1, Uint16Array.from([65535]), { badCode: 65535 });
  assert.deepEqual(shown(bad, { scale: 1, x: 0.5, y: 0.5 }, { width: 1, height: 1 }), [65535]);
});

test('a layer of part of the frame lies in its place', () => {
  const part = planeOf(1, Uint16Array.from([7]), { x0: 2, y0: 0 });
  assert.deepEqual(shown(part, { scale: 1, x: 2, y: 0.5 }, { width: 4, height: 1 }), [OUTSIDE, OUTSIDE, 7, OUTSIDE]);
});

test('a preview covers as much of the frame as the pixels it stands for', () => {
  const preview = planeOf(2, Uint16Array.from([1, 2]), { step: 4 });
  assert.deepEqual(shown(preview, { scale: 0.5, x: 4, y: 1 }, { width: 4, height: 1 }), [1, 1, 2, 2]);
});
