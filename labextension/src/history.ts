// The strip of the last frames that were decided, each with a small picture; a click goes back to one.

import { contextOf, make } from './dom';
import { labelText } from './labels';

const SIDE = 56;
const LENGTH = 10;

interface Entry {
  position: number;
  label: number;
  text: string;
  picture: HTMLCanvasElement | null;
}

export class History {
  readonly element = make('ol', { class: 'sfx-history', attributes: { 'aria-label': 'The last ten decisions' } });

  constructor(private readonly chosen: (position: number) => void) {}

  /** Puts a decision in front; `picture` is copied small. */
  add(position: number, label: number, text: string, picture: HTMLCanvasElement | null): void {
    const before = this.entries.find(entry => entry.position === position);
    const small = picture === null ? (before?.picture ?? null) : shrink(picture);
    this.entries = [{ position, label, text, picture: small }, ...this.entries.filter(entry => entry !== before)].slice(
      0,
      LENGTH
    );
    this.render();
  }

  remove(position: number): void {
    this.entries = this.entries.filter(entry => entry.position !== position);
    this.render();
  }

  private render(): void {
    this.element.replaceChildren(...this.entries.map(entry => this.item(entry)));
  }

  private item(entry: Entry): HTMLElement {
    const name = `Frame ${entry.position}: ${entry.text || labelText(entry.label)}`;
    const button = make('button', {
      class: 'sfx-history-item',
      title: `${name}. Click to go back and correct.`,
      attributes: { type: 'button', 'aria-label': name, 'data-position': String(entry.position) },
      children: [
        entry.picture ?? make('span', { class: 'sfx-history-blank' }),
        make('span', { class: 'sfx-history-text', text: `${entry.position} ${entry.text || labelText(entry.label)}` })
      ]
    });
    button.addEventListener('pointerdown', event => event.preventDefault());
    button.addEventListener('click', () => this.chosen(entry.position));
    return make('li', { children: [button] });
  }

  private entries: Entry[] = [];
}

function shrink(picture: HTMLCanvasElement): HTMLCanvasElement {
  const canvas = make('canvas', { attributes: { width: String(SIDE), height: String(SIDE), 'aria-hidden': 'true' } });
  const side = Math.min(picture.width, picture.height);
  contextOf(canvas).drawImage(
    picture,
    (picture.width - side) / 2,
    (picture.height - side) / 2,
    side,
    side,
    0,
    0,
    SIDE,
    SIDE
  );
  return canvas;
}
