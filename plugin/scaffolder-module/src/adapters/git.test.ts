import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { ConfigReader } from '@backstage/config';
import { ScmIntegrations } from '@backstage/integration';
import type { JsonObject } from '@backstage/types';
import type { PreparedInput, PurserActionContext } from '../templateAction';
import { createGitAdapter } from './git';

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

/** What the native action would get for this input. */
async function prepare(
  config: JsonObject,
  input: JsonObject,
  isDryRun = false,
): Promise<PreparedInput> {
  const reader = new ConfigReader(config);
  const adapter = createGitAdapter({
    config: reader,
    integrations: ScmIntegrations.fromConfig(reader),
  });
  const prepared = await adapter.prepare?.({ input, isDryRun } as unknown as PurserActionContext);
  assert.ok(prepared);
  return prepared;
}

describe('credentials of the git actions', () => {
  const integrations: JsonObject = {
    github: [{ host: 'ghe.example', apiBaseUrl: 'https://ghe.example/api/v3', token: 'gh' }],
    gitlab: [
      {
        host: 'gitlab.example',
        apiBaseUrl: 'https://gitlab.example/api/v4',
        token: 'gl',
        commitSigningKey: 'key of gitlab',
      },
    ],
    bitbucketCloud: [{ username: 'bob', token: 'bbc' }],
    bitbucketServer: [
      { host: 'bb.example', token: 'bbs', apiBaseUrl: 'https://bb.example/rest/api/1.0' },
    ],
    azure: [{ host: 'dev.azure.com', credentials: [{ personalAccessToken: 'pat' }] }],
    gerrit: [
      {
        host: 'gerrit.example',
        username: 'gerry',
        password: 'pw',
        gitilesBaseUrl: 'https://gerrit.example/plugins/gitiles',
      },
    ],
    gitea: [{ host: 'gitea.example', username: 'tea', password: 'tp' }],
  };

  it('come from the integration of the host', async () => {
    for (const [repoUrl, remoteUrl, authorization, hosting] of [
      [
        'ghe.example?owner=o&repo=r',
        'https://ghe.example/o/r.git',
        basic('x-access-token', 'gh'),
        'github',
      ],
      [
        'gitlab.example?owner=g/sub&repo=r',
        'https://gitlab.example/g/sub/r.git',
        basic('oauth2', 'gl'),
        'gitlab',
      ],
      ['bb.example?project=P&repo=r', 'https://bb.example/scm/P/r.git', 'Bearer bbs', undefined],
      [
        'dev.azure.com?organization=org&project=p&repo=r',
        'https://dev.azure.com/org/p/_git/r',
        basic('notempty', 'pat'),
        'azure',
      ],
      ['gerrit.example?repo=r', 'https://gerrit.example/a/r', basic('gerry', 'pw'), undefined],
      [
        'gitea.example?owner=o&repo=r',
        'https://gitea.example/o/r.git',
        basic('tea', 'tp'),
        'gitea',
      ],
    ] as const) {
      const { input, secrets } = await prepare({ integrations }, { repoUrl });
      assert.equal(input.remoteUrl, remoteUrl);
      assert.equal(input.hosting, hosting, repoUrl);
      assert.equal(secrets?.['git.authorization'], authorization, repoUrl);
    }
    const cloud = await prepare(
      { integrations },
      { repoUrl: 'bitbucket.org?workspace=w&project=p&repo=r' },
    );
    assert.equal(cloud.input.remoteUrl, 'https://bitbucket.org/w/r.git');
    assert.equal(cloud.input.hosting, 'bitbucket');
    assert.match(cloud.secrets?.['git.authorization'] ?? '', /^(Basic|Bearer) /);
  });

  it('are none for hosts without an integration', async () => {
    const config = { integrations, purser: { git: { allowedHosts: ['plain.example'] } } };
    const remoteUrl = 'https://plain.example/r.git';
    assert.deepEqual((await prepare(config, { remoteUrl })).secrets, {});
    const { secrets } = await prepare(config, { remoteUrl, token: 't' });
    assert.equal(secrets?.['git.authorization'], basic('x-access-token', 't'));
  });

  it('are the user’s where the portal must not use its own', async () => {
    const config = { integrations, scaffolder: { requireScmUserCredentials: true } };
    const repoUrl = 'ghe.example?owner=o&repo=r';
    await assert.rejects(prepare(config, { repoUrl }), /\/token: is required for ghe.example/);
    const { input, secrets } = await prepare(config, { repoUrl, token: 'mine' });
    assert.equal(secrets?.['git.authorization'], basic('x-access-token', 'mine'));
    assert.equal('token' in input, false);
  });

  it('are not obtained for a dry run', async () => {
    const { secrets } = await prepare(
      { integrations },
      { repoUrl: 'ghe.example?owner=o&repo=r' },
      true,
    );
    assert.deepEqual(secrets, {});
  });

  it('sign with the key of the template, the integration or the portal', async () => {
    const key = async (input: JsonObject, portal?: string) => {
      const { input: given, secrets } = await prepare(
        { integrations, ...(portal ? { purser: { git: { signingKey: portal } } } : {}) },
        { remoteUrl: 'https://gitlab.example/o/r.git', ...input },
      );
      assert.equal('signingKey' in given, false);
      return secrets?.['git.signingKey'];
    };
    assert.equal(await key({}), undefined);
    assert.equal(await key({ signCommit: true }), 'key of gitlab');
    assert.equal(await key({}, 'portal'), 'portal');
    assert.equal(await key({ signCommit: true }, 'portal'), 'key of gitlab');
    assert.equal(await key({ signingKey: 'mine' }, 'portal'), 'mine');
    assert.equal(await key({ signCommit: false, signingKey: 'mine' }, 'portal'), undefined);
  });
});

describe('a GitHub App', () => {
  let server: Server;
  const asked: string[] = [];
  before(async () => {
    // GitHub's API as far as a token for one repository needs it.
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url?.split('?')[0]}`);
      response.setHeader('content-type', 'application/json');
      if (request.url?.includes('/access_tokens')) {
        response.statusCode = 201;
        response.end(
          JSON.stringify({
            token: 'ghs_of_the_app',
            expires_at: new Date(Date.now() + 3_600_000).toISOString(),
            repository_selection: 'all',
          }),
        );
      } else {
        response.end(JSON.stringify([{ id: 7, account: { login: 'team' }, suspended_at: null }]));
      }
    }).listen(0, '127.0.0.1');
    await new Promise(resolve => {
      server.once('listening', resolve);
    });
  });
  after(() => server.close());

  it('gives a token for its installation', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const config = {
      integrations: {
        github: [
          {
            host: 'ghe.example',
            apiBaseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            apps: [
              {
                appId: 1,
                clientId: 'c',
                clientSecret: 's',
                webhookSecret: 'w',
                privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
              },
            ],
          },
        ],
      },
    };
    const { secrets } = await prepare(config, {
      remoteUrl: 'https://ghe.example/team/service.git',
    });
    assert.equal(secrets?.['git.authorization'], basic('x-access-token', 'ghs_of_the_app'));
    assert.deepEqual(asked, ['GET /app/installations', 'POST /app/installations/7/access_tokens']);
  });
});
