// The JupyterLab extension: launcher card, palette, file browser menu, settings, layout and status bar.

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { labelling } from './lab/labelling';
import { savingStatus } from './lab/savingstatus';

const plugins: JupyterFrontEndPlugin<void>[] = [labelling, savingStatus];

export default plugins;
