import type { Plane } from '../src/models';

/** A plane of these codes; `value = offset + scale * code`. */
export function planeOf(width: number, codes: Uint8Array | Uint16Array, changes: Partial<Plane> = {}): Plane {
  return {
    position: 0,
    layer: 'raw',
    width,
    height: codes.length / width,
    x0: 0,
    y0: 0,
    step: 1,
    codes,
    scale: 1,
    offset: 0,
    badCode: -1,
    clipCode: -1,
    exact: true,
    ...changes
  };
}

/** What a browser keeps, in memory. */
export class MemoryStorage {
  private readonly items = new Map<string, string>();

  get length(): number {
    return this.items.size;
  }

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }

  removeItem(key: string): void {
    this.items.delete(key);
  }

  key(index: number): string | null {
    return [...this.items.keys()][index] ?? null;
  }
}
