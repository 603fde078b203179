// The panel beside the frame: the labels and their rule, what was found, progress, and whether all is saved.

import { button, chooser, make } from './dom';
import { keyText, type Action, type KeyTable } from './keys';
import { FACES, labelText, ruleFor } from './labels';
import type { LabellerSetup, LabelValue } from './models';
import type { SavingState } from './outbox';
import { durationText, type Pace } from './pace';

export interface DeskEvents {
  act(action: Action): void;
  order(order: string): void;
}

export interface Standing {
  label: number;
  counts: readonly [number, number, number];
  /** Labels given by this annotator on this run. */
  labelled: number;
  place: number;
  length: number;
  passed: string;
}

export class Desk {
  readonly element: HTMLElement;

  constructor(
    private readonly setup: LabellerSetup,
    private readonly keys: KeyTable,
    history: HTMLElement,
    private readonly events: DeskEvents
  ) {
    this.queue = chooser('Order of the queue', setup.orders, setup.order, order => events.order(order));
    this.element = make('aside', {
      class: 'sfx-desk',
      attributes: { 'aria-label': 'Labelling' },
      children: [
        make('div', {
          class: 'sfx-labels',
          attributes: { role: 'group', 'aria-label': 'Label' },
          children: this.labelButtons()
        }),
        this.found,
        this.suggestion,
        make('div', { class: 'sfx-row', children: this.actButtons() }),
        this.saving,
        this.progressBar,
        this.progress,
        this.tally,
        make('div', { class: 'sfx-row', children: [make('span', { text: 'Queue' }), this.queue] }),
        this.place,
        history
      ]
    });
  }

  setOrder(order: string): void {
    if (![...this.queue.options].some(option => option.value === order)) {
      this.queue.append(make('option', { text: order, attributes: { value: order } }));
    }
    this.queue.value = order;
  }

  showSpots(count: number | null, problem: string): void {
    const rule = count === null || this.setup.blind ? '' : `, the rule says ${labelText(ruleFor(count))}`;
    this.found.textContent = problem || (count === null ? 'Looking for spots …' : `${count} spots found${rule}`);
    this.found.dataset.spots = count === null ? '' : String(count);
  }

  showSuggestion(text: string): void {
    this.suggestion.textContent = text;
    this.suggestion.hidden = text === '';
  }

  showStanding(standing: Standing, pace: Pace): void {
    const { target } = this.setup;
    const [miss, maybe, hit] = standing.counts;
    const total = miss + maybe + hit;
    for (const face of FACES) {
      this.buttons.get(face.value)?.setAttribute('aria-pressed', String(face.value === standing.label));
    }
    this.progressBar.max = Math.max(1, target);
    this.progressBar.value = Math.min(target, standing.labelled);
    this.progressBar.setAttribute('aria-label', `${standing.labelled} of ${target} labels`);
    const rate = Number.isFinite(pace.perMinute) ? `${pace.perMinute.toFixed(0)} a minute` : 'no pace yet';
    const left = target - standing.labelled;
    const rest = left <= 0 ? 'target reached' : `${durationText(pace.secondsFor(left))} left`;
    this.progress.textContent = `${standing.labelled} of ${target} · ${rate} · ${rest}`;
    const rateText = total === 0 ? '' : ` · hit rate ${((100 * hit) / total).toFixed(0)}\u00a0%`;
    this.tally.textContent = `● ${hit} hit  ◐ ${maybe} maybe  ○ ${miss} miss${rateText}`;
    const now = standing.label >= 0 ? labelText(standing.label) : standing.passed || 'no label yet';
    this.place.textContent = `${standing.place + 1} of ${standing.length} in the queue · ${now}`;
  }

  showSaving(state: SavingState): void {
    const unsaved = state.waiting === 1 ? '1 decision' : `${state.waiting} decisions`;
    const text = {
      idle: 'Nothing to save yet',
      saving: 'saving …',
      saved: `saved at ${clockText(state.at)}`,
      failed: `NOT SAVED: ${unsaved} kept in this browser. ${state.reason} ${ADVICE}`
    }[state.kind];
    this.saving.textContent = text;
    this.saving.dataset.state = state.kind;
    this.saving.setAttribute('role', state.kind === 'failed' ? 'alert' : 'status');
  }

  private labelButtons(): HTMLElement[] {
    return FACES.map(face => {
      const element = button(
        '',
        `${face.name}: ${face.rule}`,
        () => this.events.act(face.action),
        `sfx-label sfx-label-${face.action}`
      );
      element.append(
        make('span', { class: 'sfx-label-name', text: `${face.sign} ${face.name}` }),
        make('span', { class: 'sfx-label-rule', text: face.rule }),
        make('span', { class: 'sfx-label-keys', text: this.keys[face.action].map(keyText).join(' ') })
      );
      this.buttons.set(face.value, element);
      return element;
    });
  }

  private actButtons(): HTMLElement[] {
    const acts: [string, Action][] = [
      ['Undo', 'undo'],
      ['Skip', 'skip'],
      ['Flag …', 'flag'],
      ['Note …', 'note'],
      ['Next unlabelled', 'nextUnlabelled']
    ];
    return acts.map(([text, action]) =>
      button(text, `${text} (${this.keys[action].map(keyText).join(' or ')})`, () => this.events.act(action))
    );
  }

  private readonly buttons = new Map<LabelValue, HTMLElement>();
  private readonly queue: HTMLSelectElement;
  private readonly found = make('div', { class: 'sfx-found', attributes: { 'data-sfx': 'found' } });
  private readonly suggestion = make('div', { class: 'sfx-suggestion', attributes: { 'data-sfx': 'suggestion' } });
  private readonly saving = make('div', { class: 'sfx-saving', attributes: { 'data-sfx': 'saving', role: 'status' } });
  private readonly progressBar = make('progress', { class: 'sfx-progress' });
  private readonly progress = make('div', { attributes: { 'data-sfx': 'progress' } });
  private readonly tally = make('div', { attributes: { 'data-sfx': 'tally' } });
  private readonly place = make('div', { attributes: { 'data-sfx': 'place' } });
}

/** Time of day here, whatever the time zone of the kernel. */
function clockText(seconds: number): string {
  const time = new Date(1000 * seconds);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(part => String(part).padStart(2, '0')).join(':');
}

const ADVICE =
  'Leave this page open: it sends them again. If the kernel was restarted, run the cell again; if the disk is full, make room.';
