// purser:git:publish and purser:git:commit through the addon that ships and a fetch as the portal's:
// against git's own server behind node:http, with bodies that are sent while they are made.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { load, root, shippedPath } from './load.mjs';

const addon = load(shippedPath());
const { nativeFetch } = createRequire(import.meta.url)(join(root, 'plugin/node/dist/nativeFetch.js'));

const folder = mkdtempSync(join(tmpdir(), 'purser-git-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const environment = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
const git = (...args) => execFileSync('git', args, { env: environment, encoding: 'utf8' }).trim();

/** Text that does not compress, so that a push is as large as its files. */
function noise(bytes) {
  const out = Buffer.alloc(bytes);
  let state = 1;
  for (let i = 0; i < bytes; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

describe('git over the network', () => {
  let server;
  let base;
  let next = 0;
  let repository;
  let url;
  const workspace = join(folder, 'workspace');

  before(async () => {
    server = spawn(process.execPath, [join(root, 'tests/bench/lib/git-server.mjs'), folder], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const port = await new Promise(resolve => server.stdout.once('data', data => resolve(Number(data))));
    base = `http://127.0.0.1:${port}`;
    mkdirSync(join(workspace, 'large'), { recursive: true });
    writeFileSync(join(workspace, 'README.md'), '# hello\n');
    for (let i = 0; i < 6; i += 1) {
      writeFileSync(join(workspace, 'large', `${i}.bin`), Buffer.concat([Buffer.from([i]), noise(2 << 20)]));
    }
  });
  after(() => server.stdin.end());
  beforeEach(() => {
    next += 1;
    repository = join(folder, `r${next}.git`);
    url = `${base}/r${next}.git`;
    git('init', '-q', '--bare', '-b', 'main', repository);
    git('-C', repository, 'config', 'http.receivepack', 'true');
  });

  async function run(id, input, { fetch = nativeFetch, signal, remoteUrl = url } = {}) {
    const outputs = {};
    await addon.runAction(
      id,
      JSON.stringify({
        input: { remoteUrl, ...input },
        workspace,
        secrets: { 'git.authorization': 'Basic c2VjcmV0' },
        idempotencyKey: `task/step/${next}`,
      }),
      { log() {}, output: (name, json) => (outputs[name] = JSON.parse(json)), fetch },
      signal,
    );
    return outputs;
  }

  test('a large push is sent while it is made', async () => {
    let pieces = 0;
    let largest = 0;
    const counting = (requestJson, body, signal) =>
      nativeFetch(
        requestJson,
        typeof body === 'function'
          ? take =>
              body(piece => {
                pieces += 1;
                largest = Math.max(largest, piece?.length ?? 0);
                take(piece);
              })
          : body,
        signal,
      );
    const outputs = await run('purser:git:publish', {}, { fetch: counting });
    assert.equal(git('-C', repository, 'rev-parse', 'main'), outputs.commitHash);
    assert.equal(git('-C', repository, 'fsck', '--strict'), '');
    assert.ok(outputs.bytes > 12 << 20);
    assert.ok(pieces >= 6 && largest < 3 << 20, `${pieces} pieces, the largest of ${largest} bytes`);
  });

  test('a commit beside what is there is small and found again', async () => {
    await run('purser:git:publish', {});
    const message = { gitCommitMessage: 'Put the read-me elsewhere' };
    const input = { ...message, targetPath: 'copy', deletePaths: ['large/5.bin'] };
    next += 1000; // another step's key
    const first = await run('purser:git:commit', input);
    assert.equal(first.branch, 'main');
    assert.equal(first.addedFiles, 7);
    assert.equal(first.deletedFiles, 1);
    assert.ok(first.bytes < 4000, `${first.bytes} bytes`);
    const second = await run('purser:git:commit', input);
    assert.equal(second.commitHash, first.commitHash);
    assert.equal(second.committed, false);
    assert.equal(git('-C', repository, 'rev-list', '--count', 'main'), '2');
  });

  test('a cancelled push ends at once and leaves nothing', async () => {
    const abort = new AbortController();
    const stalling = (requestJson, body, signal) => {
      if (typeof body !== 'function') return nativeFetch(requestJson, body, signal);
      let pieces = 0;
      // The network takes two pieces and then no more.
      return nativeFetch(
        requestJson,
        take => {
          pieces += 1;
          if (pieces <= 2) body(take);
          else abort.abort();
        },
        signal,
      );
    };
    await assert.rejects(run('purser:git:publish', {}, { fetch: stalling, signal: abort.signal }), {
      name: 'AbortError',
    });
    assert.equal(git('-C', repository, 'for-each-ref'), '');
  });

  test('a server that refuses before the end of the push is heard', async () => {
    const refusing = createServer((request, response) => {
      if (request.method === 'POST') {
        response.writeHead(403, { 'content-type': 'text/plain', connection: 'close' });
        response.end('read-only mirror');
        return;
      }
      fetch(`${base}${request.url.replace(/^\/[^/]*/, new URL(url).pathname)}`).then(async answer => {
        response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') });
        response.end(Buffer.from(await answer.arrayBuffer()));
      });
    }).listen(0, '127.0.0.1');
    await new Promise(resolve => refusing.once('listening', resolve));
    const remoteUrl = `http://127.0.0.1:${refusing.address().port}/mirror.git`;
    // What the server said, or that the connection broke while the rest was sent: both end the step.
    await assert.rejects(run('purser:git:publish', {}, { remoteUrl }), error =>
      ['PERMISSION_DENIED', 'UNAVAILABLE'].includes(error.code),
    );
    refusing.close();
    refusing.closeAllConnections();
    assert.equal(git('-C', repository, 'for-each-ref'), '');
  });
});
