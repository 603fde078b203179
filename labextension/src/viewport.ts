// Where the frame lies on the canvas. Pixel (0, 0) of the frame covers 0 <= x < 1, so its middle is at (0.5, 0.5).

import type { Point, Rectangle, Size, Viewport } from './models';

export const MOST_ZOOM = 64;
const FIT_MARGIN = 0.985;

export function fit(bounds: Rectangle, canvas: Size): Viewport {
  const scale = Math.min(canvas.width / bounds.width, canvas.height / bounds.height) * FIT_MARGIN;
  return {
    scale: Number.isFinite(scale) && scale > 0 ? scale : 1,
    x: bounds.x + bounds.width / 2,
    y: bounds.y + bounds.height / 2
  };
}

export function toFrame(view: Viewport, canvas: Size, screen: Point): Point {
  return {
    x: view.x + (screen.x - canvas.width / 2) / view.scale,
    y: view.y + (screen.y - canvas.height / 2) / view.scale
  };
}

export function toScreen(view: Viewport, canvas: Size, point: Point): Point {
  return {
    x: canvas.width / 2 + (point.x - view.x) * view.scale,
    y: canvas.height / 2 + (point.y - view.y) * view.scale
  };
}

/** Zooms by `factor` so that the frame point under `screen` stays there. */
export function zoomAt(view: Viewport, canvas: Size, screen: Point, factor: number, least: number): Viewport {
  const scale = Math.min(MOST_ZOOM, Math.max(least, view.scale * factor));
  const anchor = toFrame(view, canvas, screen);
  return {
    scale,
    x: anchor.x - (screen.x - canvas.width / 2) / scale,
    y: anchor.y - (screen.y - canvas.height / 2) / scale
  };
}

export function pan(view: Viewport, dx: number, dy: number): Viewport {
  return { scale: view.scale, x: view.x - dx / view.scale, y: view.y - dy / view.scale };
}

/** The view that shows the box drawn between two screen points, or the same view for a box of a few pixels. */
export function zoomToBox(view: Viewport, canvas: Size, from: Point, to: Point): Viewport {
  if (Math.abs(from.x - to.x) < 4 || Math.abs(from.y - to.y) < 4) {
    return view;
  }
  const a = toFrame(view, canvas, from);
  const b = toFrame(view, canvas, to);
  const box = { x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.abs(a.x - b.x), height: Math.abs(a.y - b.y) };
  const fitted = fit(box, canvas);
  return { ...fitted, scale: Math.min(MOST_ZOOM, fitted.scale) };
}

/** One frame pixel on `ratio` canvas pixels, around the same middle. */
export function oneToOne(view: Viewport, ratio = 1): Viewport {
  return { ...view, scale: ratio };
}

/** Keeps some of the frame in sight: its nearest edge never leaves the middle of the canvas. */
export function keepInSight(view: Viewport, bounds: Rectangle): Viewport {
  return {
    scale: view.scale,
    x: Math.min(bounds.x + bounds.width, Math.max(bounds.x, view.x)),
    y: Math.min(bounds.y + bounds.height, Math.max(bounds.y, view.y))
  };
}

export function wheelFactor(deltaY: number, deltaMode: number): number {
  const pixels = deltaMode === 1 ? deltaY * 16 : deltaMode === 2 ? deltaY * 400 : deltaY;
  return Math.exp(-Math.max(-300, Math.min(300, pixels)) / 400);
}
