// Which key does what. Keys are the browser's `event.key`, so they follow the keyboard's own layout.

export type Action =
  | 'hit'
  | 'maybe'
  | 'miss'
  | 'undo'
  | 'skip'
  | 'flag'
  | 'note'
  | 'next'
  | 'previous'
  | 'nextUnlabelled'
  | 'random'
  | 'flip'
  | 'gcn'
  | 'difference'
  | 'attention'
  | 'overlay'
  | 'spots'
  | 'mask'
  | 'crop'
  | 'rings'
  | 'profile'
  | 'fit'
  | 'oneToOne'
  | 'zoomIn'
  | 'zoomOut'
  | 'brighter'
  | 'darker'
  | 'stretch'
  | 'colormap'
  | 'hold'
  | 'moreOpaque'
  | 'lessOpaque'
  | 'help'
  | 'close';

export type KeyTable = Record<Action, string[]>;

export const ACTION_TEXT: Readonly<Record<Action, string>> = {
  hit: 'Hit (10 spots or more), then the next frame',
  maybe: 'Maybe (4 to 9 spots), then the next frame',
  miss: 'Miss (3 spots or fewer), then the next frame',
  undo: 'Undo the last label, skip, flag or note',
  skip: 'Skip this frame',
  flag: 'Flag this frame with a reason',
  note: 'Write a note on this frame',
  next: 'Next frame of the queue',
  previous: 'Previous frame of the queue',
  nextUnlabelled: 'Next frame without a label',
  random: 'A frame by chance',
  flip: 'Flip between raw and LCN',
  gcn: 'GCN layer',
  difference: 'Difference to the frames before and after it',
  attention: 'What the model looked at (Grad-CAM)',
  overlay: 'LCN in colour over the frame',
  spots: 'Circles around the spots found',
  mask: 'Masked pixels',
  crop: 'Outline of the crop that the model sees',
  rings: 'Resolution rings and beam centre',
  profile: 'Row-wise profile (RWD)',
  fit: 'Whole frame, then the crop',
  oneToOne: 'One frame pixel on one screen pixel',
  zoomIn: 'Zoom in',
  zoomOut: 'Zoom out',
  brighter: 'Weaker pixels show (lower the upper limit)',
  darker: 'Fewer pixels show (raise the upper limit)',
  stretch: 'Linear, square root, log or asinh',
  colormap: 'Next colour map',
  hold: 'Hold these limits for all frames, or fit each frame',
  moreOpaque: 'Overlays more opaque',
  lessOpaque: 'Overlays less opaque',
  help: 'Show or hide these keys',
  close: 'Close what is open'
};

/** j, k, l are Hit, Miss, Maybe as in the score tool that DIALS users know. */
export const DEFAULT_KEYS: Readonly<KeyTable> = {
  hit: ['h', 'j', '1'],
  maybe: ['m', 'l', '2'],
  miss: ['x', 'k', '3'],
  undo: ['u', 'Backspace'],
  skip: ['s'],
  flag: ['e'],
  note: ['w'],
  next: ['ArrowRight'],
  previous: ['ArrowLeft'],
  nextUnlabelled: ['n'],
  random: ['r'],
  flip: [' '],
  gcn: ['g'],
  difference: ['d'],
  attention: ['y'],
  overlay: ['o'],
  spots: ['c'],
  mask: ['b'],
  crop: ['i'],
  rings: ['q'],
  profile: ['p'],
  fit: ['f', 'Home'],
  oneToOne: ['z'],
  zoomIn: ['+', '='],
  zoomOut: ['-'],
  brighter: [']', 'ArrowUp'],
  darker: ['[', 'ArrowDown'],
  stretch: ['t'],
  colormap: ['v'],
  hold: ['a'],
  moreOpaque: ['.'],
  lessOpaque: [','],
  help: ['?'],
  close: ['Escape']
};

export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  repeat: boolean;
}

const REPEATABLE = new Set<Action>(['next', 'previous', 'zoomIn', 'zoomOut', 'brighter', 'darker']);

/** The user's keys over the default ones. A key that the user gives to one action is taken from all others. */
export function mergeKeys(changes: Readonly<Partial<Record<string, readonly string[]>>>): KeyTable {
  const taken = new Set(
    Object.values(changes)
      .flatMap(keys => keys ?? [])
      .map(normalise)
  );
  const table = {} as KeyTable;
  for (const action of Object.keys(DEFAULT_KEYS) as Action[]) {
    const own = changes[action];
    table[action] = own ? [...own] : DEFAULT_KEYS[action].filter(key => !taken.has(normalise(key)));
  }
  return table;
}

function normalise(key: string): string {
  return key.length === 1 ? key.toLowerCase() : key;
}

/** What a key press asks for; null for keys with Ctrl, Alt or Meta, and for a held key that must not repeat. */
export function actionFor(table: KeyTable, press: KeyPress): Action | null {
  if (press.ctrlKey || press.altKey || press.metaKey) {
    return null;
  }
  const key = normalise(press.key);
  for (const action of Object.keys(table) as Action[]) {
    if (table[action].some(candidate => normalise(candidate) === key)) {
      return press.repeat && !REPEATABLE.has(action) ? null : action;
    }
  }
  return null;
}

const KEY_NAMES: Readonly<Record<string, string>> = {
  ' ': 'space',
  ArrowRight: '→',
  ArrowLeft: '←',
  ArrowUp: '↑',
  ArrowDown: '↓',
  Escape: 'Esc',
  Backspace: '⌫'
};

export function keyText(key: string): string {
  return KEY_NAMES[key] ?? key;
}
