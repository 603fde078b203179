// The entry that anywidget loads.
import '../style/viewer.css';
import type { Host, ServerMessage } from './models';

interface WidgetModel {
  send(content: unknown): void;
  on(name: 'msg:custom', listener: (message: ServerMessage, buffers: DataView[]) => void): void;
  off(name: 'msg:custom', listener: (message: ServerMessage, buffers: DataView[]) => void): void;
}

export function hostOf(model: WidgetModel): Host {
  return {
    send: message => model.send(message),
    onMessage: listener => {
      model.on('msg:custom', listener);
      return () => model.off('msg:custom', listener);
    },
    storage: window.localStorage
  };
}
