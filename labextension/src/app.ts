// One viewer or labeller on a page: hands on what the kernel says and what the user presses.

import { Deciding } from './deciding';
import { decodeInt32, decodeInt8, decodeMask } from './decode';
import { make } from './dom';
import { Help } from './help';
import { actionFor, mergeKeys, type Action, type KeyTable } from './keys';
import { labelText } from './labels';
import type { Host, ServerMessage, Setup } from './models';
import { Viewing } from './viewing';
import { UNLABELLED, Walk } from './walk';

const TICK_MS = 250;

export class App {
  readonly viewing: Viewing;

  constructor(
    private readonly root: HTMLElement,
    host: Host,
    private readonly setup: Setup,
    buffers: readonly DataView[]
  ) {
    const { run, labeller } = setup;
    this.keys = mergeKeys(setup.keys);
    const walk = new Walk(decodeInt32(buffers[0]), decodeInt8(buffers[1]), setup.index);
    const good = setup.hasMask ? decodeMask(run.width, run.height, buffers[2]) : null;
    const act = (action: Action): void => this.perform(action);
    const notice = (text: string): void => this.notice(text);
    this.viewing = new Viewing(root, host, setup, this.keys, walk, good, {
      act,
      notice,
      changed: () => this.update(),
      left: () => this.left()
    });
    this.deciding =
      labeller === null ? null : new Deciding(root, host, setup, labeller, this.keys, this.viewing, { act, notice });
    this.help = new Help(this.keys, labeller !== null, () => this.perform('close'));
    this.build();
    this.timer = window.setInterval(() => this.tick(), TICK_MS);
  }

  start(): void {
    this.deciding?.start();
    this.viewing.refresh();
  }

  accept(message: ServerMessage, buffers: readonly DataView[]): void {
    this.viewing.accept(message, buffers);
    this.deciding?.accept(message);
    switch (message.type) {
      case 'goto':
        if (message.position !== this.viewing.walk.position) {
          this.viewing.goTo(message.position);
        }
        break;
      case 'layer':
        this.viewing.showLayer(message.layer);
        break;
      case 'queue':
        this.viewing.walk.setOrder(decodeInt32(buffers[0]));
        this.deciding?.desk.setOrder(message.order);
        this.viewing.refresh();
        break;
      case 'problem':
        this.notice(message.message, true);
        break;
      case 'news':
        this.notice(message.message);
        break;
      default:
    }
  }

  /** Handles every key that reaches the viewer, so that none of them reaches the notebook. */
  key(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (typing && event.key !== 'Escape') {
      if (this.deciding?.prompt.open === true && this.deciding.prompt.choose(event.key)) {
        event.preventDefault();
      }
      return;
    }
    if (event.target instanceof HTMLButtonElement && (event.key === ' ' || event.key === 'Enter')) {
      return;
    }
    const action = actionFor(this.keys, event);
    if (action !== null) {
      event.preventDefault();
      this.perform(action);
    }
  }

  dispose(): void {
    window.clearInterval(this.timer);
    this.viewing.pane.dispose();
  }

  private perform(action: Action): void {
    if (action === 'help') {
      this.help.open = !this.help.open;
    } else if (action === 'close') {
      this.close();
    } else {
      (this.viewing.actions[action] ?? this.deciding?.actions[action])?.();
    }
  }

  private close(): void {
    this.help.open = false;
    if (this.deciding?.prompt.open === true) {
      this.deciding.prompt.close();
    }
    this.root.focus({ preventScroll: true });
  }

  private build(): void {
    const head = make('div', { class: 'sfx-head', children: [this.title, this.noticeLine] });
    const over = [this.help.element, this.deciding?.prompt.element ?? null];
    const picture = make('div', { class: 'sfx-picture', children: [this.viewing.pane.element, ...over] });
    const main = make('div', { class: 'sfx-main', children: [picture, this.deciding?.desk.element ?? null] });
    this.root.replaceChildren(head, main, this.viewing.readout.element, this.viewing.toolbar.element);
    this.root.dataset.renderer = this.viewing.pane.rendererKind;
    this.root.dataset.mode = this.setup.mode;
    if (this.setup.height !== null) {
      this.root.style.setProperty('--sfx-height', `${this.setup.height}px`);
    }
  }

  private update(): void {
    const { walk, pixels, display } = this.viewing;
    const { position } = walk;
    const { run } = this.setup;
    const name = pixels.note(position)?.name ?? run.name;
    this.title.textContent =
      position < 0 ? `${run.name}: the queue is empty` : `${name} · frame ${position} of ${run.n}`;
    const spots = pixels.spots(position);
    const found = spots === undefined ? '' : `, ${spots.x.length} spots found`;
    const label = this.deciding === null ? '' : `, ${labelText(walk.labels[position] ?? UNLABELLED)}`;
    this.viewing.pane.describe(`Frame ${position} of ${run.n}, ${display.layer}${found}${label}`);
    this.deciding?.update();
  }

  private left(): void {
    this.notice('');
    this.deciding?.left();
  }

  private tick(): void {
    this.viewing.tick();
    this.deciding?.tick();
  }

  private notice(text: string, grave = false): void {
    this.noticeLine.textContent = text;
    this.noticeLine.classList.toggle('sfx-grave', grave);
  }

  private readonly keys: KeyTable;
  private readonly deciding: Deciding | null;
  private readonly help: Help;
  private readonly title = make('div', { class: 'sfx-title', attributes: { 'data-sfx': 'title' } });
  private readonly noticeLine = make('div', {
    class: 'sfx-notice',
    attributes: { role: 'status', 'data-sfx': 'notice' }
  });
  private readonly timer: number;
}
