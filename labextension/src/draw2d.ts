// Drawing on a plain 2-D canvas: resample to canvas pixels, look up colours, put them there.

import type { Size } from './models';
import type { Painter, Scene, Sheet } from './painter';
import { OUTSIDE, resample } from './resample';

export class Canvas2dPainter implements Painter {
  readonly kind = '2d';
  readonly canvas = document.createElement('canvas');
  readonly comfortable = 1.6e6;

  constructor() {
    const context = this.canvas.getContext('2d', { alpha: false, willReadFrequently: true });
    if (context === null) {
      throw new Error('This browser offers no 2-D canvas');
    }
    this.context = context;
    this.image = context.createImageData(1, 1);
  }

  resize(size: Size): void {
    this.canvas.width = size.width;
    this.canvas.height = size.height;
    this.image = this.context.createImageData(size.width, size.height);
    this.codes = new Uint32Array(size.width * size.height);
  }

  paint(scene: Scene): void {
    const pixels = new Uint32Array(this.image.data.buffer);
    pixels.fill(scene.background);
    for (const sheet of scene.sheets) {
      resample(sheet.plane, sheet.good, scene.view, this.canvas, this.codes);
      lay(sheet, this.codes, pixels);
    }
    this.context.putImageData(this.image, 0, 0);
  }

  readPixel(x: number, y: number): Uint8ClampedArray {
    return this.context.getImageData(x, y, 1, 1).data;
  }

  dispose(): void {
    this.canvas.remove();
  }

  private readonly context: CanvasRenderingContext2D;
  private image: ImageData;
  private codes = new Uint32Array(1);
}

function lay(sheet: Sheet, codes: Uint32Array, pixels: Uint32Array): void {
  const { table } = sheet;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i];
    if (code === OUTSIDE) {
      continue;
    }
    const colour = table[code];
    const alpha = colour >>> 24;
    if (alpha === 255) {
      pixels[i] = colour;
    } else if (alpha > 0) {
      pixels[i] = blend(pixels[i], colour, alpha / 255);
    }
  }
}

function blend(below: number, above: number, alpha: number): number {
  let mixed = 0xff000000;
  for (const shift of [0, 8, 16]) {
    const under = (below >>> shift) & 255;
    const over = (above >>> shift) & 255;
    mixed |= Math.round(under + alpha * (over - under)) << shift;
  }
  return mixed >>> 0;
}
