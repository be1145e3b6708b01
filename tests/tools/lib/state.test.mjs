import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { run } from './repo.mjs';
import { fileUrl, prepareState, statePaths } from './state.mjs';

const base = mkdtempSync(path.join(os.tmpdir(), "purser-state-it's-"));
after(() => rmSync(base, { recursive: true }));

const git = (cwd, ...args) =>
  run('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { cwd, quiet: true });

test('each pushed branch lies checked out; a deleted one is gone; strange names are left alone', async () => {
  const paths = statePaths(path.join(base, 'one'));
  await prepareState(paths);
  await prepareState(paths); // What is there stays.
  const work = path.join(base, 'work');
  await run('git', ['clone', '-q', fileUrl(paths.workspacesRemote), work], { quiet: true });
  const checkout = path.join(paths.checkouts, 'sales');

  writeFileSync(path.join(work, 'a.txt'), 'first');
  writeFileSync(path.join(work, 'gone.txt'), 'x');
  await git(work, 'checkout', '-q', '-b', 'sales');
  await git(work, 'add', '-A');
  await git(work, 'commit', '-q', '-m', 'one');
  await git(work, 'push', '-q', 'origin', 'sales');
  assert.equal(readFileSync(path.join(checkout, 'a.txt'), 'utf8'), 'first');

  writeFileSync(path.join(work, 'a.txt'), 'second');
  await git(work, 'rm', '-q', 'gone.txt');
  await git(work, 'commit', '-q', '-am', 'two');
  await git(work, 'push', '-q', 'origin', 'sales', 'sales:x_Y');
  assert.equal(readFileSync(path.join(checkout, 'a.txt'), 'utf8'), 'second');
  assert.ok(!existsSync(path.join(checkout, 'gone.txt')));
  assert.deepEqual(readdirSync(paths.checkouts), ['sales']);

  await git(work, 'push', '-q', 'origin', '--delete', 'sales');
  assert.deepEqual(readdirSync(paths.checkouts), []);
});

test('the socket folder is private, and short even below a long state folder', async () => {
  const paths = statePaths(path.join(base, 'x'.repeat(120)));
  await prepareState(paths);
  after(() => rmSync(paths.runtime, { recursive: true, force: true }));
  assert.ok(Buffer.byteLength(paths.socket) <= 107);
  assert.equal(statSync(paths.runtime).mode & 0o777, 0o700);
  assert.equal(statSync(paths.sidecar).mode & 0o777, 0o700);
});
