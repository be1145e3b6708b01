import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child, Watched } from './child.mjs';

const folder = mkdtempSync(path.join(os.tmpdir(), 'purser-child-'));
after(() => rmSync(folder, { recursive: true }));

const alive = pid => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

function node(script, logFile = path.join(folder, 'log')) {
  return new Child(process.execPath, ['-e', script], { cwd: folder, env: process.env, logFile });
}

async function until(condition, what) {
  const end = Date.now() + 60_000;
  while (!condition()) {
    assert.ok(Date.now() < end, `waited a minute for ${what}`);
    await sleep(25);
  }
}

test('a child tells how it ended and what it said last', async () => {
  const child = node('console.log("one"); console.error("two"); process.exit(3)');
  assert.equal(await child.ended(), 'exit code 3');
  assert.equal(child.tail(1), 'two');
});

test('stop ends a child that would run for ever', async () => {
  const child = node('setInterval(() => {}, 1000)');
  await child.stop();
  assert.match(child.outcome, /SIGTERM|exit code/);
  assert.ok(!alive(child.pid));
});

test('a watched child that is killed is replaced by exactly one other', async () => {
  const ends = [];
  const watched = new Watched(() => node('setInterval(() => {}, 1000)'), outcome => ends.push(outcome));
  const first = watched.child.pid;
  process.kill(first, 'SIGKILL');
  await until(() => watched.child.pid !== first && alive(watched.child.pid), 'a second child');
  assert.ok(!alive(first));
  assert.equal(ends.length, 1);
  const second = watched.child.pid;
  await watched.stop();
  assert.ok(!alive(second));
});

test('a watched child that is stopped while it waits for its restart stays away', async () => {
  const log = path.join(folder, 'starts');
  let starts = 0;
  let ended;
  const firstEnd = new Promise(resolve => {
    ended = resolve;
  });
  const watched = new Watched(
    () => {
      starts += 1;
      return node('console.log("started")', log);
    },
    () => ended(),
  );
  await firstEnd;
  await watched.stop();
  assert.equal(starts, 1);
  assert.equal(readFileSync(log, 'utf8'), 'started\n');
});
