// Lines over the frame: circles around spots, the crop, resolution rings, the beam centre, and the box being drawn.

import type { Geometry, Point, Profile, Rectangle, Size, Spots, Viewport } from './models';
import { ringsFor } from './resolution';
import { toScreen } from './viewport';

const SPOT_COLOUR = '#d55e00';
const RING_COLOUR = '#0072b2';
const CROP_COLOUR = '#009e73';
const HALO = 'rgba(255, 255, 255, 0.75)';

export interface Marks {
  spots: Spots | null;
  crop: Rectangle | null;
  rings: { geometry: Geometry; frame: Size } | null;
  box: { from: Point; to: Point } | null;
  opacity: Readonly<{ spots: number; crop: number; rings: number }>;
}

export function drawMarks(context: CanvasRenderingContext2D, canvas: Size, view: Viewport, marks: Marks): void {
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (marks.rings !== null) {
    context.globalAlpha = marks.opacity.rings;
    drawRings(context, canvas, view, marks.rings.geometry, marks.rings.frame);
  }
  if (marks.crop !== null) {
    context.globalAlpha = marks.opacity.crop;
    drawCrop(context, canvas, view, marks.crop);
  }
  if (marks.spots !== null) {
    context.globalAlpha = marks.opacity.spots;
    drawSpots(context, canvas, view, marks.spots);
  }
  context.globalAlpha = 1;
  if (marks.box !== null) {
    drawBox(context, marks.box.from, marks.box.to);
  }
}

function stroke(context: CanvasRenderingContext2D, colour: string, width: number): void {
  context.strokeStyle = HALO;
  context.lineWidth = width + 2;
  context.stroke();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke();
}

/** Radius of the circle around a spot, in canvas pixels. */
export function spotRadius(view: Viewport): number {
  return Math.max(6, 5 * view.scale);
}

function drawSpots(context: CanvasRenderingContext2D, canvas: Size, view: Viewport, spots: Spots): void {
  const radius = spotRadius(view);
  context.beginPath();
  spots.x.forEach((x, i) => {
    const at = toScreen(view, canvas, { x: x + 0.5, y: spots.y[i] + 0.5 });
    context.moveTo(at.x + radius, at.y);
    context.arc(at.x, at.y, radius, 0, 2 * Math.PI);
  });
  stroke(context, SPOT_COLOUR, 1.5);
}

/** Index of the spot whose circle holds the canvas point, or -1. */
export function spotUnder(spots: Spots | null, canvas: Size, view: Viewport, point: Point): number {
  if (spots === null) {
    return -1;
  }
  const radius = spotRadius(view);
  return spots.x.findIndex((x, i) => {
    const at = toScreen(view, canvas, { x: x + 0.5, y: spots.y[i] + 0.5 });
    return Math.hypot(at.x - point.x, at.y - point.y) <= radius;
  });
}

function drawCrop(context: CanvasRenderingContext2D, canvas: Size, view: Viewport, crop: Rectangle): void {
  const at = toScreen(view, canvas, crop);
  context.beginPath();
  context.setLineDash([7, 4]);
  context.rect(at.x, at.y, crop.width * view.scale, crop.height * view.scale);
  stroke(context, CROP_COLOUR, 1.5);
  context.setLineDash([]);
}

function drawRings(
  context: CanvasRenderingContext2D,
  canvas: Size,
  view: Viewport,
  geometry: Geometry,
  frame: Size
): void {
  if (geometry.beamCenterPx === null) {
    return;
  }
  const [x, y] = geometry.beamCenterPx;
  const centre = toScreen(view, canvas, { x, y });
  context.beginPath();
  context.moveTo(centre.x - 9, centre.y);
  context.lineTo(centre.x + 9, centre.y);
  context.moveTo(centre.x, centre.y - 9);
  context.lineTo(centre.x, centre.y + 9);
  stroke(context, RING_COLOUR, 1.5);
  for (const ring of ringsFor(geometry, frame.width, frame.height)) {
    drawRing(context, centre, ring.radius * view.scale, `${ring.resolution} Å`);
  }
}

function drawRing(context: CanvasRenderingContext2D, centre: Point, radius: number, text: string): void {
  context.beginPath();
  context.arc(centre.x, centre.y, radius, 0, 2 * Math.PI);
  stroke(context, RING_COLOUR, 1);
  const at = { x: centre.x + radius * Math.SQRT1_2 + 3, y: centre.y + radius * Math.SQRT1_2 - 3 };
  context.font = '12px sans-serif';
  context.lineWidth = 3;
  context.strokeStyle = HALO;
  context.strokeText(text, at.x, at.y);
  context.fillStyle = RING_COLOUR;
  context.fillText(text, at.x, at.y);
}

function drawBox(context: CanvasRenderingContext2D, from: Point, to: Point): void {
  context.beginPath();
  context.rect(Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(from.x - to.x), Math.abs(from.y - to.y));
  stroke(context, '#000', 1);
}

/** The row-wise profile with its rows beside those of the frame; `row` is the frame row under the mouse, or -1. */
export function drawProfile(
  context: CanvasRenderingContext2D,
  size: Size,
  frameCanvas: Size,
  view: Viewport,
  profile: Profile | null,
  row: number,
  ink: string
): void {
  context.clearRect(0, 0, size.width, size.height);
  if (profile === null || profile.values.length === 0) {
    return;
  }
  const highest = profile.values.reduce((most, value) => (value > most ? value : most), 1e-6);
  const place = (frameRow: number): number => toScreen(view, frameCanvas, { x: 0, y: frameRow }).y;
  context.beginPath();
  profile.values.forEach((value, i) => {
    const x = (value / highest) * (size.width - 6);
    const y = place(profile.y0 + i + 0.5);
    if (i === 0) {
      context.moveTo(x, y);
    } else {
      context.lineTo(x, y);
    }
  });
  context.strokeStyle = ink;
  context.lineWidth = 1;
  context.stroke();
  const value = profile.values.at(row - profile.y0);
  if (value !== undefined && row >= profile.y0) {
    const y = place(row + 0.5);
    context.fillStyle = SPOT_COLOUR;
    context.fillRect(0, y - 1, (value / highest) * (size.width - 6), 2);
    context.font = '12px sans-serif';
    context.fillText(value.toFixed(2), 4, Math.max(12, y - 4));
  }
}
