// Small makers of page elements. Text is only ever set as text.

export interface Parts {
  class?: string;
  text?: string;
  title?: string;
  attributes?: Readonly<Record<string, string>>;
  children?: readonly (Node | null)[];
}

export function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  parts: Parts = {}
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (parts.class !== undefined) {
    element.className = parts.class;
  }
  if (parts.text !== undefined) {
    element.textContent = parts.text;
  }
  if (parts.title !== undefined) {
    element.title = parts.title;
  }
  for (const [attribute, value] of Object.entries(parts.attributes ?? {})) {
    element.setAttribute(attribute, value);
  }
  element.append(...(parts.children ?? []).filter(child => child !== null));
  return element;
}

export function button(text: string, title: string, act: () => void, className = 'sfx-button'): HTMLButtonElement {
  // the frame keeps the keyboard: a button that took the focus would swallow the next key
  const element = make('button', { class: className, text, title, attributes: { type: 'button', tabindex: '0' } });
  element.addEventListener('pointerdown', event => event.preventDefault());
  element.addEventListener('click', act);
  return element;
}

export function chooser(
  name: string,
  choices: readonly string[],
  chosen: string,
  act: (choice: string) => void
): HTMLSelectElement {
  const element = make('select', { class: 'sfx-select', title: name, attributes: { 'aria-label': name } });
  for (const choice of choices) {
    element.append(make('option', { text: choice, attributes: { value: choice } }));
  }
  element.value = chosen;
  element.addEventListener('change', () => act(element.value));
  return element;
}

export function numberField(name: string, value: number, act: (value: number) => void): HTMLInputElement {
  const element = make('input', {
    class: 'sfx-number',
    title: name,
    attributes: { type: 'number', step: 'any', 'aria-label': name }
  });
  element.value = String(value);
  element.addEventListener('change', () => {
    const entered = element.valueAsNumber;
    if (Number.isFinite(entered)) {
      act(entered);
    }
  });
  return element;
}

export function labelled(text: string, field: HTMLElement): HTMLElement {
  return make('span', {
    class: 'sfx-field',
    children: [make('span', { text, attributes: { 'aria-hidden': 'true' } }), field]
  });
}

/** A canvas context, or an error that says what the browser lacks. */
export function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (context === null) {
    throw new Error('This browser offers no 2-D canvas');
  }
  return context;
}
