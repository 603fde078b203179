// The frames last seen or fetched ahead, up to a number of bytes.

export class ByteCache<Value> {
  constructor(
    private readonly limit: number,
    private readonly sizeOf: (value: Value) => number
  ) {}

  get bytes(): number {
    return this.held;
  }

  get size(): number {
    return this.entries.size;
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  /** The value, which becomes the last to be thrown out. */
  get(key: string): Value | undefined {
    const value = this.entries.get(key);
    if (value !== undefined) {
      this.entries.delete(key);
      this.entries.set(key, value);
    }
    return value;
  }

  /** Keeps the value and throws out the oldest until all fit; the newest stays even if it alone is too large. */
  set(key: string, value: Value): void {
    this.delete(key);
    this.entries.set(key, value);
    this.held += this.sizeOf(value);
    for (const oldest of this.entries.keys()) {
      if (this.held <= this.limit || oldest === key) {
        break;
      }
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const value = this.entries.get(key);
    if (value !== undefined) {
      this.held -= this.sizeOf(value);
      this.entries.delete(key);
    }
  }

  clear(): void {
    this.entries.clear();
    this.held = 0;
  }

  private readonly entries = new Map<string, Value>();
  private held = 0;
}
