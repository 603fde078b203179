import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLORMAP_NAMES, paletteOf, rgba } from '../src/colormaps';

function brightness(word: number): number {
  const [red, green, blue] = [0, 8, 16].map(shift => (word >>> shift) & 255);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

test('every palette has 256 opaque colours and goes one way from dark to bright or back', () => {
  for (const name of COLORMAP_NAMES) {
    const palette = paletteOf(name);
    assert.equal(palette.length, 256);
    const direction = Math.sign(brightness(palette[255]) - brightness(palette[0]));
    for (let i = 16; i < 256; i += 16) {
      assert.equal(palette[i] >>> 24, 255);
      assert.equal(Math.sign(brightness(palette[i]) - brightness(palette[i - 16])), direction, `${name} at ${i}`);
    }
  }
});

test('viridis and magma have the published colours at the ends and in the middle', () => {
  assert.equal(paletteOf('viridis')[0], rgba(0x44, 0x01, 0x54));
  assert.equal(paletteOf('viridis')[255], rgba(0xfd, 0xe7, 0x25));
  assert.equal(paletteOf('magma')[255], rgba(0xfc, 0xfd, 0xbf));
});

test('a name that is not known gives inverted grey', () => {
  assert.equal(paletteOf('constructor'), paletteOf('inverted grey'));
});
