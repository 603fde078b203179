// The JupyterLab extension: launcher card, palette, file browser menu, settings and status bar.

import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { openers } from './lab/openers';

const plugins: JupyterFrontEndPlugin<void>[] = [openers];

export default plugins;
