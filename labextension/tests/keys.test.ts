import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTION_TEXT, actionFor, DEFAULT_KEYS, keyText, mergeKeys, type Action } from '../src/keys';

const plain = { ctrlKey: false, altKey: false, metaKey: false, repeat: false };
const actions = Object.keys(DEFAULT_KEYS) as Action[];

test('no key stands for two actions', () => {
  const all = Object.values(DEFAULT_KEYS).flat();
  assert.equal(new Set(all).size, all.length);
});

test('every key does what the table says, and every action is explained', () => {
  for (const action of actions) {
    assert.ok(ACTION_TEXT[action].length > 0);
    for (const key of DEFAULT_KEYS[action]) {
      assert.equal(actionFor(DEFAULT_KEYS, { key, ...plain }), action);
    }
  }
});

test('j, k and l label as DIALS users know it', () => {
  const found = ['j', 'k', 'l'].map(key => actionFor(DEFAULT_KEYS, { key, ...plain }));
  assert.deepEqual(found, ['hit', 'miss', 'maybe']);
});

test('capitals count as small letters', () => {
  assert.equal(actionFor(DEFAULT_KEYS, { key: 'H', ...plain }), 'hit');
});

test('combinations with Ctrl, Alt and Meta are left to JupyterLab', () => {
  for (const held of ['ctrlKey', 'altKey', 'metaKey']) {
    assert.equal(actionFor(DEFAULT_KEYS, { key: 's', ...plain, [held]: true }), null);
  }
});

test('a held key walks through frames but never labels twice', () => {
  assert.equal(actionFor(DEFAULT_KEYS, { key: 'ArrowRight', ...plain, repeat: true }), 'next');
  assert.equal(actionFor(DEFAULT_KEYS, { key: 'h', ...plain, repeat: true }), null);
  assert.equal(actionFor(DEFAULT_KEYS, { key: 'u', ...plain, repeat: true }), null);
});

test("the user's keys replace those of the action and are taken from all others", () => {
  const table = mergeKeys({ hit: ['a'], miss: ['F'] });
  assert.deepEqual(table.hit, ['a']);
  assert.deepEqual(table.hold, []);
  assert.equal(actionFor(table, { key: 'f', ...plain }), 'miss');
  assert.deepEqual(table.fit, ['Home']);
  assert.equal(actionFor(table, { key: 'h', ...plain }), null);
  assert.deepEqual(table.maybe, DEFAULT_KEYS.maybe);
});

test('keys without a letter have a name', () => {
  assert.equal(keyText(' '), 'space');
  assert.equal(keyText('h'), 'h');
});
