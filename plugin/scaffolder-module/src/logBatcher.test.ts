import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { LogBatcher } from './logBatcher';

describe('batching log lines', () => {
  let calls: string[];
  let batcher: LogBatcher;

  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] });
    calls = [];
    batcher = new LogBatcher((level, text) => calls.push(`${level} ${text}`));
  });

  afterEach(() => mock.timers.reset());

  it('makes one call of lines that come within 250 ms', () => {
    batcher.add('info', 'one');
    batcher.add('info', 'two');
    mock.timers.tick(249);
    assert.deepEqual(calls, []);
    mock.timers.tick(1);
    assert.deepEqual(calls, ['info one\ntwo']);
    mock.timers.tick(1_000);
    assert.equal(calls.length, 1);
  });

  it('keeps the order of levels', () => {
    batcher.add('info', 'one');
    batcher.add('warn', 'two');
    batcher.add('info', 'three');
    batcher.flush();
    assert.deepEqual(calls, ['info one', 'warn two', 'info three']);
  });

  it('never lets a batch grow above 8 KB, and survives a flood', () => {
    for (let i = 0; i < 10_000; i++) {
      batcher.add('info', `line ${i}`);
    }
    batcher.flush();
    assert.ok(calls.length < 20, `${calls.length} calls`);
    assert.ok(calls.every(text => text.length <= 8 * 1024 + 10));
    assert.equal(calls.join('\n').match(/line \d+/g)?.length, 10_000);
    batcher.flush();
    assert.ok(calls.every(Boolean));
  });
});
