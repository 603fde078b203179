// Labels that the kernel has not yet put on disk. They are sent again, all and in order, until it says that it has;
// the kernel knows each by its number, so what arrives twice counts once. They outlive a reload of the page.

import type { Act, TextStore } from './models';

export const RESEND_MS = 1500;
export const ALARM_MS = 4000;
const BATCH = 50;
const LONGEST_WAIT_MS = 15000;

export interface SavingState {
  kind: 'idle' | 'saving' | 'saved' | 'failed';
  waiting: number;
  /** When the last act reached the disk, seconds since 1970; 0 for never. */
  at: number;
  reason: string;
}

export class Outbox {
  /**
   * @param client names this page; with the number of an act it names the act for ever
   * @param prefix of the keys under which unsaved acts are stored, one key a page
   */
  constructor(
    public readonly client: string,
    private readonly prefix: string,
    private readonly storage: TextStore | null,
    private readonly send: (client: string, acts: Act[]) => void,
    private readonly changed: (state: SavingState) => void
  ) {}

  get waiting(): number {
    let count = 0;
    this.acts.forEach(acts => (count += acts.length));
    return count;
  }

  get state(): SavingState {
    return { kind: this.kind, waiting: this.waiting, at: this.savedAt, reason: this.reason };
  }

  /** Number of the last act of this page. */
  get latest(): number {
    return this.lastNumber;
  }

  nextNumber(): number {
    return ++this.lastNumber;
  }

  /** Takes up what earlier pages of the same session left unsaved, and returns those acts to be shown. */
  recover(now: number): Act[] {
    const found: Act[] = [];
    for (const key of this.storedKeys()) {
      const client = key.slice(this.prefix.length);
      const acts = this.read(key);
      if (client !== this.client && acts.length > 0) {
        this.acts.set(client, acts);
        found.push(...acts);
      }
    }
    if (found.length > 0) {
      this.waitingSince = now;
      this.set('saving', '');
      this.sendAll(now);
    }
    return found;
  }

  add(act: Act, now: number): void {
    if (this.waiting === 0) {
      this.waitingSince = now;
    }
    this.acts.set(this.client, [...(this.acts.get(this.client) ?? []), act]);
    this.store(this.client);
    this.set(this.kind === 'failed' ? 'failed' : 'saving', this.reason);
    this.sendAll(now);
  }

  /** The kernel has everything of `client` up to number `upTo` on disk. */
  acknowledge(client: string, upTo: number, at: number, now: number): void {
    this.drop(client, upTo);
    this.savedAt = at;
    this.waitingSince = now;
    this.delay = RESEND_MS;
    this.set(this.waiting === 0 ? 'saved' : 'saving', '');
  }

  /** The kernel has saved up to `upTo`, and could not save what follows. */
  refuse(client: string, upTo: number, reason: string): void {
    this.drop(client, upTo);
    this.delay = Math.min(LONGEST_WAIT_MS, this.delay * 2);
    this.set('failed', reason);
  }

  /** To be called a few times a second: sends again what went unanswered, and says so when it takes too long. */
  tick(now: number): void {
    if (this.waiting === 0) {
      return;
    }
    if (this.kind === 'saving' && now - this.waitingSince > ALARM_MS) {
      this.set('failed', 'The kernel does not answer.');
    }
    if (now - this.sentAt >= this.delay) {
      this.sendAll(now);
    }
  }

  private drop(client: string, upTo: number): void {
    const left = (this.acts.get(client) ?? []).filter(act => act.seq > upTo);
    if (left.length > 0) {
      this.acts.set(client, left);
    } else {
      this.acts.delete(client);
    }
    this.store(client);
  }

  private sendAll(now: number): void {
    this.sentAt = now;
    this.acts.forEach((acts, client) => this.send(client, acts.slice(0, BATCH)));
  }

  private set(kind: SavingState['kind'], reason: string): void {
    this.kind = kind;
    this.reason = reason;
    this.changed(this.state);
  }

  private storedKeys(): string[] {
    const keys: string[] = [];
    for (let i = 0; i < (this.storage?.length ?? 0); i++) {
      const key = this.storage?.key(i) ?? '';
      if (key.startsWith(this.prefix)) {
        keys.push(key);
      }
    }
    return keys;
  }

  private read(key: string): Act[] {
    try {
      return JSON.parse(this.storage?.getItem(key) ?? '[]') as Act[];
    } catch (error) {
      console.warn('sfx-label: the unsaved labels of an earlier page cannot be read', error);
      return [];
    }
  }

  private store(client: string): void {
    const acts = this.acts.get(client) ?? [];
    try {
      if (acts.length > 0) {
        this.storage?.setItem(this.prefix + client, JSON.stringify(acts));
      } else {
        this.storage?.removeItem(this.prefix + client);
      }
    } catch (error) {
      console.warn('sfx-label: this browser keeps nothing for after a reload', error);
    }
  }

  private readonly acts = new Map<string, Act[]>();
  private lastNumber = 0;
  private kind: SavingState['kind'] = 'idle';
  private reason = '';
  private savedAt = 0;
  private sentAt = 0;
  private waitingSince = 0;
  private delay = RESEND_MS;
}
