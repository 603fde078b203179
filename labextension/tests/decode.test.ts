import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeInt32, decodeMask, decodePlane, decodeProfile, decodeSpots, maskUnder } from '../src/decode';
import type { PlaneMessage } from '../src/models';
import { planeOf } from './planes';

const message: PlaneMessage = {
  type: 'plane',
  client: 'c',
  id: 1,
  position: 3,
  layer: 'raw',
  name: 'run.h5 //3',
  status: 'ok',
  message: '',
  width: 2,
  height: 2,
  x0: 0,
  y0: 0,
  step: 1,
  bytes: 2,
  scale: 1,
  offset: 0,
  badCode: -1,
  clipCode: -1,
  exact: true
};

test('two-byte pixels come out as they went in, aligned or not', () => {
  const bytes = new Uint8Array([99, 1, 0, 255, 255, 0, 128, 7, 0]);
  const shifted = new DataView(bytes.buffer, 1, 8);
  assert.deepEqual([...decodePlane(message, shifted).codes], [1, 65535, 32768, 7]);
  const aligned = new DataView(Uint16Array.from([4, 3, 2, 1]).buffer);
  assert.deepEqual([...decodePlane(message, aligned).codes], [4, 3, 2, 1]);
});

test('one-byte pixels stay one byte', () => {
  const plane = decodePlane({ ...message, bytes: 1 }, new DataView(Uint8Array.from([0, 128, 255, 3]).buffer));
  assert.ok(plane.codes instanceof Uint8Array);
  assert.deepEqual([...plane.codes], [0, 128, 255, 3]);
});

test('a message that does not fit its own header is an error', () => {
  assert.throws(() => decodePlane(message, new DataView(new ArrayBuffer(6))), /Expected 8 bytes of pixels, received 6/);
  assert.throws(() => decodePlane(message, undefined), /received no buffer/);
});

test('spots come as rows and leave as columns', () => {
  const rows = Float32Array.from([10, 20, 7.5, 2.25, 30, 40, 9, NaN]);
  const spots = decodeSpots(5, 2, new DataView(rows.buffer));
  assert.deepEqual([...spots.x], [10, 30]);
  assert.deepEqual([...spots.y], [20, 40]);
  assert.deepEqual([...spots.snr], [7.5, 9]);
  assert.equal(spots.resolution[0], 2.25);
  assert.equal(decodeSpots(5, 0, new DataView(new ArrayBuffer(0))).x.length, 0);
});

test('a profile keeps its first row', () => {
  const profile = decodeProfile(1, 600, 2, new DataView(Float32Array.from([1.5, 2]).buffer));
  assert.deepEqual([profile.y0, ...profile.values], [600, 1.5, 2]);
});

test('mask bits are read most significant first, as numpy packs them', () => {
  const good = decodeMask(5, 2, new DataView(Uint8Array.from([0b10110000, 0b01000000]).buffer));
  assert.deepEqual([...good], [1, 0, 1, 1, 0, 0, 0, 0, 0, 1]);
});

test('a layer is given the part of the mask below it', () => {
  const good = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const part = planeOf(2, new Uint16Array(4), { x0: 1, y0: 1 });
  assert.deepEqual([...(maskUnder(good, 3, part) ?? [])], [5, 6, 8, 9]);
  assert.equal(maskUnder(good, 3, planeOf(3, new Uint16Array(9))), good);
  assert.equal(maskUnder(good, 3, planeOf(1, new Uint16Array(1), { step: 3 })), null);
});

test('positions are four bytes each', () => {
  assert.deepEqual([...decodeInt32(new DataView(Int32Array.from([5, -1]).buffer))], [5, -1]);
});
