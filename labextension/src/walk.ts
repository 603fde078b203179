// The queue: which frame comes next, which are fetched ahead, and where the next frame without a label lies.

export const UNLABELLED = -1;

export class Walk {
  constructor(
    /** Positions of frames in the run, in the order of labelling. */
    public order: Int32Array,
    /** Label of each position of the run; -1 without one. */
    public readonly labels: Int8Array,
    position: number
  ) {
    this.placeOf = placesOf(order, labels.length);
    this.cursor = Math.max(0, this.placeOf[position] ?? 0);
    this.current = order.length === 0 ? -1 : this.placeOf[position] === -1 ? position : order[this.cursor];
  }

  /** Position of the frame that is shown; -1 for an empty queue. */
  get position(): number {
    return this.current;
  }

  /** Place of the frame in the queue, from 0. */
  get place(): number {
    return this.cursor;
  }

  setOrder(order: Int32Array): void {
    this.order = order;
    this.placeOf = placesOf(order, this.labels.length);
    this.cursor = Math.max(0, this.placeOf[this.current] ?? 0);
  }

  /** Goes to a frame of the run; a frame outside the queue is shown without losing the place in it. */
  goTo(position: number): boolean {
    if (position < 0 || position >= this.labels.length) {
      return false;
    }
    this.current = position;
    this.cursor = this.placeOf[position] >= 0 ? this.placeOf[position] : this.cursor;
    return true;
  }

  step(by: number): boolean {
    const place = this.cursor + by;
    if (place < 0 || place >= this.order.length) {
      return false;
    }
    this.cursor = place;
    this.current = this.order[place]!;
    return true;
  }

  /** Place of the next frame without a label, past the end from the start again; -1 where all have one. */
  nextUnlabelled(passed: ReadonlySet<number> = new Set()): number {
    const n = this.order.length;
    for (let ahead = 1; ahead <= n; ahead++) {
      const place = (this.cursor + ahead) % n;
      const position = this.order[place];
      if (this.labels[position] === UNLABELLED && !passed.has(position)) {
        return position;
      }
    }
    return -1;
  }

  /** Frames worth fetching ahead, the likeliest first: 1 on, 1 back, 2 on, 2 back, ... */
  neighbours(each: number): number[] {
    const found: number[] = [];
    for (let distance = 1; distance <= each; distance++) {
      for (const place of [this.cursor + distance, this.cursor - distance]) {
        if (place >= 0 && place < this.order.length) {
          found.push(this.order[place]);
        }
      }
    }
    return found;
  }

  /** How many frames of the run carry each label, by value. */
  counts(): [number, number, number] {
    const counts: [number, number, number] = [0, 0, 0];
    for (const label of this.labels) {
      if (label >= 0) {
        counts[label as 0 | 1 | 2]++;
      }
    }
    return counts;
  }

  private placeOf: Int32Array;
  private cursor: number;
  private current: number;
}

function placesOf(order: Int32Array, n: number): Int32Array {
  const places = new Int32Array(n).fill(-1);
  for (let place = order.length - 1; place >= 0; place--) {
    places[order[place]] = place;
  }
  return places;
}
