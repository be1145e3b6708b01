import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, describe, it } from 'node:test';
import { mockCredentials } from '@backstage/backend-test-utils';
import { S3Server } from './testing/s3Server';

const PATIENCE_MS = 90_000;

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) {
      return found;
    }
    assert.ok(Date.now() < end, `did not happen in time: ${what}`);
    await sleep(50);
  }
}

describe('a task whose portal is killed', () => {
  let server: S3Server;
  let folder: string;
  const portals: ChildProcess[] = [];

  before(async () => {
    server = await S3Server.start();
    folder = mkdtempSync(join(tmpdir(), 'purser-recovery-'));
  });

  after(async () => {
    await Promise.all(
      portals.map(portal => {
        const gone = portal.exitCode ?? portal.signalCode ?? once(portal, 'exit');
        portal.kill('SIGKILL');
        return gone;
      }),
    );
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function startPortal(name: string) {
    const workingDirectory = join(folder, name);
    mkdirSync(workingDirectory);
    const portal = spawn(process.execPath, [join(__dirname, 'testing', 'portal.js')], {
      env: {
        ...process.env,
        PORTAL: JSON.stringify({ folder, workingDirectory, s3: server.config() }),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    portals.push(portal);
    let said = '';
    portal.stdout?.on('data', piece => (said += String(piece)));
    portal.stderr?.on('data', piece => (said += String(piece)));
    const port = await until('the portal listens', () => {
      assert.equal(portal.exitCode, null, said);
      return /^port (\d+)$/m.exec(said)?.[1];
    });
    const call = async (path: string, body?: object) => {
      const response = await fetch(`http://127.0.0.1:${port}/api/scaffolder/v2${path}`, {
        method: body ? 'POST' : 'GET',
        headers: {
          authorization: mockCredentials.user.header(),
          'content-type': 'application/json',
        },
        body: body && JSON.stringify(body),
      });
      const text = await response.text();
      assert.ok(response.ok, `${response.status} ${text}\n${said}`);
      return JSON.parse(text) as Record<string, unknown>;
    };
    return { portal, workingDirectory, call };
  }

  it('ends in another with the files of the steps that were done, which are not run again', async () => {
    const first = await startPortal('first');
    const { id } = await first.call('/tasks', {
      templateRef: 'template:default/two-steps',
      values: {},
    });
    await until('the second step runs', () => existsSync(join(folder, 'reading')) || undefined);
    assert.deepEqual([...server.objects.keys()], [`scaffolder-workspaces/${id}.tar.gz`]);
    first.portal.kill('SIGKILL');
    // The next portal runs on another machine.
    rmSync(first.workingDirectory, { recursive: true, force: true, maxRetries: 5 });
    writeFileSync(join(folder, 'go-on'), '');

    const second = await startPortal('second');
    const task = await until('the task ends', async () => {
      const found = await second.call(`/tasks/${id}`);
      return ['completed', 'failed'].includes(String(found.status)) ? found : undefined;
    });
    assert.equal(task.status, 'completed');
    const events = (await second.call(`/tasks/${id}/events`)) as unknown as Array<{
      type: string;
      body: { output?: object };
    }>;
    const completion = events.find(({ type }) => type === 'completion');
    assert.deepEqual(completion?.body.output, { text: 'by the first portal' });
    assert.equal(readFileSync(join(folder, 'writes'), 'utf8'), 'x', 'the first step ran once');
    await until('the object is deleted', () => (server.objects.size === 0 ? true : undefined));
  });
});
