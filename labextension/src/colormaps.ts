// Palettes of 256 RGBA words. All but the greys are perceptually even and safe for colour-blind eyes.

const ANCHORS: Readonly<Record<string, string>> = {
  'inverted grey': 'ffffff 000000',
  grey: '000000 ffffff',
  viridis:
    '440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725',
  magma:
    '000004 0a0822 1d1147 36106b 51127c 6a1c81 832681 9c2e7f b73779 d0416f e75263 f56b5c fc8961 fea772 fec488 fde2a3 fcfdbf',
  inferno:
    '000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d24644 e45a31 f1731d f98e09 fcac11 f9cb35 f2ea69 fcffa4',
  cividis:
    '00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 aba072 bcae6c cdbb63 dec958 f0d846 fee838'
};

export const COLORMAP_NAMES = Object.keys(ANCHORS);

/** Red, green, blue and alpha (0-255) as one word, least significant byte first. */
export function rgba(red: number, green: number, blue: number, alpha = 255): number {
  return ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

const cache = new Map<string, Uint32Array>();

/** The palette of that name, or inverted grey for a name that is not known. */
export function paletteOf(name: string): Uint32Array {
  const known = Object.hasOwn(ANCHORS, name) ? name : 'inverted grey';
  let palette = cache.get(known);
  if (palette === undefined) {
    palette = interpolate(ANCHORS[known]);
    cache.set(known, palette);
  }
  return palette;
}

function interpolate(anchors: string): Uint32Array {
  const colours = anchors.split(' ').map(hex => [0, 2, 4].map(at => parseInt(hex.slice(at, at + 2), 16)));
  const palette = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (colours.length - 1);
    const below = Math.min(colours.length - 2, Math.floor(at));
    const [red, green, blue] = [0, 1, 2].map(band => {
      const from = colours[below][band];
      return Math.round(from + (at - below) * (colours[below + 1][band] - from));
    });
    palette[i] = rgba(red, green, blue);
  }
  return palette;
}
