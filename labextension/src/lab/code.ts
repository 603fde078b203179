// Python that is run on the user's behalf. Names of files and people enter as string literals and nothing else.

import type { LabellingSettings } from './settings';

/** A Python string literal; every character that is not plain ASCII is escaped, so nothing can end it early. */
export function literal(text: string): string {
  const escaped = Array.from(text, character => {
    const code = character.codePointAt(0) ?? 0;
    const plain = code >= 32 && code < 127 && character !== '"' && character !== '\\';
    return plain ? character : `\\U${code.toString(16).padStart(8, '0')}`;
  });
  return `"${escaped.join('')}"`;
}

function python(value: unknown): string {
  if (typeof value === 'string') {
    return literal(value);
  }
  if (typeof value === 'boolean') {
    return value ? 'True' : 'False';
  }
  if (Array.isArray(value)) {
    return `[${value.map(python).join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([name, item]) => `${literal(name)}: ${python(item)}`)
      .join(', ')}}`;
  }
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : 'None';
}

function options(settings: LabellingSettings): string {
  const { annotator, layer, order, target, blind, keys } = settings;
  const wanted = { order, layer, target, blind, ...(Object.keys(keys).length > 0 ? { keys } : {}) };
  const who = annotator === '' ? '' : `, annotator=${literal(annotator)}`;
  return `${who}, ${Object.entries(wanted)
    .map(([name, value]) => `${name}=${python(value)}`)
    .join(', ')}`;
}

/** Opens a run beside its label store; without a store to be made, for looking only. */
export function panelCode(run: string, labels: string | null, settings: LabellingSettings): string {
  const store = labels === null ? 'None' : literal(labels);
  return `from sfx_label.widgets.panel import open_panel\nsfx_label_panel = open_panel(${literal(run)}, ${store}${options(settings)})`;
}

export function notebookCells(run: string, labels: string, settings: LabellingSettings): string[] {
  const who = settings.annotator === '' ? '' : `, annotator=${literal(settings.annotator)}`;
  return [
    `from sfx_label import Labeller, LabelStore, open_frames\n\nframes = open_frames(${literal(run)})\nframes`,
    `store = LabelStore.open(${literal(labels)}, create=True${who})\nlab = Labeller(frames, store, order=${literal(settings.order)})\nlab`,
    'lab.labels'
  ];
}

export function isRun(path: string): boolean {
  return /\.(h5|hdf5|cxi|nxs|cbf|mccd|tiff?)$/i.test(path);
}

/** Where the labels of a run lie unless told otherwise: beside it, under its name. */
export function labelsBeside(run: string): string {
  return `${run.replace(/\.[^./]*$/, '')}.labels`;
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '';
}
