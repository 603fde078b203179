// The list of keys, shown over the frame.

import { button, make } from './dom';
import { ACTION_TEXT, keyText, type Action, type KeyTable } from './keys';

const LABELLING = new Set<Action>(['hit', 'maybe', 'miss', 'undo', 'skip', 'flag', 'note', 'nextUnlabelled']);

export class Help {
  readonly element: HTMLElement;

  constructor(keys: KeyTable, labelling: boolean, close: () => void) {
    const rows = (Object.keys(ACTION_TEXT) as Action[])
      .filter(action => labelling || !LABELLING.has(action))
      .map(action => row(keys[action], ACTION_TEXT[action]));
    this.element = make('div', {
      class: 'sfx-help',
      attributes: { role: 'dialog', 'aria-label': 'Keys', 'data-sfx': 'help' },
      children: [
        make('div', { class: 'sfx-help-title', text: 'Keys' }),
        make('dl', { class: 'sfx-help-list', children: rows }),
        make('p', {
          class: 'sfx-help-mouse',
          text: 'Mouse: wheel zooms (once the frame has the focus), drag moves, Shift + drag zooms to a box, double click fits.'
        }),
        button('Close', 'Close (Esc)', close)
      ]
    });
    this.element.hidden = true;
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  set open(open: boolean) {
    this.element.hidden = !open;
  }
}

function row(keys: readonly string[], text: string): HTMLElement {
  const caps = keys.map(key => make('kbd', { text: keyText(key) }));
  return make('div', { class: 'sfx-help-row', children: [make('dt', { children: caps }), make('dd', { text })] });
}
