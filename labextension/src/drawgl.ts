// Drawing with WebGL2: pixels stay on the graphics card, so panning and zooming cost nothing. It shows exactly what the
// 2-D canvas shows, because both are given the same spans of frame pixels for each canvas pixel.

import type { Size, Viewport } from './models';
import type { Painter, Scene, Sheet } from './painter';
import { spansAlong } from './resample';
import { toFrame } from './viewport';

const TEXTURES_KEPT = 12;

const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;
precision highp isampler2D;
uniform usampler2D codes;
uniform usampler2D good;
uniform isampler2D columns;
uniform isampler2D rows;
uniform sampler2D table;
uniform int badCode;
uniform int tableWidth;
uniform bool hasGood;
uniform int canvasHeight;
out vec4 colour;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  ivec2 x = texelFetch(columns, ivec2(at.x, 0), 0).rg;
  ivec2 y = texelFetch(rows, ivec2(canvasHeight - 1 - at.y, 0), 0).rg;
  if (x.r >= x.g || y.r >= y.g) discard;
  int highest = -1;
  for (int row = y.r; row < y.g; row++) {
    for (int column = x.r; column < x.g; column++) {
      int code = int(texelFetch(codes, ivec2(column, row), 0).r);
      bool usable = code != badCode && (!hasGood || texelFetch(good, ivec2(column, row), 0).r == 1u);
      highest = usable ? max(highest, code) : highest;
    }
  }
  if (highest < 0) highest = hasGood ? int(texelFetch(codes, ivec2(x.r, y.r), 0).r) : max(badCode, 0);
  colour = texelFetch(table, ivec2(highest % tableWidth, highest / tableWidth), 0);
}`;

const UNIFORMS = [
  'codes',
  'good',
  'columns',
  'rows',
  'table',
  'badCode',
  'tableWidth',
  'hasGood',
  'canvasHeight'
] as const;
type Uniform = (typeof UNIFORMS)[number];

export class WebglPainter implements Painter {
  readonly kind = 'webgl2';
  readonly comfortable = 9e6;

  /** Null where the browser offers no WebGL2. */
  static create(): WebglPainter | null {
    const canvas = document.createElement('canvas');
    const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, preserveDrawingBuffer: true });
    return gl === null ? null : new WebglPainter(canvas, gl);
  }

  private constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext
  ) {
    this.program = link(gl);
    this.places = Object.fromEntries(UNIFORMS.map(name => [name, gl.getUniformLocation(this.program, name)])) as Record<
      Uniform,
      WebGLUniformLocation | null
    >;
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** What the driver calls the device that draws. */
  get device(): string {
    const info = this.gl.getExtension('WEBGL_debug_renderer_info');
    return info === null ? '' : String(this.gl.getParameter(info.UNMASKED_RENDERER_WEBGL));
  }

  resize(size: Size): void {
    this.canvas.width = size.width;
    this.canvas.height = size.height;
    this.gl.viewport(0, 0, size.width, size.height);
  }

  paint(scene: Scene): void {
    const { gl } = this;
    const parts = [0, 8, 16].map(shift => ((scene.background >>> shift) & 255) / 255);
    gl.clearColor(parts[0], parts[1], parts[2], 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    for (const sheet of scene.sheets) {
      this.lay(sheet, scene.view);
    }
    gl.flush();
  }

  readPixel(x: number, y: number): Uint8ClampedArray {
    const pixel = new Uint8Array(4);
    const { gl } = this;
    gl.readPixels(x, this.canvas.height - 1 - y, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    return Uint8ClampedArray.from(pixel);
  }

  dispose(): void {
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
    this.canvas.remove();
  }

  private lay(sheet: Sheet, view: Viewport): void {
    const { gl, canvas, places } = this;
    const { plane } = sheet;
    const corner = toFrame(view, canvas, { x: 0, y: 0 });
    this.bind(0, this.pixels(plane.codes, plane), places.codes);
    this.bind(1, this.pixels(sheet.good ?? NOTHING, sheet.good === null ? ONE_PIXEL : plane), places.good);
    this.bind(2, this.spans(0, corner.x, view.scale, canvas.width, plane.x0, plane.step, plane.width), places.columns);
    this.bind(3, this.spans(1, corner.y, view.scale, canvas.height, plane.y0, plane.step, plane.height), places.rows);
    const tableWidth = Math.min(256, sheet.table.length);
    this.bind(4, this.colours(sheet.table, tableWidth), places.table);
    gl.uniform1i(places.badCode, plane.badCode);
    gl.uniform1i(places.tableWidth, tableWidth);
    gl.uniform1i(places.hasGood, sheet.good === null ? 0 : 1);
    gl.uniform1i(places.canvasHeight, canvas.height);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private bind(unit: number, texture: WebGLTexture, place: WebGLUniformLocation | null): void {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.uniform1i(place, unit);
  }

  /** The texture of these pixels, uploaded once and kept while it is among the last used. */
  private pixels(data: Uint8Array | Uint16Array, size: Size): WebGLTexture {
    const { gl } = this;
    let texture = this.kept.get(data);
    if (texture === undefined) {
      texture = this.fresh();
      const wide = data.BYTES_PER_ELEMENT === 2;
      const [inner, type] = wide ? [gl.R16UI, gl.UNSIGNED_SHORT] : [gl.R8UI, gl.UNSIGNED_BYTE];
      gl.texImage2D(gl.TEXTURE_2D, 0, inner, size.width, size.height, 0, gl.RED_INTEGER, type, data);
    }
    this.kept.delete(data);
    this.kept.set(data, texture);
    for (const [oldest, stale] of this.kept) {
      if (this.kept.size <= TEXTURES_KEPT) {
        break;
      }
      gl.deleteTexture(stale);
      this.kept.delete(oldest);
    }
    return texture;
  }

  private spans(
    slot: 0 | 1,
    origin: number,
    scale: number,
    length: number,
    start: number,
    step: number,
    extent: number
  ): WebGLTexture {
    const { gl } = this;
    const spans = spansAlong(origin, scale, length, start, step, extent);
    const pairs = new Int32Array(2 * length);
    spans.from.forEach((from, i) => {
      pairs[2 * i] = from;
      pairs[2 * i + 1] = spans.to[i]!;
    });
    const texture = (this.spanTextures[slot] ??= this.fresh());
    gl.activeTexture(gl.TEXTURE7);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RG32I, length, 1, 0, gl.RG_INTEGER, gl.INT, pairs);
    return texture;
  }

  private colours(table: Uint32Array, width: number): WebGLTexture {
    const { gl } = this;
    const texture = (this.tableTexture ??= this.fresh());
    gl.activeTexture(gl.TEXTURE7);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    const bytes = new Uint8Array(table.buffer, table.byteOffset, table.byteLength);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, table.length / width, 0, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
    return texture;
  }

  /** A texture bound to a unit of its own, so that no upload takes the place of one that is drawn from. */
  private fresh(): WebGLTexture {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE7);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
    }
    return texture;
  }

  private readonly program: WebGLProgram;
  private readonly places: Record<Uniform, WebGLUniformLocation | null>;
  private readonly kept = new Map<Uint8Array | Uint16Array, WebGLTexture>();
  private readonly spanTextures: (WebGLTexture | undefined)[] = [undefined, undefined];
  private tableTexture: WebGLTexture | undefined;
}

const NOTHING = new Uint8Array(1);
const ONE_PIXEL: Size = { width: 1, height: 1 };

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT]
  ] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) {
      throw new Error('The graphics card gave no shader');
    }
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (gl.getProgramParameter(program, gl.LINK_STATUS) !== true) {
    throw new Error(
      `The graphics card refused the drawing program: ${gl.getProgramInfoLog(program) ?? 'no reason given'}`
    );
  }
  return program;
}
