// Commands that open runs, and where the user finds them: launcher, palette, file browser, restored layout.

import { ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import {
  Dialog,
  ICommandPalette,
  MainAreaWidget,
  showDialog,
  showErrorMessage,
  WidgetTracker
} from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog, IDefaultFileBrowser } from '@jupyterlab/filebrowser';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { baseName, folderOf, isRun, labelsBeside, notebookCells, panelCode } from './code';
import { stillIcon } from './icon';
import { RunPanel } from './runpanel';
import { read, type LabellingSettings } from './settings';

const ID = 'sfx-label:plugin';
const OPEN = 'sfx-label:open';
const NOTEBOOK = 'sfx-label:new-notebook';
const CATEGORY = 'SFX Label';

type Panel = MainAreaWidget<RunPanel>;

interface OpenArguments {
  path?: string;
  /** The label store, or null for looking only; asked for if absent. */
  labels?: string | null;
}

class RunOpener {
  readonly tracker = new WidgetTracker<Panel>({ namespace: 'sfx-label' });

  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly browser: IDefaultFileBrowser | null,
    private readonly documents: IDocumentManager | null,
    private readonly settings: () => LabellingSettings
  ) {}

  /** Shows a run in a panel; one that is open already is brought to the front. */
  async open(args: OpenArguments): Promise<void> {
    const path = args.path ?? (await this.choose());
    if (path === null) {
      return;
    }
    const already = this.tracker.find(panel => panel.content.path === path);
    if (already !== undefined) {
      this.app.shell.activateById(already.id);
      return;
    }
    const labels = args.labels === undefined ? await this.labelsOf(path) : args.labels;
    if (labels !== undefined) {
      await this.show(path, labels);
    }
  }

  /** A notebook with the lines that label this run, for those who want to go on in code. */
  async notebook(args: OpenArguments): Promise<void> {
    const path = args.path ?? (await this.choose());
    if (path === null) {
      return;
    }
    const { contents } = this.app.serviceManager;
    const file = await contents.newUntitled({ path: folderOf(path), type: 'notebook' });
    const run = baseName(path);
    const cells = notebookCells(run, labelsBeside(run), this.settings()).map(source => ({
      cell_type: 'code',
      execution_count: null,
      metadata: {},
      outputs: [],
      source
    }));
    await contents.save(file.path, {
      type: 'notebook',
      format: 'json',
      content: { cells, metadata: await this.kernelMetadata(), nbformat: 4, nbformat_minor: 4 }
    });
    await this.app.commands.execute('docmanager:open', { path: file.path, factory: 'Notebook' });
  }

  /** Names the Python kernel, so that the new notebook does not ask for one. */
  private async kernelMetadata(): Promise<object> {
    const { kernelspecs } = this.app.serviceManager;
    await kernelspecs.ready;
    const found = Object.values(kernelspecs.specs?.kernelspecs ?? {}).filter(spec => spec?.language === 'python');
    const chosen = found.find(spec => spec?.name === kernelspecs.specs?.default) ?? found.at(0);
    return chosen ? { kernelspec: { name: chosen.name, display_name: chosen.display_name, language: 'python' } } : {};
  }

  /** What the file browser has selected, if it can be a run; else what the user picks. */
  private async choose(): Promise<string | null> {
    const selected = [...(this.browser?.selectedItems() ?? [])];
    if (selected.length === 1 && (selected[0].type === 'directory' || isRun(selected[0].path))) {
      return selected[0].path;
    }
    if (this.documents === null) {
      return null;
    }
    const answer = await FileDialog.getOpenFiles({
      manager: this.documents,
      title: 'Which run?',
      filter: model => (isRun(model.path) || model.path.endsWith('.labels') ? {} : null)
    });
    return answer.value?.[0]?.path ?? null;
  }

  /** The label store of a run: the one beside it, a new one if the user agrees, null for looking only. */
  private async labelsOf(path: string): Promise<string | null | undefined> {
    if (path.endsWith('.labels')) {
      return path;
    }
    const labels = labelsBeside(path);
    if (await this.exists(labels)) {
      return labels;
    }
    const answer = await showDialog({
      title: 'Label this run?',
      body: `There are no labels of it yet. They would be kept in ${baseName(labels)}, beside the run.`,
      buttons: [
        Dialog.cancelButton(),
        Dialog.createButton({ label: 'Only look', accept: true }),
        Dialog.okButton({ label: 'Label' })
      ]
    });
    if (!answer.button.accept) {
      return undefined;
    }
    return answer.button.label === 'Label' ? labels : null;
  }

  private async exists(path: string): Promise<boolean> {
    try {
      await this.app.serviceManager.contents.get(path, { content: false });
      return true;
    } catch {
      return false; // the server answers 404
    }
  }

  private async show(path: string, labels: string | null): Promise<void> {
    const run = path.endsWith('.labels') ? '' : baseName(path);
    const code = panelCode(run, labels === null ? null : baseName(labels), this.settings());
    const panel = new MainAreaWidget({ content: new RunPanel(path, code, this.app.serviceManager) });
    panel.id = `sfx-label-${path.replace(/[^\w]/g, '-')}`;
    panel.title.label = baseName(path);
    panel.title.caption = path;
    panel.title.icon = stillIcon;
    panel.title.closable = true;
    Object.assign(panel.node.dataset, { path, labels: labels ?? '' });
    this.app.shell.add(panel, 'main');
    await this.tracker.add(panel);
    this.app.shell.activateById(panel.id);
  }
}

