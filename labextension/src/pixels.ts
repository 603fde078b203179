// The frames that the page holds, and what it asks the kernel for. A request list always replaces the one before it, so
// that nothing is computed for frames that the user has left behind.

import { ByteCache } from './cache';
import { decodePlane, decodeProfile, decodeSpots } from './decode';
import type { FrameNote, Host, LayerName, Plane, Profile, ServerMessage, Spots, Want, WantName } from './models';

const CACHE_BYTES = 256 * 2 ** 20;
const SMALL_ITEM_BYTES = 2048;
const PATIENCE_MS = 5000;

type Item = Plane | Spots | Profile;

export interface Wanted {
  position: number;
  layer: WantName;
  step: number;
}

function keyOf(wanted: Wanted): string {
  return `${wanted.layer}/${wanted.position}/${wanted.step}`;
}

function sizeOf(item: Item): number {
  return 'codes' in item ? item.codes.byteLength : SMALL_ITEM_BYTES;
}

export class PixelStore {
  constructor(
    private readonly host: Host,
    private readonly client: string,
    private readonly arrived: (position: number, layer: WantName) => void
  ) {}

  plane(position: number, layer: LayerName, step: number): Plane | undefined {
    return this.items.get(keyOf({ position, layer, step })) as Plane | undefined;
  }

  spots(position: number): Spots | undefined {
    return this.items.get(keyOf({ position, layer: 'spots', step: 1 })) as Spots | undefined;
  }

  profile(position: number): Profile | undefined {
    return this.items.get(keyOf({ position, layer: 'profile', step: 1 })) as Profile | undefined;
  }

  note(position: number): FrameNote | undefined {
    return this.notes.get(position);
  }

  /** Why something of a frame cannot be had; empty if nothing is known against it. */
  problem(wanted: Wanted): string {
    return this.problems.get(keyOf(wanted)) ?? '';
  }

  /** Asks for these, most urgent first, and for nothing else any more. */
  want(list: readonly Wanted[], now: number): void {
    const items: Want[] = [];
    const pending = new Map<string, { id: number; since: number }>();
    for (const wanted of list) {
      const key = keyOf(wanted);
      if (this.items.has(key) || this.problems.has(key) || pending.has(key)) {
        continue;
      }
      const before = this.pending.get(key);
      const asked = before && now - before.since < PATIENCE_MS ? before : { id: ++this.lastId, since: now };
      pending.set(key, asked);
      items.push({ id: asked.id, ...wanted });
    }
    const same =
      pending.size === this.pending.size && [...pending].every(([key, { id }]) => this.pending.get(key)?.id === id);
    this.pending = pending;
    if (!same) {
      this.host.send({ type: 'want', client: this.client, items });
    }
  }

  get waiting(): number {
    return this.pending.size;
  }

  accept(message: ServerMessage, buffers: readonly DataView[]): void {
    if (
      (message.type !== 'plane' && message.type !== 'spots' && message.type !== 'profile') ||
      message.client !== this.client
    ) {
      return;
    }
    const wanted: Wanted = {
      position: message.position,
      layer: message.type === 'plane' ? message.layer : message.type,
      step: message.type === 'plane' ? message.step : 1
    };
    const key = keyOf(wanted);
    if (message.type === 'plane') {
      const { position, name, status } = message;
      this.notes.set(position, { position, name, status, message: message.message });
    }
    try {
      const item = decode(message, buffers[0]);
      if (item === null) {
        this.problems.set(key, message.message);
      } else {
        this.items.set(key, item);
      }
    } catch (error) {
      this.problems.set(key, error instanceof Error ? error.message : String(error));
    }
    this.pending.delete(key);
    this.arrived(wanted.position, wanted.layer);
  }

  private readonly items = new ByteCache<Item>(CACHE_BYTES, sizeOf);
  private readonly notes = new Map<number, FrameNote>();
  private readonly problems = new Map<string, string>();
  private pending = new Map<string, { id: number; since: number }>();
  private lastId = 0;
}

type PixelMessage = Extract<ServerMessage, { type: 'plane' | 'spots' | 'profile' }>;

/** Null where the kernel sent a reason in place of data. */
function decode(message: PixelMessage, buffer: DataView | undefined): Item | null {
  if (buffer === undefined) {
    return null;
  }
  switch (message.type) {
    case 'plane':
      return decodePlane(message, buffer);
    case 'spots':
      return decodeSpots(message.position, message.n, buffer);
    case 'profile':
      return decodeProfile(message.position, message.y0, message.n, buffer);
  }
}
