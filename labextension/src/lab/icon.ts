// A still: a few spots around the beam stop.

import { LabIcon } from '@jupyterlab/ui-components';

const SPOTS =
  '<circle cx="5" cy="7" r="1.4"/><circle cx="16" cy="5" r="1.4"/><circle cx="18" cy="14" r="1.4"/><circle cx="7" cy="17" r="1.4"/>';

export const stillIcon = new LabIcon({
  name: 'sfx-label:still',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 22 22" width="16"><g class="jp-icon3" fill="#616161">${SPOTS}<path d="M11 8a3 3 0 1 0 0 6 3 3 0 0 0 0-6zm0 1.4a1.6 1.6 0 1 1 0 3.2 1.6 1.6 0 0 1 0-3.2z"/></g></svg>`
});
