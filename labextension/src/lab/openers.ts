// Files that sfx-label opens: their kinds, and the commands in launcher, palette and file browser.

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

const EXTENSIONS = ['.h5', '.hdf5', '.cxi', '.nxs', '.cbf'];

export const openers: JupyterFrontEndPlugin<void> = {
  id: 'sfx-label:plugin',
  description: 'Opens detector runs in sfx-label.',
  autoStart: true,
  activate: (app: JupyterFrontEnd): void => {
    app.docRegistry.addFileType({
      name: 'sfx-run',
      displayName: 'Detector run',
      extensions: EXTENSIONS,
      fileFormat: 'base64',
      contentType: 'file'
    });
  }
};