function addCommands(app: JupyterFrontEnd, opener: RunOpener): void {
  const guarded = (work: (args: OpenArguments) => Promise<void>) => async (args: object) => {
    try {
      await work(args);
    } catch (error) {
      await showErrorMessage('SFX Label', error instanceof Error ? error.message : String(error));
    }
  };
  app.commands.addCommand(OPEN, {
    label: args => (args.isLauncher === true ? 'SFX Label' : 'Open in SFX Label'),
    caption: 'Look at the frames of a run and label them',
    icon: stillIcon,
    execute: guarded(args => opener.open(args))
  });
  app.commands.addCommand(NOTEBOOK, {
    label: 'New Labelling Notebook for This Run',
    caption: 'A notebook with the lines that open and label this run',
    icon: stillIcon,
    execute: guarded(args => opener.notebook(args))
  });
}

function addFileTypes(app: JupyterFrontEnd): void {
  const common = { fileFormat: 'base64', contentType: 'file', icon: stillIcon } as const;
  app.docRegistry.addFileType({
    ...common,
    name: 'sfx-run',
    displayName: 'Detector run',
    extensions: ['.h5', '.hdf5', '.cxi', '.nxs', '.cbf']
  });
  app.docRegistry.addFileType({ ...common, name: 'sfx-labels', displayName: 'Frame labels', extensions: ['.labels'] });
}

async function loadSettings(registry: ISettingRegistry | null): Promise<() => LabellingSettings> {
  if (registry === null) {
    return () => read(null);
  }
  try {
    const loaded = await registry.load(ID);
    return () => read(loaded);
  } catch (error) {
    console.warn('sfx-label: the settings cannot be loaded; the default ones are used', error);
    return () => read(null);
  }
}

export const labelling: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: 'Opens detector runs for labelling: from the launcher, the palette and the file browser.',
  autoStart: true,
  optional: [ICommandPalette, ILauncher, IDefaultFileBrowser, IDocumentManager, ISettingRegistry, ILayoutRestorer],
  activate: async (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    browser: IDefaultFileBrowser | null,
    documents: IDocumentManager | null,
    registry: ISettingRegistry | null,
    restorer: ILayoutRestorer | null
  ): Promise<void> => {
    addFileTypes(app);
    let settings: () => LabellingSettings = () => read(null);
    const opener = new RunOpener(app, browser, documents, () => settings());
    addCommands(app, opener);
    palette?.addItem({ command: OPEN, category: CATEGORY });
    palette?.addItem({ command: NOTEBOOK, category: CATEGORY });
    launcher?.add({ command: OPEN, category: 'Other', rank: 1, args: { isLauncher: true } });
    void restorer?.restore(opener.tracker, {
      command: OPEN,
      args: panel => ({ path: panel.node.dataset.path ?? '', labels: panel.node.dataset.labels ?? null }),
      name: panel => panel.content.path
    });
    settings = await loadSettings(registry);
  }
};
