// Types only: what travels between the kernel and the page, and what the pure rooms hand to each other.

export type LayerName = 'raw' | 'gcn' | 'lcn' | 'difference' | 'attention';
export type FactName = 'spots' | 'profile';
export type WantName = LayerName | FactName;

/** One layer of one frame: `value = offset + scale * code`, save for the two reserved codes. */
export interface Plane {
  position: number;
  layer: LayerName;
  width: number;
  height: number;
  /** Frame pixel at the corner of the plane. */
  x0: number;
  y0: number;
  /** Frame pixels per plane pixel, along each axis; more than 1 for a preview of a large frame. */
  step: number;
  codes: Uint8Array | Uint16Array;
  scale: number;
  offset: number;
  /** Code of pixels without a value (not finite, outside), or -1. */
  badCode: number;
  /** Code of pixels above the coded range, or -1. */
  clipCode: number;
  /** False where the codes are a rounding of the stored values. */
  exact: boolean;
}

/** What is known of a frame apart from its pixels. */
export interface FrameNote {
  position: number;
  name: string;
  status: string;
  message: string;
}

export interface Spots {
  position: number;
  x: Float32Array;
  y: Float32Array;
  snr: Float32Array;
  resolution: Float32Array;
}

export interface Profile {
  position: number;
  /** Frame row of the first value. */
  y0: number;
  values: Float32Array;
}

export interface Rectangle {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Geometry {
  /** Fast (x) and slow (y) pixel of the direct beam. */
  beamCenterPx: readonly [number, number] | null;
  pixelSizeMm: number | null;
  distanceMm: number | null;
  wavelengthAngstrom: number | null;
}

export type Stretch = 'linear' | 'sqrt' | 'log' | 'asinh';

export interface Contrast {
  stretch: Stretch;
  mode: 'percentile' | 'manual';
  /** Percentiles, used where `mode` is "percentile". */
  lowPercentile: number;
  highPercentile: number;
  /** Values, used where `mode` is "manual". */
  low: number;
  high: number;
  colormap: string;
}

export interface Limits {
  low: number;
  high: number;
}

/** Screen pixels per frame pixel, and the frame point in the middle of the canvas. */
export interface Viewport {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

export type LabelValue = 0 | 1 | 2;

export interface Act {
  seq: number;
  kind: 'label' | 'undo' | 'skip' | 'flag' | 'note';
  position: number;
  label?: LabelValue;
  text?: string;
  shown_at?: number;
  decided_at: number;
  display?: Readonly<Record<string, string | number | boolean>>;
}

export interface Want {
  id: number;
  position: number;
  layer: WantName;
  step: number;
}

export type ClientMessage =
  | { type: 'hello'; client: string }
  | { type: 'want'; client: string; items: Want[] }
  | { type: 'acts'; client: string; acts: Act[] }
  | { type: 'at'; client: string; position: number; layer: LayerName }
  | { type: 'value'; client: string; id: number; position: number; x: number; y: number }
  | { type: 'order'; client: string; order: string };

export interface LabellerSetup {
  annotator: string;
  store: string;
  target: number;
  blind: boolean;
  suggests: boolean;
  order: string;
  orders: string[];
  flags: string[];
  /** The last acts of this annotator, newest first. */
  history: HistoryEntry[];
}

export interface HistoryEntry {
  position: number;
  label: number;
  kind: string;
}

export interface Setup {
  type: 'setup';
  client: string;
  mode: 'viewer' | 'labeller';
  session: string;
  run: {
    name: string;
    format: string;
    n: number;
    width: number;
    height: number;
    itemsize: number;
    fingerprint: string;
  };
  crop: Rectangle | null;
  geometry: Geometry;
  layers: LayerName[];
  layer: LayerName;
  index: number;
  keys: Record<string, string[]>;
  hasMask: boolean;
  renderer: 'auto' | '2d' | 'webgl2';
  /** Height of the picture in screen pixels; null for most of the window. */
  height: number | null;
  labeller: LabellerSetup | null;
}

export interface PlaneMessage {
  type: 'plane';
  client: string;
  id: number;
  position: number;
  layer: LayerName;
  name: string;
  status: string;
  message: string;
  width: number;
  height: number;
  x0: number;
  y0: number;
  step: number;
  bytes: 1 | 2;
  scale: number;
  offset: number;
  badCode: number;
  clipCode: number;
  exact: boolean;
}

export interface SavedMessage {
  type: 'saved';
  client: string;
  upTo: number;
  /** When the kernel had it on the disk, seconds since 1970. */
  at: number;
  undone: { seq: number; position: number; label: number }[];
}

export interface FailedMessage {
  type: 'failed';
  client: string;
  upTo: number;
  seq: number;
  message: string;
}

export type ServerMessage =
  | Setup
  | PlaneMessage
  | { type: 'spots'; client: string; id: number; position: number; n: number; message: string }
  | { type: 'profile'; client: string; id: number; position: number; y0: number; n: number; message: string }
  | { type: 'value'; client: string; id: number; position: number; x: number; y: number; raw: string; lcn: string }
  | SavedMessage
  | FailedMessage
  | { type: 'labels'; positions: number[]; labels: number[] }
  | { type: 'goto'; position: number }
  | { type: 'layer'; layer: LayerName }
  | { type: 'queue'; order: string }
  | { type: 'suggestion'; position: number; score: number; positive: boolean }
  | { type: 'problem'; message: string }
  | { type: 'news'; message: string };

/** The part of the browser's storage that survives a reload and is needed here. */
export type TextStore = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/** All that the page needs of Jupyter. */
export interface Host {
  send(message: ClientMessage): void;
  onMessage(listener: (message: ServerMessage, buffers: DataView[]) => void): () => void;
  /** What survives a reload of the page. */
  storage: TextStore | null;
}
