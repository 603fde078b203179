// What is under the mouse: pixel, value, LCN value, resolution and the spot.

import { valueOf } from './contrast';
import { make } from './dom';
import type { Host, Plane, Point, Setup, Spots } from './models';
import type { FramePane } from './pane';
import { resolutionAt } from './resolution';

const ASK_AFTER_MS = 60;

export class ReadOut {
  readonly element = make('div', { class: 'sfx-readout', text: ' ', attributes: { 'data-sfx': 'readout' } });

  constructor(
    private readonly host: Host,
    private readonly setup: Setup,
    private readonly pane: FramePane
  ) {}

  hover(position: number, point: Point | null, spots: Spots | undefined, spot: number): void {
    window.clearTimeout(this.timer);
    const pixel = point === null ? null : { x: Math.floor(point.x), y: Math.floor(point.y) };
    if (pixel === null || !this.inside(pixel)) {
      this.asked = 0;
      this.element.textContent = ' ';
      return;
    }
    const raw = this.valueIn(this.pane.bestPlane('raw'), pixel);
    const lcn = this.valueIn(this.pane.bestPlane('lcn'), pixel);
    this.rest = this.around(pixel, spots, spot);
    this.write(pixel, raw ?? '…', lcn ?? '…');
    if (raw === null || lcn === null) {
      this.timer = window.setTimeout(() => this.ask(position, pixel), ASK_AFTER_MS);
    }
  }

  answer(id: number, x: number, y: number, raw: string, lcn: string): void {
    if (id === this.asked) {
      this.write({ x, y }, raw, lcn);
    }
  }

  private ask(position: number, pixel: Point): void {
    this.asked = ++this.lastId;
    this.host.send({ type: 'value', client: this.setup.client, id: this.asked, position, ...pixel });
  }

  private inside(pixel: Point): boolean {
    const { width, height } = this.setup.run;
    return pixel.x >= 0 && pixel.y >= 0 && pixel.x < width && pixel.y < height;
  }

  /** The value as text, or null where only the kernel knows it exactly. */
  private valueIn(plane: Plane | null, pixel: Point): string | null {
    if (plane?.step !== 1 || (!plane.exact && plane.layer === 'raw')) {
      return null;
    }
    const x = pixel.x - plane.x0;
    const y = pixel.y - plane.y0;
    if (x < 0 || y < 0 || x >= plane.width || y >= plane.height) {
      return '–';
    }
    const code = plane.codes[y * plane.width + x];
    if (code === plane.badCode) {
      return 'no value';
    }
    if (code === plane.clipCode) {
      return null;
    }
    const value = valueOf(plane, code);
    return plane.layer === 'raw' ? String(Number(value.toPrecision(9))) : value.toFixed(2);
  }

  private around(pixel: Point, spots: Spots | undefined, spot: number): string {
    const resolution = resolutionAt(this.setup.geometry, { x: pixel.x + 0.5, y: pixel.y + 0.5 });
    const parts = Number.isFinite(resolution) ? [`${resolution.toFixed(2)} Å`] : [];
    if (spots !== undefined && spot >= 0) {
      parts.push(`spot with SNR ${spots.snr[spot].toFixed(1)}`);
    }
    return parts.map(part => ` · ${part}`).join('');
  }

  private write(pixel: Point, raw: string, lcn: string): void {
    this.element.textContent = `x ${pixel.x}, y ${pixel.y} · ${raw} · LCN ${lcn}${this.rest}`;
  }

  private rest = '';
  private timer = 0;
  private asked = 0;
  private lastId = 0;
}
