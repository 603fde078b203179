import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Act } from '../src/models';
import { ALARM_MS, Outbox, RESEND_MS, type SavingState } from '../src/outbox';
import { MemoryStorage } from './planes';

function act(seq: number): Act {
  return { seq, kind: 'label', position: seq, label: 2, decided_at: 0 };
}

interface Bench {
  outbox: Outbox;
  sent: { client: string; numbers: number[] }[];
  states: SavingState[];
}

function bench(client: string, storage: MemoryStorage | null = new MemoryStorage()): Bench {
  const sent: Bench['sent'] = [];
  const states: SavingState[] = [];
  const outbox = new Outbox(
    client,
    'unsaved:',
    storage,
    (from, acts) => sent.push({ client: from, numbers: acts.map(({ seq }) => seq) }),
    state => states.push(state)
  );
  return { outbox, sent, states };
}

test('an act is sent at once and is saved only when the kernel says so', () => {
  const { outbox, sent } = bench('a');
  outbox.add(act(outbox.nextNumber()), 0);
  assert.deepEqual(sent, [{ client: 'a', numbers: [1] }]);
  assert.equal(outbox.state.kind, 'saving');
  outbox.acknowledge('a', 1, 123, 10);
  assert.deepEqual(outbox.state, { kind: 'saved', waiting: 0, at: 123, reason: '' });
});

test('what is unanswered goes again with all that follows, in order', () => {
  const { outbox, sent } = bench('a');
  outbox.add(act(1), 0);
  outbox.add(act(2), 10);
  outbox.tick(20);
  assert.equal(sent.length, 2);
  outbox.tick(10 + RESEND_MS);
  assert.deepEqual(sent.at(-1), { client: 'a', numbers: [1, 2] });
  outbox.acknowledge('a', 1, 1, 2000);
  assert.equal(outbox.state.kind, 'saving');
  assert.equal(outbox.waiting, 1);
});

test('silence of the kernel is said aloud, and its answer ends it', () => {
  const { outbox } = bench('a');
  outbox.add(act(1), 0);
  outbox.tick(ALARM_MS);
  assert.equal(outbox.state.kind, 'saving');
  outbox.tick(ALARM_MS + 1);
  assert.equal(outbox.state.kind, 'failed');
  assert.match(outbox.state.reason, /does not answer/);
  outbox.add(act(2), ALARM_MS + 2);
  assert.equal(outbox.state.kind, 'failed');
  outbox.acknowledge('a', 2, 5, ALARM_MS + 3);
  assert.equal(outbox.state.kind, 'saved');
});

test('a refusal keeps what was refused, drops what was saved, and is tried again ever more seldom', () => {
  const { outbox, sent } = bench('a');
  outbox.add(act(1), 0);
  outbox.add(act(2), 0);
  outbox.refuse('a', 1, 'the disk is full');
  assert.deepEqual(outbox.state, { kind: 'failed', waiting: 1, at: 0, reason: 'the disk is full' });
  const before = sent.length;
  outbox.tick(RESEND_MS);
  assert.equal(sent.length, before);
  outbox.tick(2 * RESEND_MS);
  assert.deepEqual(sent.at(-1), { client: 'a', numbers: [2] });
});

test('a reloaded page sends what the one before it left, under its old name', () => {
  const storage = new MemoryStorage();
  const first = bench('old', storage);
  first.outbox.add(act(1), 0);
  first.outbox.add(act(2), 0);
  const second = bench('new', storage);
  assert.deepEqual(
    second.outbox.recover(5).map(({ seq }) => seq),
    [1, 2]
  );
  assert.deepEqual(second.sent, [{ client: 'old', numbers: [1, 2] }]);
  second.outbox.add(act(1), 6);
  second.outbox.acknowledge('old', 2, 9, 7);
  assert.equal(second.outbox.waiting, 1);
  second.outbox.acknowledge('new', 1, 9, 8);
  assert.equal(second.outbox.state.kind, 'saved');
  assert.equal(storage.length, 0);
});

test('two pages do not overwrite each other', () => {
  const storage = new MemoryStorage();
  bench('a', storage).outbox.add(act(1), 0);
  bench('b', storage).outbox.add(act(1), 0);
  assert.equal(bench('c', storage).outbox.recover(0).length, 2);
});

test('damaged storage and no storage lose nothing that is on screen', () => {
  const storage = new MemoryStorage();
  storage.setItem('unsaved:x', '{');
  assert.deepEqual(bench('a', storage).outbox.recover(0), []);
  const { outbox, sent } = bench('a', null);
  outbox.add(act(1), 0);
  assert.equal(sent.length, 1);
});
