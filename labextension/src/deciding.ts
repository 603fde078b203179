// Deciding on frames: labels, skips, flags, notes and their undoing, each sent to the kernel until it is on the disk.

import { Desk } from './desk';
import { History } from './history';
import type { Action, KeyTable } from './keys';
import type { Act, Host, LabellerSetup, LabelValue, ServerMessage, Setup } from './models';
import { Outbox } from './outbox';
import { Pace } from './pace';
import { Prompt } from './prompt';
import type { Viewing } from './viewing';
import { UNLABELLED } from './walk';

/** What a frame was before an act, so that undoing shows at once. */
interface Before {
  position: number;
  label: number;
  kind: Act['kind'];
}

export interface DecidingEvents {
  act(action: Action): void;
  notice(text: string): void;
}

export class Deciding {
  readonly desk: Desk;
  readonly prompt: Prompt;

  constructor(
    private readonly root: HTMLElement,
    host: Host,
    setup: Setup,
    private readonly labeller: LabellerSetup,
    keys: KeyTable,
    private readonly viewing: Viewing,
    private readonly events: DecidingEvents
  ) {
    this.prompt = new Prompt(() => root.focus({ preventScroll: true }));
    this.history = new History(position => viewing.goTo(position));
    this.desk = new Desk(labeller, keys, this.history.element, {
      act: action => events.act(action),
      order: order => host.send({ type: 'order', client: setup.client, order })
    });
    this.outbox = new Outbox(
      setup.client,
      `sfx-label:unsaved:${setup.session}:`,
      host.storage,
      (client, acts) => host.send({ type: 'acts', client, acts }),
      state => {
        this.desk.showSaving(state);
        this.root.dataset.saving = state.kind;
      }
    );
  }

  readonly actions: Partial<Record<Action, () => void>> = {
    hit: () => this.label(2),
    maybe: () => this.label(1),
    miss: () => this.label(0),
    undo: () => this.undo(),
    skip: () => this.skip(),
    flag: () => this.write('flag'),
    note: () => this.write('note'),
    nextUnlabelled: () => this.advance()
  };

  start(): void {
    this.desk.showSaving(this.outbox.state);
    for (const entry of [...this.labeller.history].reverse()) {
      this.history.add(entry.position, entry.label, entry.kind === 'label' ? '' : entry.kind, null);
    }
    for (const act of this.outbox.recover(Date.now())) {
      if (act.kind === 'label' && act.label !== undefined) {
        this.labels[act.position] = act.label;
      }
    }
  }

  accept(message: ServerMessage): void {
    switch (message.type) {
      case 'saved':
        this.outbox.acknowledge(message.client, message.upTo, message.at, Date.now());
        message.undone.forEach(undone => this.undone(undone.seq, undone.position, undone.label));
        break;
      case 'failed':
        this.outbox.refuse(message.client, message.upTo, message.message);
        break;
      case 'labels':
        message.positions.forEach((position, i) => (this.labels[position] = message.labels[i]!));
        this.showStanding();
        break;
      case 'suggestion':
        this.suggested(message.position, message.score, message.positive);
        break;
      default:
    }
  }

  tick(): void {
    this.outbox.tick(Date.now());
  }

  /** Brings the panel up to the frame that is on screen. */
  update(): void {
    const { position } = this.viewing.walk;
    const spots = this.viewing.pixels.spots(position);
    this.desk.showSpots(spots?.x.length ?? null, this.viewing.pixels.problem({ position, layer: 'spots', step: 1 }));
    this.showStanding();
  }

  /** Another frame comes on screen: what was said of the last one goes. */
  left(): void {
    if (!this.labeller.blind) {
      this.desk.showSuggestion('');
    }
    this.root.dataset.score = 'hidden';
  }

  private get labels(): Int8Array {
    return this.viewing.walk.labels;
  }

  private showStanding(): void {
    const { walk } = this.viewing;
    const counts = walk.counts();
    const labelled = counts[0] + counts[1] + counts[2];
    this.root.dataset.labelled = String(labelled);
    this.desk.showStanding(
      {
        label: this.labels[walk.position] ?? UNLABELLED,
        counts,
        labelled,
        place: walk.place,
        length: walk.order.length,
        passed: this.passed.has(walk.position) ? 'skipped' : ''
      },
      this.pace
    );
  }

