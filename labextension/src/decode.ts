// From the bytes of a message to typed arrays. A message that does not fit its own header is an error, never a picture.

import type { Plane, PlaneMessage, Profile, Spots } from './models';

const SPOT_FIELDS = 4;

/** A view of `count` items, copied where the bytes do not lie on an item's boundary. */
function bytesOf(view: DataView, length: number, what: string): ArrayBuffer {
  if (view.byteLength !== length) {
    throw new RangeError(`Expected ${length} bytes of ${what}, received ${view.byteLength}`);
  }
  return view.buffer.slice(view.byteOffset, view.byteOffset + length);
}

export function decodePlane(message: PlaneMessage, buffer: DataView | undefined): Plane {
  if (buffer === undefined) {
    throw new RangeError(`Expected the pixels of frame ${message.position}, received no buffer`);
  }
  const count = message.width * message.height;
  return {
    position: message.position,
    layer: message.layer,
    width: message.width,
    height: message.height,
    x0: message.x0,
    y0: message.y0,
    step: message.step,
    codes: codesOf(buffer, count, message.bytes),
    scale: message.scale,
    offset: message.offset,
    badCode: message.badCode,
    clipCode: message.clipCode,
    exact: message.exact
  };
}

function codesOf(buffer: DataView, count: number, bytes: 1 | 2): Uint8Array | Uint16Array {
  if (buffer.byteLength === count * bytes && buffer.byteOffset % bytes === 0) {
    return bytes === 1
      ? new Uint8Array(buffer.buffer, buffer.byteOffset, count)
      : new Uint16Array(buffer.buffer, buffer.byteOffset, count);
  }
  const copy = bytesOf(buffer, count * bytes, 'pixels');
  return bytes === 1 ? new Uint8Array(copy) : new Uint16Array(copy);
}

/** Rows of x, y, SNR and resolution become four arrays. */
export function decodeSpots(position: number, n: number, buffer: DataView): Spots {
  const rows = new Float32Array(bytesOf(buffer, n * SPOT_FIELDS * 4, 'spots'));
  const column = (field: number): Float32Array =>
    Float32Array.from({ length: n }, (_, i) => rows[i * SPOT_FIELDS + field]);
  return { position, x: column(0), y: column(1), snr: column(2), resolution: column(3) };
}

export function decodeProfile(position: number, y0: number, n: number, buffer: DataView): Profile {
  return { position, y0, values: new Float32Array(bytesOf(buffer, n * 4, 'row profile')) };
}

/** One bit a pixel, most significant first, 1 = good; becomes one byte a pixel. */
export function decodeMask(width: number, height: number, buffer: DataView): Uint8Array {
  const count = width * height;
  const packed = new Uint8Array(bytesOf(buffer, Math.ceil(count / 8), 'mask'));
  const good = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    good[i] = (packed[i >> 3] >> (7 - (i & 7))) & 1;
  }
  return good;
}

/** The part of the frame's mask that a layer covers; null where the layer is shown at another step. */
export function maskUnder(good: Uint8Array | null, frameWidth: number, plane: Plane): Uint8Array | null {
  if (good === null || plane.step !== 1) {
    return null;
  }
  if (plane.x0 === 0 && plane.y0 === 0 && plane.width === frameWidth) {
    return good;
  }
  const part = new Uint8Array(plane.width * plane.height);
  for (let row = 0; row < plane.height; row++) {
    const from = (row + plane.y0) * frameWidth + plane.x0;
    part.set(good.subarray(from, from + plane.width), row * plane.width);
  }
  return part;
}

export function decodeInt32(buffer: DataView): Int32Array {
  return new Int32Array(bytesOf(buffer, buffer.byteLength - (buffer.byteLength % 4), 'positions'));
}

export function decodeInt8(buffer: DataView): Int8Array {
  return new Int8Array(bytesOf(buffer, buffer.byteLength, 'labels'));
}
