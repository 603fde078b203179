// The one widget of a panel, taken straight from the kernel's messages: the same code that a notebook shows.

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject, JSONValue } from '@lumino/coreutils';

const TARGET = 'jupyter.widget';

type Listener = (content: unknown, buffers: DataView[]) => void;

/** What anywidget gives to a front-end module. */
interface FrontModel {
  send(content: JSONValue): void;
  on(name: string, listener: Listener): void;
  off(name: string, listener: Listener): void;
}

interface FrontModule {
  render(place: { model: FrontModel; el: HTMLElement }): () => void;
}

interface OpenData {
  state?: Record<string, unknown>;
}

/** Resolves with the first frame viewer that the kernel makes from now on, ready to be drawn. */
export function nextViewer(kernel: Kernel.IKernelConnection): Promise<(element: HTMLElement) => Promise<() => void>> {
  return new Promise(resolve => {
    kernel.registerCommTarget(TARGET, (comm, message) => {
      const { state } = message.content.data as OpenData;
      const code = state?._esm;
      if (typeof code === 'string') {
        const model = modelOf(comm);
        resolve(async element => (await moduleOf(code)).render({ model, el: element }));
      }
    });
  });
}

function modelOf(comm: Kernel.IComm): FrontModel {
  const listeners = new Set<Listener>();
  comm.onMsg = (message: KernelMessage.ICommMsgMsg) => {
    const data = message.content.data as { method?: string; content?: unknown };
    if (data.method === 'custom') {
      const buffers = (message.buffers ?? []).map(viewOf);
      listeners.forEach(listener => listener(data.content, buffers));
    }
  };
  return {
    send: content => {
      const data: JSONObject = { method: 'custom', content };
      comm.send(data);
    },
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener)
  };
}

function viewOf(buffer: ArrayBuffer | ArrayBufferView): DataView {
  return buffer instanceof ArrayBuffer
    ? new DataView(buffer)
    : new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The module comes from the kernel, as it does for a notebook, so that page and kernel are of one version. */
async function moduleOf(code: string): Promise<FrontModule> {
  const address = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  try {
    const loaded = (await import(/* webpackIgnore: true */ address)) as { default: FrontModule };
    return loaded.default;
  } finally {
    URL.revokeObjectURL(address);
  }
}
