import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationText, Pace } from '../src/pace';
import { UNLABELLED, Walk } from '../src/walk';

function walkOver(order: number[], n = 6, position = order[0] ?? 0): Walk {
  return new Walk(Int32Array.from(order), new Int8Array(n).fill(UNLABELLED), position);
}

test('steps follow the queue and stop at its ends', () => {
  const walk = walkOver([4, 1, 5]);
  assert.equal(walk.position, 4);
  assert.equal(walk.step(-1), false);
  assert.equal(walk.step(1), true);
  assert.equal(walk.position, 1);
  walk.step(1);
  assert.equal(walk.step(1), false);
  assert.equal(walk.position, 5);
});

test('the likeliest frames are fetched first, both ways', () => {
  const walk = walkOver([0, 1, 2, 3, 4, 5], 6, 2);
  assert.deepEqual(walk.neighbours(2), [3, 1, 4, 0]);
  assert.deepEqual(walkOver([0, 1]).neighbours(4), [1]);
});

test('the next frame without a label is found past the end', () => {
  const walk = walkOver([0, 1, 2, 3], 4, 2);
  walk.labels.set([-1, 2, 1, 0]);
  assert.equal(walk.nextUnlabelled(), 0);
  assert.equal(walk.nextUnlabelled(new Set([0])), -1);
});

test('the frame on screen counts as the last resort', () => {
  const walk = walkOver([0, 1], 2);
  walk.labels[1] = 2;
  assert.equal(walk.nextUnlabelled(), 0);
});

test('a frame outside the queue is shown without losing the place', () => {
  const walk = walkOver([4, 1, 5]);
  walk.step(1);
  assert.equal(walk.goTo(0), true);
  assert.equal(walk.position, 0);
  walk.step(1);
  assert.equal(walk.position, 5);
  assert.equal(walk.goTo(99), false);
});

test('another order keeps the frame on screen', () => {
  const walk = walkOver([0, 1, 2], 6, 1);
  walk.setOrder(Int32Array.from([5, 1, 0]));
  assert.equal(walk.position, 1);
  walk.step(1);
  assert.equal(walk.position, 0);
});

test('counts are by label, miss first', () => {
  const walk = walkOver([0], 6);
  walk.labels.set([2, 2, 0, 1, -1, 2]);
  assert.deepEqual(walk.counts(), [1, 1, 3]);
});

test('an empty queue shows no frame', () => {
  const walk = walkOver([], 0);
  assert.equal(walk.position, -1);
  assert.equal(walk.nextUnlabelled(), -1);
});

test('the pace leaves out pauses', () => {
  const pace = new Pace();
  assert.ok(Number.isNaN(pace.perMinute));
  [0, 2, 4, 1000, 1002].forEach(seconds => pace.add(seconds));
  assert.equal(pace.perMinute, 30);
  assert.equal(pace.secondsFor(10), 20);
  assert.equal(durationText(pace.secondsFor(100)), '3 min 20 s');
  assert.equal(durationText(NaN), '–');
});
