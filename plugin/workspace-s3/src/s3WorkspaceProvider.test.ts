import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ConfigReader } from '@backstage/config';
import type { LoggerService } from '@backstage/backend-plugin-api';
import { Header } from 'tar';
import { readS3WorkspaceConfig } from './config';
import { createS3Client } from './module';
import { S3WorkspaceProvider } from './s3WorkspaceProvider';
import { type Failure, S3Server } from './testing/s3Server';

const TASK = '0b2f8c1e-6a39-4c1f-9c57-3f5d5f0a1d11';
const KEY = `scaffolder-workspaces/${TASK}.tar.gz`;
const SLOW_DOWN: Failure = { status: 503, code: 'SlowDown' };

/** An archive by hand, also such as tar itself would not write. */
function archiveOf(
  ...entries: Array<{ path: string; type?: string; linkpath?: string; text?: string }>
) {
  const blocks = entries.flatMap(({ path, type = 'File', linkpath, text = '' }) => {
    const header = new Header({
      path,
      type: type as never,
      linkpath,
      size: text.length,
      mode: 0o644,
      mtime: new Date(0),
    });
    header.encode();
    const body = Buffer.alloc(Math.ceil(text.length / 512) * 512);
    body.write(text);
    return [header.block!, body];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

describe('workspaces in S3', () => {
  let server: S3Server;
  let folder: string;
  let workspace: string;
  let target: string;
  let lines: string[];

  before(async () => {
    server = await S3Server.start();
  });

  after(() => server.stop());

  beforeEach(() => {
    server.objects.clear();
    server.calls.length = 0;
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'purser-workspace-')));
    workspace = join(folder, 'first');
    target = join(folder, 'second');
    lines = [];
    mkdirSync(workspace);
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function provider(extra: object = {}): S3WorkspaceProvider {
    const log = (level: string) => (text: string) => void lines.push(`${level} ${text}`);
    const logger = {
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
      child: () => logger,
    } as LoggerService;
    const rootConfig = new ConfigReader({
      scaffolder: { taskRecovery: { s3: server.config(extra) as never } },
    });
    const config = readS3WorkspaceConfig(rootConfig)!;
    return new S3WorkspaceProvider({ client: createS3Client(config, rootConfig), config, logger });
  }

  const save = (from = provider()) => from.serializeWorkspace({ path: workspace, taskId: TASK });
  const restore = (to = provider()) => to.rehydrateWorkspace({ taskId: TASK, targetPath: target });
  const onlyTarget = () => assert.deepEqual(readdirSync(folder).sort(), ['first', 'second']);

  it('come back as they were: contents, modes, links, empty folders', async () => {
    mkdirSync(join(workspace, 'src/empty'), { recursive: true });
    writeFileSync(join(workspace, 'src/größe.txt'), 'ü');
    writeFileSync(join(workspace, 'run.sh'), '#!/bin/sh\n');
    chmodSync(join(workspace, 'run.sh'), 0o755);
    symlinkSync('../run.sh', join(workspace, 'src/link'));
    symlinkSync('not-yet', join(workspace, 'dangling'));
    await save();
    assert.deepEqual([...server.objects.keys()], [KEY]);
    await restore();
    assert.equal(readFileSync(join(target, 'src/größe.txt'), 'utf8'), 'ü');
    assert.equal(statSync(join(target, 'run.sh')).mode & 0o777, 0o755);
    assert.equal(readlinkSync(join(target, 'src/link')), '../run.sh');
    assert.equal(readlinkSync(join(target, 'dangling')), 'not-yet');
    assert.ok(existsSync(join(target, 'src/empty')));
    onlyTarget();
  });

  it('of an empty workspace come back empty', async () => {
    await save();
    await restore();
    assert.deepEqual(readdirSync(target), []);
  });

  it('are sent in parts when they are large', async () => {
    writeFileSync(join(workspace, 'large'), randomBytes(20 * 1024 * 1024));
    await save();
    assert.ok(server.calls.filter(call => call.startsWith('UPLOAD-PART')).length >= 2);
    await restore();
    assert.ok(
      readFileSync(join(target, 'large')).equals(readFileSync(join(workspace, 'large'))),
      'the large file must come back',
    );
    assert.equal(server.uploads.size, 0);
  });

  it('are not sent again while nothing changed', async () => {
    const one = provider();
    writeFileSync(join(workspace, 'a'), '1');
    await save(one);
    await save(one);
    assert.equal(server.calls.length, 1);
    writeFileSync(join(workspace, 'a'), '2');
    await Promise.all([save(one), save(one), save(one)]);
    assert.equal(server.calls.length, 2);
    await restore();
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), '2');
  });

  it('take the place of what a dead portal left half-made', async () => {
    writeFileSync(join(workspace, 'kept'), 'good');
    await save();
    mkdirSync(target);
    writeFileSync(join(target, 'half'), 'of a step');
    await restore();
    assert.deepEqual(readdirSync(target), ['kept']);
    onlyTarget();
  });

  it('of a task that never kept one start with what is there', async () => {
    mkdirSync(target);
    writeFileSync(join(target, 'there'), '');
    await restore();
    assert.deepEqual(readdirSync(target), ['there']);
    onlyTarget();
  });

  it('are deleted in the end, once and again', async () => {
    await save();
    const one = provider();
    await one.cleanWorkspace({ taskId: TASK });
    await one.cleanWorkspace({ taskId: TASK });
    assert.equal(server.objects.size, 0);
  });

  it('survive a store that wants us to slow down', async () => {
    writeFileSync(join(workspace, 'a'), '1');
    server.failNext('PUT', SLOW_DOWN, SLOW_DOWN);
    await save();
    server.failNext('GET', SLOW_DOWN);
    await restore();
    assert.equal(readFileSync(join(target, 'a'), 'utf8'), '1');
    server.failNext('DELETE', { status: 500, code: 'InternalError' });
    await provider().cleanWorkspace({ taskId: TASK });
    assert.equal(server.objects.size, 0);
  });

  it('survive a download that breaks off or is damaged, and never come back in half', async () => {
    for (let i = 0; i < 50; i++) {
      writeFileSync(join(workspace, `f${i}`), randomBytes(10_000));
    }
    await save();
    server.failNext('GET', 'torn', 'damaged');
    await restore();
    assert.equal(readdirSync(target).length, 50);
    assert.equal(lines.filter(line => /broke off, trying again/.test(line)).length, 2);
    rmSync(target, { recursive: true });
    mkdirSync(target);
    writeFileSync(join(target, 'old'), '');
    server.failNext('GET', 'torn', 'torn', 'torn', 'torn');
    await assert.rejects(restore(), { name: 'ServiceUnavailableError', message: /cannot restore/ });
    assert.deepEqual(readdirSync(target), ['old']);
    onlyTarget();
  });

  it('leave no parts behind when an upload fails', async () => {
    writeFileSync(join(workspace, 'large'), randomBytes(20 * 1024 * 1024));
    server.failNext('UPLOAD-PART', { status: 400, code: 'InvalidRequest' });
    await assert.rejects(save(), /InvalidRequest/);
    assert.equal(server.uploads.size, 0);
    assert.equal(server.objects.size, 0);
    // And the next try is not taken for one that changes nothing.
    await save();
    assert.equal(server.objects.size, 1);
  });

  it('say what is wrong with the store, its bucket and the credentials', async () => {
    const wrong = { credentials: { accessKeyId: 'AKIDTEST', secretAccessKey: 'wrong-secret' } };
    await assert.rejects(save(provider(wrong)), (error: Error) => {
      assert.match(error.message, /SignatureDoesNotMatch.*the secret access key is wrong/);
      assert.doesNotMatch(error.message, /wrong-secret/);
      return true;
    });
    await assert.rejects(
      restore(provider({ bucket: 'other' })),
      /bucket other at http.*the bucket does not exist/,
    );
    server.failNext('PUT', { status: 403, code: 'AccessDenied' });
    await assert.rejects(save(), /need s3:GetObject, s3:PutObject, s3:DeleteObject/);
  });

  it('ask for encryption, and lie below the prefix', async () => {
    await save(
      provider({ serverSideEncryption: 'aws:kms', kmsKeyId: 'key-1', prefix: '/portal/a/' }),
    );
    const [[key, { headers }]] = [...server.objects];
    assert.equal(key, `portal/a/${TASK}.tar.gz`);
    assert.equal(headers['x-amz-server-side-encryption'], 'aws:kms');
    assert.equal(headers['x-amz-server-side-encryption-aws-kms-key-id'], 'key-1');
    assert.equal(headers['x-amz-meta-task'], TASK);
  });

  it('keep their limits, in both directions', async () => {
    writeFileSync(join(workspace, 'a'), 'x'.repeat(100));
    writeFileSync(join(workspace, 'b'), 'x'.repeat(100));
    await assert.rejects(save(provider({ maxBytes: 150 })), /larger than 150 bytes.*maxBytes/);
    await assert.rejects(save(provider({ maxEntries: 1 })), /more than 1 files.*maxEntries/);
    assert.equal(server.objects.size, 0);
    await save();
    await assert.rejects(restore(provider({ maxBytes: 150 })), /more than 150 bytes/);
    await assert.rejects(restore(provider({ maxEntries: 1 })), /more than 1 entries/);
    assert.deepEqual(readdirSync(folder), ['first']);
  });

  it('leave out links that lead out, also by way of others', async () => {
    mkdirSync(join(workspace, 'a'));
    writeFileSync(join(folder, 'secret'), '');
    symlinkSync('/etc/passwd', join(workspace, 'absolute'));
    symlinkSync('../../secret', join(workspace, 'a/up'));
    symlinkSync('.', join(workspace, 'here'));
    symlinkSync('here/../secret', join(workspace, 'around'));
    symlinkSync('a/../a', join(workspace, 'inside'));
    // Stays inside by its way, but not by its text: other programs would refuse it.
    mkdirSync(join(workspace, 'b/c/d'), { recursive: true });
    symlinkSync('b/c/d', join(workspace, 'deep'));
    symlinkSync('deep/../../../a', join(workspace, 'odd'));
    await save();
    await restore();
    assert.deepEqual(readdirSync(target).sort(), ['a', 'b', 'deep', 'here', 'inside']);
    assert.deepEqual(readdirSync(join(target, 'a')), []);
    assert.match(lines.join('\n'), /4 links lead out of the workspace/);
  });

  const evil: Array<[string, Buffer, RegExp]> = [
    ['a name that climbs', archiveOf({ path: '../evil', text: 'x' }), /lies outside of it/],
    ['a name from the root', archiveOf({ path: '/tmp/evil', text: 'x' }), /lies outside of it/],
    [
      'a link to outside',
      archiveOf({ path: 'l', type: 'SymbolicLink', linkpath: '../../etc' }),
      /linkpath escapes/,
    ],
    [
      'a link to outside by way of another',
      archiveOf(
        { path: 'd', type: 'SymbolicLink', linkpath: '.' },
        { path: 'l', type: 'SymbolicLink', linkpath: 'd/../evil' },
      ),
      /symbolic link leads out/,
    ],
    [
      'a file behind a link',
      archiveOf({ path: 'd', type: 'SymbolicLink', linkpath: '..' }, { path: 'd/evil', text: 'x' }),
      /link/i,
    ],
    [
      'a hard link to outside',
      archiveOf({ path: 'h', type: 'Link', linkpath: '../first/mine' }),
      /hard link leads out/,
    ],
    ['a device', archiveOf({ path: 'dev', type: 'CharacterDevice' }), /holds a CharacterDevice/],
  ];
  for (const [name, archive, message] of evil) {
    it(`refuse an archive with ${name}`, async () => {
      writeFileSync(join(workspace, 'mine'), 'mine');
      mkdirSync(target);
      writeFileSync(join(target, 'old'), '');
      server.objects.set(KEY, { body: archive, headers: {} });
      await assert.rejects(restore(), { message });
      assert.equal(server.calls.length, 1, 'no second download');
      assert.deepEqual(readdirSync(target), ['old']);
      assert.equal(existsSync(join(folder, 'evil')), false);
      onlyTarget();
    });
  }

  it('are never taken for complete when the archive ends early', async () => {
    writeFileSync(join(workspace, 'a'), 'x'.repeat(5_000));
    await save();
    const stored = server.objects.get(KEY)!;
    const tar = gunzipSync(stored.body);
    stored.body = gzipSync(tar.subarray(0, 2_000));
    await assert.rejects(restore(), /cannot restore/);
    assert.deepEqual(readdirSync(folder), ['first']);
  });

  it('are told apart by ids that cannot leave the prefix', async () => {
    for (const taskId of ['../x', 'a/b', '', 'x'.repeat(200)]) {
      await assert.rejects(
        provider().serializeWorkspace({ path: workspace, taskId }),
        { name: 'InputError' },
        taskId,
      );
    }
    assert.deepEqual(server.calls, []);
  });
});

