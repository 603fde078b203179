import assert from 'node:assert/strict';
import { test } from 'node:test';
import { paletteOf } from '../src/colormaps';
import {
  buildTable,
  DEFAULT_CONTRAST,
  limitsFor,
  percentile,
  sampleCodes,
  STRETCHES,
  STRETCH_NAMES,
  valueOf
} from '../src/contrast';
import { planeOf } from './planes';

test('every stretch keeps both ends and rises between them', () => {
  for (const name of STRETCH_NAMES) {
    const bend = STRETCHES[name];
    assert.equal(bend(0), 0);
    assert.ok(Math.abs(bend(1) - 1) < 1e-12);
    for (let i = 1; i <= 100; i++) {
      assert.ok(bend(i / 100) > bend((i - 1) / 100), name);
    }
  }
});

test('percentiles fall between neighbours as numpy puts them', () => {
  const sorted = Uint16Array.from([0, 10, 20, 30]);
  assert.equal(percentile(sorted, 0), 0);
  assert.equal(percentile(sorted, 50), 15);
  assert.equal(percentile(sorted, 90), 27);
  assert.equal(percentile(sorted, 100), 30);
  assert.ok(Number.isNaN(percentile(new Uint16Array(0), 50)));
});

test('a block counts by its highest good pixel', () => {
  const plane = planeOf(4, Uint16Array.from([1, 2, 9, 4, 5, 6, 7, 8]), { badCode: 9 });
  assert.deepEqual([...sampleCodes(plane, null, 2)], [6, 8]);
  const good = Uint8Array.from([1, 1, 1, 1, 1, 0, 1, 0]);
  assert.deepEqual([...sampleCodes(plane, good, 2)], [5, 7]);
});

test('limits follow percentiles, or the values that the user set', () => {
  const plane = planeOf(2, Uint16Array.from([0, 0, 0, 0]), { offset: 100, scale: 0.5 });
  const sorted = Uint16Array.from([0, 100]);
  assert.deepEqual(limitsFor(plane, { ...DEFAULT_CONTRAST, lowPercentile: 0, highPercentile: 100 }, sorted), {
    low: 100,
    high: 150
  });
  assert.deepEqual(limitsFor(plane, { ...DEFAULT_CONTRAST, mode: 'manual', low: 3, high: 4 }, sorted), {
    low: 3,
    high: 4
  });
});

test('limits of a constant or an empty frame still differ', () => {
  const plane = planeOf(1, Uint16Array.from([7]));
  const constant = limitsFor(plane, DEFAULT_CONTRAST, Uint16Array.from([7, 7, 7]));
  assert.ok(constant.high > constant.low);
  assert.deepEqual(limitsFor(plane, DEFAULT_CONTRAST, new Uint16Array(0)), { low: 0, high: 1 });
});

test('the table of inverted grey goes from white to black within the limits', () => {
  const plane = planeOf(1, Uint16Array.from([0]), { offset: -10, scale: 2, badCode: 65535 });
  const table = buildTable(plane, { low: 0, high: 20 }, 'linear', paletteOf('inverted grey'), 0x11223344);
  assert.equal(table[0], 0xffffffff);
  assert.equal(table[5], 0xffffffff);
  assert.equal(table[10] & 255, 127);
  assert.equal(table[15], 0xff000000);
  assert.equal(table[60000], 0xff000000);
  assert.equal(table[65535], 0x11223344);
  assert.equal(valueOf(plane, 10), 10);
});

test('a one-byte plane gets a table of 256 colours', () => {
  const plane = planeOf(1, Uint8Array.from([0]));
  assert.equal(buildTable(plane, { low: 0, high: 255 }, 'linear', paletteOf('grey'), 0).length, 256);
});
