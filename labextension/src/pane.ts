// The frame on its canvas, with lines over it, the row profile beside it, and the mouse.

import { drawMarks, drawProfile, spotUnder } from './annotate';
import { rgba } from './colormaps';
import { limitsFor, percentile, sampleCodes, valueOf } from './contrast';
import { maskUnder } from './decode';
import type { Display } from './display';
import { contextOf, make } from './dom';
import type { LayerName, Limits, Plane, Point, Setup, Size, Viewport } from './models';
import { baseSheet, makePainter, maskSheet, tintSheet, type Painter, type Sheet } from './painter';
import type { PixelStore } from './pixels';
import { fit, keepInSight, oneToOne, pan, toFrame, wheelFactor, zoomAt, zoomToBox } from './viewport';

const TINT_PERCENTILES: Limits = { low: 98, high: 99.95 };
const ATTENTION_TINT: Limits = { low: 0.1, high: 1 };
const NO_LIMITS: Limits = { low: 0, high: 1 };

export interface PaneEvents {
  hovered(point: Point | null, spot: number): void;
  /** The picture moved, so other pixels may be needed. */
  moved(): void;
  drawn(position: number): void;
}

interface Drag {
  kind: 'pan' | 'box';
  from: Point;
  last: Point;
}

export class FramePane {
  readonly element: HTMLElement;
  /** Limits in use for the layer that is shown. */
  limits: Limits = NO_LIMITS;
  hoverRow = -1;

  constructor(
    private readonly setup: Setup,
    private readonly display: Display,
    private readonly pixels: PixelStore,
    private readonly good: Uint8Array | null,
    private readonly events: PaneEvents
  ) {
    this.painter = makePainter(setup.renderer);
    this.painter.canvas.className = 'sfx-pixels';
    this.bad = good === null ? null : good.map(value => 1 - value);
    this.stage = make('div', {
      class: 'sfx-stage',
      attributes: { role: 'img', 'aria-label': 'no frame yet' },
      children: [this.painter.canvas, this.marks, this.message]
    });
    this.element = make('div', { class: 'sfx-pane', children: [this.stage, this.beside] });
    this.message.hidden = true;
    this.whole = { x: 0, y: 0, width: setup.run.width, height: setup.run.height };
    this.listen();
    this.resizing.observe(this.stage);
    this.theming.observe(document.body, { attributes: true });
  }

  get rendererKind(): string {
    return this.painter.kind;
  }

  get picture(): HTMLCanvasElement {
    return this.painter.canvas;
  }

  /** Frame pixels per canvas pixel below which full pixels are wanted. */
  get scale(): number {
    return this.view.scale;
  }

  describe(text: string): void {
    this.stage.setAttribute('aria-label', text);
  }

  /** Shows the frame, or says that it is on its way. Returns whether its pixels were drawn. */
  show(position: number): boolean {
    this.position = position;
    return this.paint();
  }

  paint(): boolean {
    if (this.size.width < 2 || this.position < 0) {
      return false;
    }
    const plane = this.bestPlane(this.display.layer);
    const sheets = plane === null ? [] : [this.base(plane), ...this.overlays()];
    this.painter.paint({ sheets, view: this.view, background: this.background });
    this.drawLines();
    this.tell(plane);
    if (plane !== null) {
      this.events.drawn(this.position);
    }
    return plane !== null;
  }

  drawLines(): void {
    const { display, view, size } = this;
    const spots = this.pixels.spots(this.position) ?? null;
    drawMarks(this.lines, size, view, {
      spots: display.shown.spots ? spots : null,
      crop: display.shown.crop ? this.setup.crop : null,
      rings: display.shown.rings ? { geometry: this.setup.geometry, frame: this.setup.run } : null,
      box: this.drag?.kind === 'box' ? { from: this.drag.from, to: this.drag.last } : null,
      opacity: display.opacity
    });
    this.beside.hidden = !display.shown.profile;
    if (display.shown.profile) {
      const ink = getComputedStyle(this.beside).color;
      const profile = this.pixels.profile(this.position) ?? null;
      drawProfile(
        this.sideLines,
        { width: this.beside.width, height: this.beside.height },
        size,
        view,
        profile,
        this.hoverRow,
        ink
      );
    }
  }