describe('the configuration of workspaces in S3', () => {
  const read = (s3: object) =>
    readS3WorkspaceConfig(new ConfigReader({ scaffolder: { taskRecovery: { s3 } } } as never))!;

  it('has defaults for Amazon and for other stores', () => {
    const amazon = read({ bucket: 'b-1' });
    assert.deepEqual(
      [amazon.prefix, amazon.forcePathStyle, amazon.region, amazon.limits.maxEntries],
      ['scaffolder-workspaces/', false, 'us-east-1', 500_000],
    );
    assert.equal(read({ bucket: 'b-1', endpoint: 'https://minio:9000' }).forcePathStyle, true);
    assert.equal(read({ bucket: 'b-1', prefix: '/' }).prefix, '');
    assert.equal(readS3WorkspaceConfig(new ConfigReader({})), undefined);
  });

  it('refuses what cannot be meant', () => {
    assert.throws(() => read({ bucket: 'no/bucket' }), /no name of a bucket/);
    assert.throws(() => read({ bucket: 'b-1', endpoint: 'minio:9000' }), /http\(s\):\/\/host/);
    assert.throws(() => read({ bucket: 'b-1', serverSideEncryption: 'x' }), /AES256 or aws:kms/);
    assert.throws(() => read({ bucket: 'b-1', kmsKeyId: 'k' }), /needs serverSideEncryption/);
    assert.throws(() => read({ bucket: 'b-1', maxBytes: 0 }), /whole number above 0/);
  });
});
