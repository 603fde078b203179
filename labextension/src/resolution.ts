// Resolution in Angstrom of a pixel of a flat detector that stands square to the beam.

import type { Geometry, Point } from './models';

const RING_CHOICES = [40, 30, 20, 15, 10, 8, 6, 5, 4, 3.5, 3, 2.5, 2.2, 2, 1.8, 1.6, 1.5, 1.4, 1.2, 1];

export interface Ring {
  resolution: number;
  radius: number;
}

interface KnownGeometry {
  center: readonly [number, number];
  pixel: number;
  distance: number;
  wavelength: number;
}

function known(geometry: Geometry): KnownGeometry | null {
  const { beamCenterPx, pixelSizeMm, distanceMm, wavelengthAngstrom } = geometry;
  if (beamCenterPx === null || !pixelSizeMm || !distanceMm || !wavelengthAngstrom) {
    return null;
  }
  return { center: beamCenterPx, pixel: pixelSizeMm, distance: distanceMm, wavelength: wavelengthAngstrom };
}

/** Of a point in frame pixels, the first pixel reaching from 0 to 1. Bragg's law: d = lambda / (2 sin(theta)), tan(2 theta) = r / distance. NaN where the geometry is unknown. */
export function resolutionAt(geometry: Geometry, point: Point): number {
  const g = known(geometry);
  if (g === null) {
    return NaN;
  }
  const radius = Math.hypot(point.x - g.center[0], point.y - g.center[1]) * g.pixel;
  return g.wavelength / (2 * Math.sin(0.5 * Math.atan2(radius, g.distance)));
}

/** Radius in pixels of the ring of one resolution; NaN where no ring of it meets the detector plane. */
export function radiusOf(geometry: Geometry, resolution: number): number {
  const g = known(geometry);
  if (g === null || resolution * 2 < g.wavelength) {
    return NaN;
  }
  const angle = 2 * Math.asin(g.wavelength / (2 * resolution));
  return angle < Math.PI / 2 ? (g.distance * Math.tan(angle)) / g.pixel : NaN;
}

/** Up to `most` rings of round resolutions, spread over the radii that the frame holds. */
export function ringsFor(geometry: Geometry, width: number, height: number, most = 4): Ring[] {
  const g = known(geometry);
  if (g === null) {
    return [];
  }
  const corners = [0, width].flatMap(x => [0, height].map(y => Math.hypot(x - g.center[0], y - g.center[1])));
  const farthest = Math.max(...corners);
  const rings: Ring[] = [];
  for (const resolution of RING_CHOICES) {
    const radius = radiusOf(geometry, resolution);
    const last = rings.at(-1)?.radius ?? 0;
    if (radius <= farthest && radius - last >= farthest / (most + 1)) {
      rings.push({ resolution, radius });
    }
  }
  return rings.slice(0, most);
}
