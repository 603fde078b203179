// What anywidget loads: one frame viewer or labeller for each place where the widget is shown.

import styles from '../style/viewer.css';
import { App } from './app';
import { make } from './dom';
import type { Host, ServerMessage } from './models';

const HELLO_MS = 2000;
const NO_KERNEL_MS = 6000;

type Listener = (message: ServerMessage, buffers: DataView[]) => void;

/** The part of anywidget's model that is used. */
interface WidgetModel {
  send(content: unknown): void;
  on(name: 'msg:custom', listener: Listener): void;
  off(name: 'msg:custom', listener: Listener): void;
}

function hostOf(model: WidgetModel): Host {
  return {
    send: message => model.send(message),
    onMessage: listener => {
      model.on('msg:custom', listener);
      return () => model.off('msg:custom', listener);
    },
    storage: storageOf()
  };
}

/** Null in a sandboxed page, where even looking at the storage is refused. */
function storageOf(): Storage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

function newClient(): string {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return [...words].map(word => word.toString(36)).join('');
}

/** Shows the viewer in `element` until the returned function is called. */
export function mount(host: Host, element: HTMLElement): () => void {
  const root = make('div', {
    class: 'sfx-root',
    attributes: {
      tabindex: '0',
      role: 'application',
      'aria-label': 'sfx-label frame viewer',
      'data-lm-suppress-shortcuts': 'true'
    },
    children: [make('div', { class: 'sfx-wait', text: 'Waiting for the kernel …' })]
  });
  element.append(make('style', { text: styles }), root);
  const client = newClient();
  let app: App | null = null;
  const stop = host.onMessage((message, buffers) => {
    if (message.type === 'setup' && message.client === client && app === null) {
      app = new App(root, host, message, buffers);
      app.start();
      Object.assign(root, { sfx: app });
    } else {
      app?.accept(message, buffers);
    }
  });
  const since = Date.now();
  const hello = (): void => {
    if (app !== null) {
      window.clearInterval(timer);
      return;
    }
    if (Date.now() - since > NO_KERNEL_MS) {
      root.textContent = 'The kernel does not answer. Run the cell again.';
    }
    host.send({ type: 'hello', client });
  };
  const timer = window.setInterval(hello, HELLO_MS);
  hello();
  listenToKeys(root, event => app?.key(event));
  return () => {
    window.clearInterval(timer);
    stop();
    app?.dispose();
    root.remove();
  };
}

/**
 * No key pressed here reaches the notebook, whose command mode would delete cells, save for combinations with Ctrl,
 * Alt or Meta: those stay JupyterLab's, so while such a key is down its shortcuts are let through.
 */
function listenToKeys(root: HTMLElement, act: (event: KeyboardEvent) => void): void {
  const combined = (event: KeyboardEvent): boolean => event.ctrlKey || event.altKey || event.metaKey;
  const guard = (event: KeyboardEvent): void => {
    if (combined(event)) {
      root.removeAttribute('data-lm-suppress-shortcuts');
    } else {
      root.setAttribute('data-lm-suppress-shortcuts', 'true');
    }
  };
  root.addEventListener('keydown', event => {
    guard(event);
    if (!combined(event)) {
      act(event);
      event.stopPropagation();
    }
  });
  root.addEventListener('keyup', event => {
    guard(event);
    event.stopPropagation();
  });
  root.addEventListener('blur', () => root.setAttribute('data-lm-suppress-shortcuts', 'true'), true);
  root.addEventListener('keypress', event => event.stopPropagation());
}

export default {
  render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
    return mount(hostOf(model), el);
  }
};
