import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ModuleHarness } from './testing/moduleHarness';

describe('inputs of the actions that push', () => {
  let h: ModuleHarness;

  beforeEach(async () => {
    h = await ModuleHarness.create();
  });

  afterEach(() => h.close());

  it('resolves repoUrl and credentials of the configured integrations', async () => {
    await h.startModule();
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    for (const [input, remoteUrl, authorization, hosting] of [
      [
        { repoUrl: 'github.com?owner=team&repo=service' },
        'https://github.com/team/service.git',
        basic('x-access-token:gh-token'),
        'github',
      ],
      [
        { repoUrl: 'gitlab.example?owner=team&repo=service' },
        'https://gitlab.example/team/service.git',
        basic('oauth2:gl-token'),
        'gitlab',
      ],
      [
        { remoteUrl: 'https://github.com/team/other.git', token: 'mine' },
        'https://github.com/team/other.git',
        basic('x-access-token:mine'),
        'github',
      ],
    ] as const) {
      const { ctx } = h.context({ ...input, defaultBranch: 'main' });
      await h.handler('purser:git:publish')(ctx);
      const run = h.addon.runs[h.addon.runs.length - 1];
      assert.deepEqual(run.input, {
        defaultBranch: 'main',
        remoteUrl,
        allowLocalRemotes: false,
        hosting,
      });
      assert.equal(run.secrets['git.authorization'], authorization);
    }
    assert.equal(h.checkpoints.size, 3);
  });

  it('pushes only to configured hosts, and to local paths only when allowed', async () => {
    await h.startModule();
    for (const [input, message] of [
      [{ remoteUrl: 'https://internal.example/r.git' }, /neither a host of integrations/],
      [{ remoteUrl: 'https://user:pw@github.com/o/r.git' }, /must not hold credentials/],
      [{ remoteUrl: 'ssh://github.com/o/r.git' }, /use https/],
      [{ remoteUrl: `file://${h.folder}/r.git` }, /allowLocalRemotes does not allow/],
      [{ remoteUrl: `${h.folder}/r.git` }, /allowLocalRemotes does not allow/],
      [
        { remoteUrl: 'https://github.com/o/r.git', allowLocalRemotes: true },
        /is set by the portal/,
      ],
      [{}, /either repoUrl or remoteUrl/],
    ] as const) {
      await assert.rejects(async () => h.handler('purser:git:publish')(h.context(input).ctx), {
        name: 'InputError',
        message,
      });
    }
    await h.stop();
    await h.startModule({
      purser: { git: { allowLocalRemotes: true, allowedHosts: ['internal.example'] } },
    });
    for (const remoteUrl of [`file://${h.folder}/r.git`, 'https://internal.example/r.git']) {
      await h.handler('purser:git:publish')(h.context({ remoteUrl }).ctx);
      const run = h.addon.runs[h.addon.runs.length - 1];
      assert.deepEqual(run.input, { remoteUrl, allowLocalRemotes: true });
      assert.deepEqual(run.secrets, {});
    }
  });
});
