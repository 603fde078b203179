// In the status bar: whether the labels of the tab in front are on the disk.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStatusBar } from '@jupyterlab/statusbar';
import { Widget } from '@lumino/widgets';

const TEXT: Readonly<Record<string, string>> = {
  saving: 'Labels: saving …',
  saved: 'Labels: saved',
  failed: 'Labels: NOT SAVED',
  idle: 'Labels: nothing to save'
};
const WORST_FIRST = ['failed', 'saving', 'saved', 'idle'];

/** The worst state of all labellers in the tab; empty where there is none. */
function stateIn(tab: Element | null): string {
  const states = [...(tab?.querySelectorAll<HTMLElement>('.sfx-root[data-saving]') ?? [])].map(
    root => root.dataset.saving ?? ''
  );
  return WORST_FIRST.find(state => states.includes(state)) ?? '';
}

export const savingStatus: JupyterFrontEndPlugin<void> = {
  id: 'sfx-label:saving-status',
  description: 'Shows in the status bar whether labels are saved.',
  autoStart: true,
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, statusBar: IStatusBar | null): void => {
    if (statusBar === null) {
      return;
    }
    const item = new Widget();
    item.addClass('sfx-status');
    const update = (): void => {
      const state = stateIn(app.shell.currentWidget?.node ?? null);
      item.node.textContent = TEXT[state] ?? '';
      item.node.dataset.state = state;
    };
    // viewers in notebooks and in panels alike tell their state in this attribute
    new MutationObserver(update).observe(document.body, { subtree: true, attributeFilter: ['data-saving'] });
    app.shell.currentChanged?.connect(update);
    statusBar.registerStatusItem('sfx-label:saving', { item, align: 'right', rank: 100 });
  }
};
