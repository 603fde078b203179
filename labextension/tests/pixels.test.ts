import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wantedFor } from '../src/ahead';
import { ByteCache } from '../src/cache';
import {
  changeOpacity,
  changeUpperLimit,
  defaultDisplay,
  keepDisplay,
  recallDisplay,
  toggle,
  toggleHold
} from '../src/display';
import type { ClientMessage, Host, PlaneMessage, Want } from '../src/models';
import { PixelStore } from '../src/pixels';
import { MemoryStorage } from './planes';

function listening(): { host: Host; lists: Want[][] } {
  const lists: Want[][] = [];
  const host: Host = {
    send: (message: ClientMessage) => {
      if (message.type === 'want') {
        lists.push(message.items);
      }
    },
    onMessage: () => () => undefined,
    storage: null
  };
  return { host, lists };
}

function planeMessage(position: number, id: number): PlaneMessage {
  const frame = { width: 1, height: 1, x0: 0, y0: 0, step: 1, scale: 1, offset: 0 } as const;
  const codes = { bytes: 2, badCode: -1, clipCode: -1, exact: true } as const;
  const note = { name: `run.h5 //${position}`, status: 'ok', message: '' };
  return { type: 'plane', client: 'me', id, position, layer: 'raw', ...frame, ...codes, ...note };
}

const raw = (position: number) => ({ position, layer: 'raw' as const, step: 1 });

test('the cache throws out what was not used for longest', () => {
  const cache = new ByteCache<number>(10, value => value);
  cache.set('a', 4);
  cache.set('b', 4);
  cache.get('a');
  cache.set('c', 4);
  assert.deepEqual([cache.has('a'), cache.has('b'), cache.has('c'), cache.bytes], [true, false, true, 8]);
  cache.set('d', 100);
  assert.deepEqual([cache.size, cache.has('d')], [1, true]);
  cache.clear();
  assert.equal(cache.bytes, 0);
});

test('a new list replaces the old one, and what is still wanted keeps its number', () => {
  const { host, lists } = listening();
  const store = new PixelStore(host, 'me', () => undefined);
  store.want([raw(1), raw(2)], 0);
  store.want([raw(2), raw(3)], 10);
  const [first, second] = lists;
  assert.deepEqual(
    second.map(({ position }) => position),
    [2, 3]
  );
  assert.equal(second[0]?.id, first[1]?.id);
  store.want([raw(2), raw(3)], 20);
  assert.equal(lists.length, 2);
});

test('what is here is not asked for; what got lost is asked for under a new number', () => {
  const { host, lists } = listening();
  const arrivals: number[] = [];
  const store = new PixelStore(host, 'me', position => arrivals.push(position));
  store.want([raw(1), raw(2)], 0);
  store.accept(planeMessage(1, 1), [new DataView(Uint16Array.from([7]).buffer)]);
  assert.deepEqual(arrivals, [1]);
  assert.equal(store.plane(1, 'raw', 1)?.codes[0], 7);
  assert.equal(store.note(1)?.name, 'run.h5 //1');
  store.want([raw(1), raw(2)], 6000);
  assert.deepEqual(
    lists.at(-1)?.map(({ position }) => position),
    [2]
  );
  assert.notEqual(lists.at(-1)?.[0]?.id, lists[0]?.[1]?.id);
});

test('pixels for other pages are left alone, and a reason in place of pixels is kept', () => {
  const { host } = listening();
  const store = new PixelStore(host, 'me', () => undefined);
  store.accept({ ...planeMessage(1, 1), client: 'other' }, [new DataView(new ArrayBuffer(2))]);
  assert.equal(store.plane(1, 'raw', 1), undefined);
  store.accept({ ...planeMessage(1, 1), status: 'unreadable', message: 'chunk is damaged' }, []);
  assert.equal(store.problem(raw(1)), 'chunk is damaged');
  store.accept(planeMessage(2, 1), [new DataView(new ArrayBuffer(5))]);
  assert.match(store.problem(raw(2)), /Expected 2 bytes/);
});

test('the frame on screen is always first in the list, then what is laid over it, then its neighbours', () => {
  const display = defaultDisplay('raw');
  const situation = { here: 5, around: [6, 4, 7], previewStep: 1, scale: 1 };
  const list = wantedFor(display, situation).map(({ layer, position }) => `${layer} ${position}`);
  assert.deepEqual(list.slice(0, 4), ['raw 5', 'spots 5', 'raw 6', 'raw 4']);
  assert.ok(list.indexOf('lcn 5') < list.indexOf('raw 7'));
  assert.deepEqual(wantedFor(display, { ...situation, here: -1 }), []);
});

test('of a large frame the preview comes first, and full pixels only when zoomed in', () => {
  const display = defaultDisplay('raw');
  const far = wantedFor(display, { here: 0, around: [], previewStep: 3, scale: 0.2 });
  const near = wantedFor(display, { here: 0, around: [], previewStep: 3, scale: 1 });
  assert.deepEqual(
    far.filter(({ layer }) => layer === 'raw').map(({ step }) => step),
    [3]
  );
  assert.deepEqual(
    near.filter(({ layer }) => layer === 'raw').map(({ step }) => step),
    [3, 1]
  );
});

test('contrast and overlays stay as the user left them', () => {
  const storage = new MemoryStorage();
  const display = defaultDisplay('raw');
  toggle(display, 'mask');
  display.contrast.raw.stretch = 'log';
  keepDisplay(display, storage);
  const again = recallDisplay('lcn', storage);
  assert.deepEqual([again.shown.mask, again.contrast.raw.stretch, again.layer], [true, 'log', 'lcn']);
  storage.setItem('sfx-label:display', 'nonsense');
  assert.equal(recallDisplay('raw', storage).shown.mask, false);
});

test('limits can be held, moved and let go; opacity stays between its ends', () => {
  const display = defaultDisplay('raw');
  const { raw: contrast } = display.contrast;
  toggleHold(contrast, { low: 2, high: 12 });
  assert.deepEqual([contrast.mode, contrast.low, contrast.high], ['manual', 2, 12]);
  changeUpperLimit(contrast, { low: 2, high: 12 }, -1);
  assert.equal(contrast.high, 10);
  toggleHold(contrast, { low: 2, high: 10 });
  assert.equal(contrast.mode, 'percentile');
  for (let i = 0; i < 20; i++) {
    changeOpacity(display, -1);
  }
  assert.equal(display.opacity.spots, 0.1);
});
