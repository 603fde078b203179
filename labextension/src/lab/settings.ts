// What the user set in JupyterLab's settings editor, checked, with a default for what is absent or odd.

import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { LayerName } from '../models';

export interface LabellingSettings {
  annotator: string;
  layer: LayerName;
  order: string;
  target: number;
  blind: boolean;
  keys: Record<string, string[]>;
}

export const DEFAULTS: Readonly<LabellingSettings> = {
  annotator: '',
  layer: 'raw',
  order: 'random',
  target: 200,
  blind: true,
  keys: {}
};

export function read(settings: ISettingRegistry.ISettings | null): LabellingSettings {
  const { composite } = settings ?? { composite: {} };
  const merged: Record<string, unknown> = { ...DEFAULTS };
  for (const [name, value] of Object.entries(composite)) {
    if (name in DEFAULTS && typeof value === typeof merged[name]) {
      merged[name] = value;
    }
  }
  return merged as unknown as LabellingSettings;
}
