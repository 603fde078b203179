import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fit,
  keepInSight,
  MOST_ZOOM,
  oneToOne,
  pan,
  toFrame,
  toScreen,
  wheelFactor,
  zoomAt,
  zoomToBox
} from '../src/viewport';

const canvas = { width: 600, height: 400 };
const frame = { x: 0, y: 0, width: 1920, height: 1920 };

test('a fitted frame lies whole in the middle of the canvas', () => {
  const view = fit(frame, canvas);
  assert.ok(view.scale * 1920 <= 400);
  assert.ok(view.scale * 1920 > 380);
  assert.deepEqual(toScreen(view, canvas, { x: 960, y: 960 }), { x: 300, y: 200 });
});

test('an empty frame does not break the view', () => {
  assert.equal(fit({ x: 0, y: 0, width: 0, height: 0 }, canvas).scale, 1);
});

test('screen to frame and back is the same point', () => {
  const view = { scale: 2.5, x: 100, y: 50 };
  const point = toFrame(view, canvas, { x: 17, y: 333 });
  const back = toScreen(view, canvas, point);
  assert.ok(Math.abs(back.x - 17) < 1e-9 && Math.abs(back.y - 333) < 1e-9);
});

test('zooming keeps the point under the mouse', () => {
  const view = fit(frame, canvas);
  const mouse = { x: 120, y: 300 };
  const before = toFrame(view, canvas, mouse);
  const after = toFrame(zoomAt(view, canvas, mouse, 3, 0.01), canvas, mouse);
  assert.ok(Math.abs(before.x - after.x) < 1e-9 && Math.abs(before.y - after.y) < 1e-9);
});

test('zooming stops at both ends', () => {
  const view = fit(frame, canvas);
  assert.equal(zoomAt(view, canvas, { x: 0, y: 0 }, 1e9, 0.1).scale, MOST_ZOOM);
  assert.equal(zoomAt(view, canvas, { x: 0, y: 0 }, 1e-9, 0.1).scale, 0.1);
});

test('dragging to the right shows what lies to the left', () => {
  assert.deepEqual(pan({ scale: 2, x: 100, y: 100 }, 10, -4), { scale: 2, x: 95, y: 102 });
});

test('a box fills the canvas, whichever corner it is drawn from; a slip of the mouse does nothing', () => {
  const view = { scale: 1, x: 300, y: 200 };
  const zoomed = zoomToBox(view, canvas, { x: 350, y: 250 }, { x: 250, y: 150 });
  assert.deepEqual([zoomed.x, zoomed.y], [300, 200]);
  assert.ok(zoomed.scale > 3.8 && zoomed.scale < 4);
  assert.equal(zoomToBox(view, canvas, { x: 10, y: 10 }, { x: 12, y: 90 }), view);
});

test('the frame cannot be pushed out of sight', () => {
  assert.deepEqual(keepInSight({ scale: 1, x: -500, y: 5000 }, frame), { scale: 1, x: 0, y: 1920 });
  assert.equal(oneToOne({ scale: 0.3, x: 4, y: 5 }).scale, 1);
});

test('wheels that count lines or pages zoom as those that count pixels', () => {
  assert.equal(wheelFactor(-16, 0), wheelFactor(-1, 1));
  assert.ok(wheelFactor(-100, 0) > 1 && wheelFactor(100, 0) < 1);
  assert.ok(wheelFactor(1e6, 2) > 0.4);
});
