// Looking at frames: the queue, the picture, what is fetched ahead, and the keys that change how frames are shown.

import { wantedFor } from './ahead';
import {
  changeOpacity,
  changeUpperLimit,
  keepDisplay,
  nextColormap,
  nextStretch,
  recallDisplay,
  toggle,
  toggleHold,
  type Display,
  type OverlayName
} from './display';
import type { Action, KeyTable } from './keys';
import type { Contrast, Host, LayerName, Plane, Point, ServerMessage, Setup } from './models';
import { FramePane } from './pane';
import { PixelStore, type Wanted } from './pixels';
import { ReadOut } from './readout';
import { Toolbar } from './toolbar';
import type { Walk } from './walk';

const AHEAD = 4;
const TELL_MS = 60;
const ZOOM_STEP = 1.25;

export interface ViewingEvents {
  act(action: Action): void;
  /** The frame on screen, or what is known of it, has changed. */
  changed(): void;
  /** Another frame was gone to. */
  left(): void;
  notice(text: string): void;
}

export class Viewing {
  readonly display: Display;
  readonly pixels: PixelStore;
  readonly pane: FramePane;
  readonly readout: ReadOut;
  readonly toolbar: Toolbar;
  /** The frame whose pixels are on screen, and since when (seconds since 1970). */
  shown = { position: -1, since: 0 };

  constructor(
    private readonly root: HTMLElement,
    private readonly host: Host,
    private readonly setup: Setup,
    keys: KeyTable,
    readonly walk: Walk,
    good: Uint8Array | null,
    private readonly events: ViewingEvents
  ) {
    this.display = recallDisplay(setup.layer, host.storage);
    this.pixels = new PixelStore(host, setup.client, (position, layer) => this.arrived(position, layer));
    this.pane = new FramePane(setup, this.display, this.pixels, good, {
      hovered: (point, spot) => this.hovered(point, spot),
      moved: () => this.request(),
      drawn: position => this.drawn(position)
    });
    this.readout = new ReadOut(host, setup, this.pane);
    const { layers, geometry, crop } = setup;
    const offered = { layers, mask: good !== null, rings: geometry.beamCenterPx !== null, crop: crop !== null };
    this.toolbar = new Toolbar(this.display, keys, offered, {
      act: action => events.act(action),
      layer: layer => this.setLayer(layer),
      changed: () => this.redraw()
    });
  }

  readonly actions: Partial<Record<Action, () => void>> = {
    next: () => this.step(1),
    previous: () => this.step(-1),
    random: () => this.goTo(Math.floor(Math.random() * this.setup.run.n)),
    flip: () => this.setLayer('lcn'),
    gcn: () => this.setLayer('gcn'),
    difference: () => this.setLayer('difference'),
    attention: () => this.toggle('attention'),
    overlay: () => this.toggle('lcn'),
    spots: () => this.toggle('spots'),
    mask: () => this.toggle('mask'),
    crop: () => this.toggle('crop'),
    rings: () => this.toggle('rings'),
    profile: () => this.toggle('profile'),
    fit: () => this.pane.fitNext(),
    oneToOne: () => this.pane.pixelForPixel(),
    zoomIn: () => this.pane.zoom(ZOOM_STEP),
    zoomOut: () => this.pane.zoom(1 / ZOOM_STEP),
    brighter: () => this.change(contrast => changeUpperLimit(contrast, this.pane.limits, -1)),
    darker: () => this.change(contrast => changeUpperLimit(contrast, this.pane.limits, 1)),
    stretch: () => this.change(nextStretch),
    colormap: () => this.change(nextColormap),
    hold: () => this.change(contrast => toggleHold(contrast, this.pane.limits)),
    moreOpaque: () => this.change(() => changeOpacity(this.display, 1)),
    lessOpaque: () => this.change(() => changeOpacity(this.display, -1))
  };

  goTo(position: number): void {
    if (this.walk.goTo(position)) {
      this.arriveAt();
    }
  }

  setLayer(layer: LayerName): void {
    this.showLayer(this.display.layer === layer ? 'raw' : layer);
    this.tell();
  }

  showLayer(layer: LayerName): void {
    if (this.setup.layers.includes(layer)) {
      this.display.layer = layer;
      this.refresh();
    }
  }

  /** Shows the frame that is current now, and asks for those that come next. */
  refresh(): void {
    this.root.dataset.position = String(this.walk.position);
    this.root.dataset.layer = this.display.layer;
    this.pane.show(this.walk.position);
    this.request();
    this.toolbar.update(this.pane.limits);
    this.events.changed();
    keepDisplay(this.display, this.host.storage);
  }

  accept(message: ServerMessage, buffers: readonly DataView[]): void {
    this.pixels.accept(message, buffers);
    if (message.type === 'value' && message.client === this.setup.client) {
      this.readout.answer(message.id, message.x, message.y, message.raw, message.lcn);
    }
  }

  tick(): void {
    if (this.pixels.waiting > 0) {
      this.request();
    }
  }

  /** For tests: the colour on screen of a frame pixel, and the plane that it was drawn from. */
  inspect(x: number, y: number): { colour: number[]; plane: Plane | null } {
    return { colour: this.pane.colourOf({ x, y }), plane: this.pane.bestPlane(this.display.layer) };
  }

  private step(by: number): void {
    if (this.walk.step(by)) {
      this.arriveAt();
    } else {
      this.events.notice(by > 0 ? 'This is the last frame of the queue.' : 'This is the first frame of the queue.');
    }
  }

  private arriveAt(): void {
    this.events.left();
    this.refresh();
    this.tell();
  }

  /** Tells the kernel where the page is, once it stays there. */
  private tell(): void {
    window.clearTimeout(this.telling);
    this.telling = window.setTimeout(() => {
      this.host.send({
        type: 'at',
        client: this.setup.client,
        position: this.walk.position,
        layer: this.display.layer
      });
    }, TELL_MS);
  }

  private toggle(overlay: OverlayName): void {
    toggle(this.display, overlay);
    this.refresh();
  }

  private change(change: (contrast: Contrast) => void): void {
    change(this.display.contrast[this.display.layer]);
    this.redraw();
  }

  private redraw(): void {
    this.pane.paint();
    this.toolbar.update(this.pane.limits);
    keepDisplay(this.display, this.host.storage);
  }

  private request(): void {
    const situation = {
      here: this.walk.position,
      around: this.walk.neighbours(AHEAD),
      previewStep: this.pane.previewStep,
      scale: this.pane.scale
    };
    this.pixels.want(wantedFor(this.display, situation), Date.now());
  }

  private arrived(position: number, layer: Wanted['layer']): void {
    if (position !== this.walk.position) {
      return;
    }
    if (layer === 'spots' || layer === 'profile') {
      this.pane.drawLines();
    } else {
      this.pane.paint();
      this.toolbar.update(this.pane.limits);
    }
    this.events.changed();
  }

  private drawn(position: number): void {
    if (this.shown.position !== position) {
      this.shown = { position, since: Date.now() / 1000 };
    }
    this.root.dataset.drawn = `${position}/${this.display.layer}`;
    this.root.dispatchEvent(new CustomEvent('sfx-drawn', { detail: position }));
  }

  private hovered(point: Point | null, spot: number): void {
    this.readout.hover(this.walk.position, point, this.pixels.spots(this.walk.position), spot);
    const row = point === null ? -1 : Math.floor(point.y);
    if (row !== this.pane.hoverRow) {
      this.pane.hoverRow = row;
      this.pane.drawLines();
    }
  }

  private telling = 0;
}
