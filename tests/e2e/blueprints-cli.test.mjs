// The command line for those who write blueprints: lint, test and diff, against files alone and
// against what a purserd runs.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { at } from '../tools/lib/repo.mjs';
import { until } from './lib/client.mjs';

const program = at('build/release/bin/purser');
const daemon = at('build/release/bin/purserd');
const skip = existsSync(program) && existsSync(daemon) ? false : 'SKIP build/release is not built';
const ENDED_BADLY = 1;

const folder = mkdtempSync(path.join(tmpdir(), 'purser-blueprints-'));
const file = name => path.join(folder, name);

function bucket(size) {
  return {
    apiVersion: 'purser.dev/v1',
    kind: 'Blueprint',
    metadata: { name: 'bucket' },
    spec: {
      parameters: { type: 'object', properties: { name: { type: 'string' } } },
      owner: 'group:default/testers',
      steps: [
        { id: 'make', uses: 'core/noop', with: { name: '${{ parameters.name }}', size } },
        { id: 'use', uses: 'core/noop', with: { of: '${{ steps.make.outputs.name }}' } },
      ],
      outputs: { name: '${{ steps.use.outputs.of }}' },
    },
  };
}

function testOf(expected) {
  return {
    apiVersion: 'purser.dev/v1',
    kind: 'BlueprintTest',
    blueprint: 'bucket.yaml',
    cases: [
      {
        name: 'made',
        parameters: { name: 'a' },
        answers: { make: { outputs: { name: 'a' } }, use: { outputs: { of: 'a' } } },
        expect: { state: 'succeeded', outputs: { name: expected } },
      },
    ],
  };
}

/** Runs the command line; its exit code and what it said. */
function purser(...words) {
  const { status, stdout, stderr } = spawnSync(program, words, {
    encoding: 'utf8',
    env: { ...process.env, PURSER_ADDRESS: `unix:${file('run/purserd.sock')}` },
  });
  return { status, stdout, stderr };
}

describe('purser blueprints', { skip }, () => {
  let purserd;

  before(async () => {
    mkdirSync(file('blueprints'));
    for (const [name, content] of Object.entries({
      'blueprints/bucket.yaml': bucket(1),
      'bucket.yaml': bucket(1),
      'larger.yaml': bucket(2),
      'good.test.yaml': testOf('a'),
      'bad.test.yaml': testOf('b'),
      'purserd.yaml': {
        state: 'state',
        listen: { unix: { path: 'run/purserd.sock' } },
        http: { address: '127.0.0.1:0' },
        log: { level: 'error' },
        blueprints: ['blueprints'],
        connectors: { core: {} },
      },
    })) {
      writeFileSync(file(name), JSON.stringify(content));
    }
    purserd = spawn(daemon, ['--config', file('purserd.yaml')], { stdio: 'inherit' });
    await until('purserd', async () => purser('blueprints', 'list').status === 0);
  });
  after(async () => {
    if (purserd?.exitCode === null) {
      purserd.kill('SIGTERM');
      await once(purserd, 'exit');
    }
    rmSync(folder, { recursive: true });
  });

  it('lint names every fault with its place', () => {
    assert.equal(purser('blueprints', 'lint', file('bucket.yaml')).status, 0);
    const faulty = bucket(1);
    faulty.spec.steps[0].uses = 'core/nope';
    faulty.spec.steps[1].with.of = '${{ steps.none.outputs.name }}';
    writeFileSync(file('faulty.yaml'), JSON.stringify(faulty, null, 2));
    const { status, stdout } = purser('blueprints', 'lint', file('faulty.yaml'));
    assert.equal(status, ENDED_BADLY);
    assert.match(stdout, /faulty\.yaml:\d+:\d+: \/spec\/steps\/0\/uses: connector "core" has no/);
    assert.match(stdout, /there is no step "none"; there are: make, use/);
  });

  it('test runs cases without any outside system', () => {
    const good = purser('blueprints', 'test', file('good.test.yaml'));
    assert.equal(good.status, 0, good.stdout + good.stderr);
    assert.match(good.stdout, /^ok .*: made$/m);
    const bad = purser('blueprints', 'test', file('bad.test.yaml'));
    assert.equal(bad.status, ENDED_BADLY);
    assert.match(bad.stdout, /FAILED .*: made/);
    assert.match(bad.stdout, /outputs/);
  });

  it('diff compares files, and a file with what runs', () => {
    assert.equal(purser('blueprints', 'diff', file('bucket.yaml'), file('bucket.yaml')).status, 0);
    for (const words of [[file('bucket.yaml'), file('larger.yaml')], [file('larger.yaml')]]) {
      const { status, stdout } = purser('blueprints', 'diff', ...words, '--json');
      assert.equal(status, ENDED_BADLY);
      assert.deepEqual(JSON.parse(stdout), [{ path: '/spec/steps/0/with/size', from: 1, to: 2 }]);
    }
    assert.equal(purser('blueprints', 'diff', file('bucket.yaml')).status, 0);
  });
});