  private label(value: LabelValue): void {
    const { position } = this.viewing.walk;
    if (!this.seen(position)) {
      return;
    }
    this.remember('label');
    this.labels[position] = value;
    this.passed.delete(position);
    this.pace.add(Date.now() / 1000);
    this.commit({ kind: 'label', position, label: value });
    this.history.add(position, value, '', this.viewing.pane.picture);
    this.advance();
  }

  /** A frame that is not on screen cannot be judged. */
  private seen(position: number): boolean {
    if (position >= 0 && this.viewing.shown.position === position) {
      return true;
    }
    const status = this.viewing.pixels.note(position)?.status ?? 'ok';
    const waits =
      status === 'ok' ? 'This frame is not on the screen yet.' : 'There is nothing to see here: skip it or flag it.';
    this.events.notice(waits);
    return false;
  }

  private undo(): void {
    const last = this.before.pop();
    if (last !== undefined) {
      this.takeBack(last.position, last.label, last.kind);
      this.viewing.goTo(last.position);
    }
    this.commit({ kind: 'undo', position: this.viewing.walk.position });
    this.showStanding();
  }

  /** What the kernel took back, which may be of an earlier session. */
  private undone(seq: number, position: number, label: number): void {
    if (position < 0) {
      this.events.notice('There is nothing to undo.');
      return;
    }
    this.labels[position] = label;
    if (seq === this.outbox.latest && position !== this.viewing.walk.position) {
      this.takeBack(position, label, 'label');
      this.viewing.goTo(position);
    }
    this.showStanding();
  }

  private takeBack(position: number, label: number, kind: Act['kind']): void {
    this.labels[position] = label;
    this.passed.delete(position);
    if (kind === 'label' || kind === 'skip') {
      this.history.remove(position);
    }
  }

  private skip(): void {
    const { position } = this.viewing.walk;
    if (position < 0) {
      return;
    }
    this.remember('skip');
    this.passed.add(position);
    this.commit({ kind: 'skip', position });
    this.history.add(position, UNLABELLED, 'skipped', this.viewing.pane.picture);
    this.advance();
  }

  private write(kind: 'flag' | 'note'): void {
    const { position } = this.viewing.walk;
    if (position < 0) {
      return;
    }
    const [title, choices, done] =
      kind === 'flag'
        ? (['Why is this frame odd?', this.labeller.flags, 'Flagged'] as const)
        : (['Note', [], 'Noted'] as const);
    this.prompt.ask(title, choices, text => {
      this.remember(kind);
      this.commit({ kind, position, text });
      this.events.notice(`${done}: ${text}`);
    });
  }

  private advance(): void {
    const next = this.viewing.walk.nextUnlabelled(this.passed);
    if (next >= 0) {
      this.viewing.goTo(next);
    } else {
      this.viewing.refresh();
      this.events.notice('Every frame of this queue is decided.');
    }
  }

  private remember(kind: Act['kind']): void {
    const { position } = this.viewing.walk;
    this.before.push({ position, label: this.labels[position] ?? UNLABELLED, kind });
  }

  private commit(content: Pick<Act, 'kind' | 'position' | 'label' | 'text'>): void {
    const now = Date.now();
    const { shown } = this.viewing;
    const act: Act = {
      seq: this.outbox.nextNumber(),
      ...content,
      decided_at: now / 1000,
      display: this.displayState()
    };
    if (shown.position === content.position) {
      act.shown_at = shown.since;
    }
    this.outbox.add(act, now);
  }

  /** What the annotator saw, kept with the label. */
  private displayState(): Record<string, string | number | boolean> {
    const { layer, contrast, shown } = this.viewing.display;
    const { low, high } = this.viewing.pane.limits;
    const { stretch, mode, colormap } = contrast[layer];
    const zoom = this.viewing.pane.scale;
    const overlays = {
      spots_shown: shown.spots,
      lcn_overlay: shown.lcn,
      mask_shown: shown.mask,
      attention_shown: shown.attention
    };
    return {
      layer,
      stretch,
      contrast: mode,
      low,
      high,
      colormap,
      zoom,
      ...overlays,
      score_shown: this.root.dataset.score === 'shown'
    };
  }

  private suggested(position: number, score: number, positive: boolean): void {
    this.desk.showSuggestion(`Model on frame ${position}: ${score.toFixed(2)}, ${positive ? 'hit or maybe' : 'miss'}`);
    this.root.dataset.score = position === this.viewing.walk.position ? 'shown' : 'hidden';
  }

  private readonly outbox: Outbox;
  private readonly history: History;
  private readonly pace = new Pace();
  /** Frames passed over in this session. */
  private readonly passed = new Set<number>();
  private readonly before: Before[] = [];
}
