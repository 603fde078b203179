// Buttons and fields for what the keys do: layers, overlays, contrast and zoom.

import { COLORMAP_NAMES } from './colormaps';
import { STRETCH_NAMES } from './contrast';
import { OVERLAYS, type Display, type OverlayName } from './display';
import { button, chooser, labelled, make, numberField } from './dom';
import { keyText, type Action, type KeyTable } from './keys';
import type { LayerName, Limits, Stretch } from './models';

const LAYER_TEXT: Readonly<Record<LayerName, string>> = {
  raw: 'Raw',
  gcn: 'GCN',
  lcn: 'LCN',
  difference: 'Difference',
  attention: 'Attention'
};
const OVERLAY_TEXT: Readonly<Record<OverlayName, [string, Action]>> = {
  lcn: ['LCN colour', 'overlay'],
  attention: ['Attention', 'attention'],
  spots: ['Spots', 'spots'],
  mask: ['Mask', 'mask'],
  crop: ['Crop', 'crop'],
  rings: ['Rings', 'rings'],
  profile: ['RWD', 'profile']
};

export interface ToolbarEvents {
  act(action: Action): void;
  layer(layer: LayerName): void;
  /** The display was changed through a field and must be drawn anew. */
  changed(): void;
}

export interface Offered {
  layers: readonly LayerName[];
  mask: boolean;
  rings: boolean;
  crop: boolean;
}

export class Toolbar {
  readonly element: HTMLElement;

  constructor(
    private readonly display: Display,
    private readonly keys: KeyTable,
    offered: Offered,
    private readonly events: ToolbarEvents
  ) {
    this.element = make('div', {
      class: 'sfx-toolbar',
      attributes: { role: 'toolbar', 'aria-label': 'Display of the frame' },
      children: [this.layerGroup(offered), this.overlayGroup(offered), this.contrastGroup(), this.zoomGroup()]
    });
  }

  update(limits: Limits): void {
    const { display } = this;
    const contrast = display.contrast[display.layer];
    this.layerButtons.forEach((element, layer) => press(element, layer === display.layer));
    this.overlayButtons.forEach((element, overlay) => press(element, display.shown[overlay]));
    this.stretch.value = contrast.stretch;
    this.colormap.value = contrast.colormap;
    this.low.value = String(rounded(limits.low));
    this.high.value = String(rounded(limits.high));
    press(this.hold, contrast.mode === 'manual');
    this.hold.textContent = contrast.mode === 'manual' ? 'Held' : 'Auto';
    this.opacity.value = String(display.opacity[display.lastOverlay]);
    this.opacity.title = `Opacity of ${OVERLAY_TEXT[display.lastOverlay][0]} (${this.hint('lessOpaque')} ${this.hint('moreOpaque')})`;
  }

  private layerGroup(offered: Offered): HTMLElement {
    for (const layer of offered.layers.filter(name => name !== 'attention')) {
      const key = layer === 'gcn' ? 'gcn' : layer === 'difference' ? 'difference' : 'flip';
      const title = `${LAYER_TEXT[layer]} layer (${this.hint(key)})`;
      this.layerButtons.set(
        layer,
        button(LAYER_TEXT[layer], title, () => this.events.layer(layer))
      );
    }
    return group('Layer', [...this.layerButtons.values()]);
  }

  private overlayGroup(offered: Offered): HTMLElement {
    const there = (overlay: OverlayName): boolean =>
      overlay === 'attention'
        ? offered.layers.includes('attention')
        : overlay in offered
          ? offered[overlay as 'mask']
          : true;
    for (const overlay of OVERLAYS.filter(there)) {
      const [text, action] = OVERLAY_TEXT[overlay];
      this.overlayButtons.set(
        overlay,
        button(text, `${text} (${this.hint(action)})`, () => this.events.act(action))
      );
    }
    this.opacity.addEventListener('input', () => {
      this.display.opacity[this.display.lastOverlay] = this.opacity.valueAsNumber;
      this.events.changed();
    });
    return group('Overlays', [...this.overlayButtons.values(), this.opacity]);
  }

  private contrastGroup(): HTMLElement {
    return group('Contrast', [
      this.stretch,
      this.colormap,
      labelled('from', this.low),
      labelled('to', this.high),
      this.hold
    ]);
  }

  private zoomGroup(): HTMLElement {
    const tool = (text: string, action: Action, name: string): HTMLElement => {
      const element = button(text, `${name} (${this.hint(action)})`, () => this.events.act(action));
      element.setAttribute('aria-label', name);
      return element;
    };
    return group('Zoom', [
      tool('Fit', 'fit', 'Whole frame or crop'),
      tool('1:1', 'oneToOne', 'One frame pixel on one screen pixel'),
      tool('+', 'zoomIn', 'Zoom in'),
      tool('−', 'zoomOut', 'Zoom out'),
      tool('?', 'help', 'Keys')
    ]);
  }

  private hint(action: Action): string {
    return this.keys[action].map(keyText).join(' or ');
  }

  private setLimit(end: 'low' | 'high', value: number): void {
    const contrast = this.display.contrast[this.display.layer];
    contrast.low = this.low.valueAsNumber;
    contrast.high = this.high.valueAsNumber;
    contrast[end] = value;
    contrast.mode = 'manual';
    this.events.changed();
  }

  private setStretch(stretch: string): void {
    this.display.contrast[this.display.layer].stretch = stretch as Stretch;
    this.events.changed();
  }

  private setColormap(colormap: string): void {
    this.display.contrast[this.display.layer].colormap = colormap;
    this.events.changed();
  }

  private readonly layerButtons = new Map<LayerName, HTMLButtonElement>();
  private readonly overlayButtons = new Map<OverlayName, HTMLButtonElement>();
  private readonly opacity = make('input', {
    class: 'sfx-opacity',
    attributes: { type: 'range', min: '0.1', max: '1', step: '0.1', 'aria-label': 'Opacity of the overlay' }
  });
  private readonly stretch = chooser('Stretch', STRETCH_NAMES, 'linear', choice => this.setStretch(choice));
  private readonly colormap = chooser('Colour map', COLORMAP_NAMES, 'inverted grey', choice =>
    this.setColormap(choice)
  );
  private readonly low = numberField('Lower limit', 0, value => this.setLimit('low', value));
  private readonly high = numberField('Upper limit', 1, value => this.setLimit('high', value));
  private readonly hold = button('Auto', 'Limits held for all frames, or fitted to each frame (a)', () =>
    this.events.act('hold')
  );
}

function group(name: string, children: readonly HTMLElement[]): HTMLElement {
  return make('div', { class: 'sfx-group', attributes: { role: 'group', 'aria-label': name }, children });
}

function press(element: HTMLElement, pressed: boolean): void {
  element.setAttribute('aria-pressed', String(pressed));
}

function rounded(value: number): number {
  return Number(value.toPrecision(4));
}