  /** The whole frame; if it is shown whole already, the crop that the model sees. */
  fitNext(): void {
    const { crop } = this.setup;
    this.fitted = this.fitted === 'whole' && crop !== null ? 'crop' : 'whole';
    this.refit();
    this.changed();
  }

  zoom(factor: number, at: Point = { x: this.size.width / 2, y: this.size.height / 2 }): void {
    this.move(zoomAt(this.view, this.size, at, factor, 0.5 * fit(this.whole, this.size).scale));
  }

  pixelForPixel(): void {
    this.move(oneToOne(this.view));
  }

  /** The best picture of a layer that is here: full pixels, else the preview. */
  bestPlane(layer: LayerName): Plane | null {
    const full = this.pixels.plane(this.position, layer, 1);
    return full ?? this.pixels.plane(this.position, layer, this.previewStep) ?? null;
  }

  /** RGBA of the canvas pixel that shows a frame pixel. */
  colourOf(point: Point): number[] {
    const x = this.size.width / 2 + (point.x + 0.5 - this.view.x) * this.view.scale;
    const y = this.size.height / 2 + (point.y + 0.5 - this.view.y) * this.view.scale;
    return [...this.painter.readPixel(Math.floor(x), Math.floor(y))];
  }

  /** Frame pixels per pixel of the preview of a large frame: about what the screen can show. */
  get previewStep(): number {
    const side = Math.max(this.setup.run.width, this.setup.run.height);
    return side <= LARGE_FRAME ? 1 : Math.ceil(side / PREVIEW_SIDE);
  }

  dispose(): void {
    this.resizing.disconnect();
    this.theming.disconnect();
    this.painter.dispose();
  }

  private base(plane: Plane): Sheet {
    const good = maskUnder(this.good, this.setup.run.width, plane);
    const contrast = this.display.contrast[this.display.layer];
    const factor = Math.max(1, Math.floor(1 / (fit(this.whole, this.size).scale * plane.step)));
    this.limits = limitsFor(plane, contrast, contrast.mode === 'manual' ? NO_CODES : sampleCodes(plane, good, factor));
    return baseSheet(plane, good, contrast, this.limits);
  }

  private overlays(): Sheet[] {
    const { shown, opacity } = this.display;
    const sheets: Sheet[] = [];
    for (const layer of ['lcn', 'attention'] as const) {
      const plane = shown[layer] ? this.bestPlane(layer) : null;
      if (plane !== null && this.display.layer !== layer) {
        sheets.push(tintSheet(plane, layer === 'lcn' ? lcnTint(plane) : ATTENTION_TINT, opacity[layer]));
      }
    }
    if (shown.mask && this.bad !== null) {
      sheets.push(maskSheet(this.bad, this.setup.run.width, this.setup.run.height, opacity.mask));
    }
    return sheets;
  }

  private tell(plane: Plane | null): void {
    const note = this.pixels.note(this.position);
    const problem = this.pixels.problem({ position: this.position, layer: this.display.layer, step: this.previewStep });
    const text =
      plane === null ? problem || 'Waiting for this frame …' : note?.status === 'ok' ? '' : (note?.message ?? '');
    this.message.textContent = text;
    this.message.hidden = text === '';
    this.message.classList.toggle('sfx-grave', plane === null && problem !== '');
  }

  private resize(): void {
    const width = this.stage.clientWidth;
    const height = this.stage.clientHeight;
    if (width < 2 || height < 2) {
      return;
    }
    const ratio = Math.min(window.devicePixelRatio || 1, Math.sqrt(this.painter.comfortable / (width * height)));
    const before = this.ratio;
    this.ratio = ratio;
    this.size = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
    this.painter.resize(this.size);
    Object.assign(this.marks, this.size);
    Object.assign(this.beside, { width: Math.round(this.beside.clientWidth * ratio), height: this.size.height });
    this.background = themeBackground(this.stage);
    if (this.fitted === null) {
      this.view = { ...this.view, scale: (this.view.scale * ratio) / before };
    } else {
      this.refit();
    }
    this.paint();
  }

  private refit(): void {
    this.view = fit(this.fitted === 'crop' && this.setup.crop !== null ? this.setup.crop : this.whole, this.size);
  }

  private move(view: Viewport): void {
    this.fitted = null;
    this.view = keepInSight(view, this.whole);
    this.changed();
  }

