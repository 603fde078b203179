import assert from 'node:assert/strict';
import { test } from 'node:test';
import { radiusOf, resolutionAt, ringsFor } from '../src/resolution';

const geometry = { beamCenterPx: [960, 960] as const, pixelSizeMm: 0.177, distanceMm: 124, wavelengthAngstrom: 1.304 };

test('resolution at the edge of a Rayonix frame, worked out by hand', () => {
  // r = 960 px * 0.177 mm = 169.92 mm; 2 theta = atan(169.92 / 124) = 53.88 deg; d = 1.304 / (2 sin 26.94 deg) = 1.439
  assert.ok(Math.abs(resolutionAt(geometry, { x: 1920, y: 960 }) - 1.439) < 0.001);
});

test('the radius of a resolution leads back to it', () => {
  for (const d of [1.5, 2, 3.5, 10]) {
    const radius = radiusOf(geometry, d);
    assert.ok(Math.abs(resolutionAt(geometry, { x: 960 + radius, y: 960 }) - d) < 1e-9);
  }
});

test('there is no ring beyond half the wavelength, nor behind the sample', () => {
  assert.ok(Number.isNaN(radiusOf(geometry, 0.6)));
  assert.ok(Number.isNaN(radiusOf(geometry, 0.7)));
});

test('unknown geometry gives no resolution and no rings', () => {
  const unknown = { ...geometry, distanceMm: null };
  assert.ok(Number.isNaN(resolutionAt(unknown, { x: 0, y: 0 })));
  assert.deepEqual(ringsFor(unknown, 1920, 1920), []);
});

test('rings are few, ascending in radius and within the frame', () => {
  const rings = ringsFor(geometry, 1920, 1920);
  assert.ok(rings.length >= 2 && rings.length <= 4);
  rings.forEach((ring, i) => assert.ok(ring.radius > (rings[i - 1]?.radius ?? 0) && ring.radius <= 1358));
});
