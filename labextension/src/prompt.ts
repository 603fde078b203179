// The small form for a flag's reason or a note.

import { button, make } from './dom';

export class Prompt {
  readonly element: HTMLElement;

  constructor(private readonly closed: () => void) {
    this.form.append(
      this.title,
      this.choices,
      this.input,
      button('Save', 'Save (Enter)', () => this.submit(this.input.value))
    );
    this.form.addEventListener('submit', event => {
      event.preventDefault();
      this.submit(this.input.value);
    });
    this.element = this.form;
    this.element.hidden = true;
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  ask(title: string, choices: readonly string[], done: (text: string) => void): void {
    this.done = done;
    this.title.textContent = title;
    this.input.value = '';
    this.input.setAttribute('aria-label', title);
    this.choices.replaceChildren(
      ...choices.map((choice, i) => button(`${i + 1} ${choice}`, choice, () => this.submit(choice)))
    );
    this.reasons = choices;
    this.element.hidden = false;
    this.input.focus({ preventScroll: true });
  }

  /** Returns whether the key was a choice: a digit, while nothing has been typed. */
  choose(key: string): boolean {
    const choice = this.input.value === '' ? this.reasons[Number(key) - 1] : undefined;
    if (choice !== undefined) {
      this.submit(choice);
    }
    return choice !== undefined;
  }

  close(): void {
    this.element.hidden = true;
    this.closed();
  }

  submit(text: string): void {
    if (text.trim() === '') {
      return;
    }
    this.close();
    this.done(text.trim());
  }

  private readonly form = make('form', { class: 'sfx-prompt', attributes: { 'data-sfx': 'prompt' } });
  private readonly title = make('div', { class: 'sfx-prompt-title' });
  private readonly choices = make('div', { class: 'sfx-prompt-choices' });
  private readonly input = make('input', { class: 'sfx-prompt-input', attributes: { type: 'text', maxlength: '500' } });
  private reasons: readonly string[] = [];
  private done: (text: string) => void = () => undefined;
}
