import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { baseName, folderOf, isRun, labelsBeside, literal, notebookCells, panelCode } from '../src/lab/code';
import { DEFAULTS, read } from '../src/lab/settings';

const NASTY = [
  'run.h5',
  '"); import os  #',
  "'''",
  'back\\slash',
  'new\nline',
  'Å 试验 🔬',
  '\u2028',
  '${x}',
  '%s {y}'
];

test('whatever a file is called, Python reads its name and nothing else', () => {
  for (const name of NASTY) {
    const seen = execFileSync('python3', ['-c', `print(ascii(${literal(name)}))`], { encoding: 'utf-8' });
    const wanted = execFileSync('python3', ['-c', 'import sys; print(ascii(sys.argv[1]))', name], {
      encoding: 'utf-8'
    });
    assert.equal(seen, wanted);
  }
});

test('the code of a panel and of a notebook is Python, with all settings in it', () => {
  const settings = { ...DEFAULTS, annotator: NASTY[1], keys: { hit: ['"', '\\'] }, target: 50 };
  const codes = [
    panelCode('a.h5', null, settings),
    panelCode('', 'a.labels', settings),
    ...notebookCells(NASTY[1], 'a.labels', settings)
  ];
  for (const code of codes) {
    execFileSync('python3', ['-c', 'import ast, sys; ast.parse(sys.argv[1])', code]);
  }
  assert.match(
    codes[0],
    /open_panel\("a\.h5", None, annotator=.*, order="random", layer="raw", target=50, blind=True, keys=\{"hit": /
  );
});

test('settings of the wrong kind give way to the default ones', () => {
  const odd = { composite: { target: 'many', blind: false, annotator: 'eve', unknown: 1 } };
  const settings = read(odd as unknown as Parameters<typeof read>[0]);
  assert.deepEqual([settings.target, settings.blind, settings.annotator], [200, false, 'eve']);
  assert.deepEqual(read(null), DEFAULTS);
});

test('runs are known by their ending, and labels lie beside them', () => {
  assert.ok(isRun('a/B.CXI') && isRun('run.h5') && !isRun('notes.txt') && !isRun('h5'));
  assert.equal(labelsBeside('data/run.001.h5'), 'data/run.001.labels');
  assert.equal(labelsBeside('data.d/run'), 'data.d/run.labels');
  assert.deepEqual([baseName('a/b/c.h5'), folderOf('a/b/c.h5'), folderOf('c.h5')], ['c.h5', 'a/b', '']);
});