  private changed(): void {
    this.events.moved();
    this.paint();
  }

  private listen(): void {
    const { stage } = this;
    stage.addEventListener('pointerdown', event => this.press(event));
    stage.addEventListener('pointermove', event => this.hover(event));
    stage.addEventListener('pointerup', event => this.release(event));
    stage.addEventListener('pointerleave', () => this.point(null));
    stage.addEventListener('dblclick', () => this.fitNext());
    stage.addEventListener(
      'wheel',
      event => {
        // a page that scrolls over an idle viewer must go on scrolling
        if (stage.closest('.sfx-root')?.contains(document.activeElement) === true) {
          event.preventDefault();
          this.zoom(wheelFactor(event.deltaY, event.deltaMode), this.at(event));
        }
      },
      { passive: false }
    );
  }

  private at(event: MouseEvent): Point {
    const box = this.stage.getBoundingClientRect();
    return { x: (event.clientX - box.left) * this.ratio, y: (event.clientY - box.top) * this.ratio };
  }

  private press(event: PointerEvent): void {
    if (event.button !== 0) {
      return;
    }
    const at = this.at(event);
    this.drag = { kind: event.shiftKey ? 'box' : 'pan', from: at, last: at };
    this.stage.setPointerCapture(event.pointerId);
  }

  private hover(event: PointerEvent): void {
    const at = this.at(event);
    if (this.drag === null) {
      this.point(at);
      return;
    }
    const { last } = this.drag;
    this.drag.last = at;
    if (this.drag.kind === 'box') {
      this.drawLines();
    } else if (at.x !== last.x || at.y !== last.y) {
      this.move(pan(this.view, at.x - last.x, at.y - last.y));
    }
  }

  private release(event: PointerEvent): void {
    const { drag } = this;
    this.drag = null;
    if (drag?.kind === 'box') {
      this.move(zoomToBox(this.view, this.size, drag.from, this.at(event)));
    }
  }

  private point(at: Point | null): void {
    const spots = this.pixels.spots(this.position) ?? null;
    const spot = at === null || !this.display.shown.spots ? -1 : spotUnder(spots, this.size, this.view, at);
    this.events.hovered(at === null ? null : toFrame(this.view, this.size, at), spot);
  }

  private readonly resizing = new ResizeObserver(() => this.resize());
  /** JupyterLab names its theme in an attribute of the page; the lines beside the frame take its colours. */
  private readonly theming = new MutationObserver(() => this.drawLines());
  private readonly painter: Painter;
  private readonly stage: HTMLElement;
  private readonly marks = make('canvas', { class: 'sfx-marks', attributes: { 'aria-hidden': 'true' } });
  private readonly beside = make('canvas', {
    class: 'sfx-profile',
    title: 'Row-wise decomposition (RWD): highest minus lowest LCN value of each row',
    attributes: { role: 'img', 'aria-label': 'row-wise profile' }
  });
  private readonly message = make('div', { class: 'sfx-message', attributes: { role: 'status' } });
  private readonly lines = contextOf(this.marks);
  private readonly sideLines = contextOf(this.beside);
  private readonly bad: Uint8Array | null;
  private readonly whole: { x: number; y: number; width: number; height: number };
  private size: Size = { width: 0, height: 0 };
  private view: Viewport = { scale: 1, x: 0, y: 0 };
  private fitted: 'whole' | 'crop' | null = 'whole';
  private ratio = 1;
  private background = 0xff888888;
  private position = -1;
  private drag: Drag | null = null;
}

/** Tints what stands out of this frame's own noise, be the frame strong or weak. */
function lcnTint(plane: Plane): Limits {
  const sorted = sampleCodes(plane, null, 1);
  const [low, high] = [TINT_PERCENTILES.low, TINT_PERCENTILES.high].map(at => valueOf(plane, percentile(sorted, at)));
  return { low, high: Math.max(high, low + 0.5) };
}

const LARGE_FRAME = 2400;
const PREVIEW_SIDE = 1400;
const NO_CODES = new Uint16Array(0);

function themeBackground(element: HTMLElement): number {
  const [red = 136, green = 136, blue = 136] = (getComputedStyle(element).backgroundColor.match(/\d+/g) ?? []).map(
    Number
  );
  return rgba(red, green, blue);
}
