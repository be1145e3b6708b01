import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ConfigReader } from '@backstage/config';
import { ScmIntegrations } from '@backstage/integration';
import type { JsonObject } from '@backstage/types';
import { parse } from 'yaml';
import { type Answer, ContractServer, type SeenCall } from './contractServer';
import { gitlabExamples } from './examples';
import { createGitlabMergeRequestAction } from './gitlab';
import { testContext } from './testContext';

interface Merge {
  iid: number;
  web_url: string;
  title: string;
  description: string | null;
  draft: boolean;
  source_branch: string;
  target_branch: string;
  labels: string[];
  assignees: Array<{ id: number }>;
  reviewers: Array<{ id: number }>;
  squash: boolean;
  remove_source_branch: boolean;
}

const TOKEN = 'gitlab-token-of-a-test';
const USERS = [
  { id: 11, username: 'amara' },
  { id: 12, username: 'lukas' },
];
const split = (text: unknown): string[] =>
  String(text ?? '')
    .split(',')
    .filter(Boolean);
const idsOf = (ids: unknown) => ((ids as number[] | undefined) ?? []).map(id => ({ id }));

/** What GitLab's documentation says of merge requests and users. */
class Gitlab {
  readonly merges: Merge[] = [];
  readonly branches = new Set(['add-cache', 'main', 'develop']);

  handle = (call: SeenCall): Answer => {
    const fail = (status: number, message: unknown) => ({ status, body: { message } });
    const { headers, body } = call;
    if (headers['private-token'] !== TOKEN && headers.authorization !== `Bearer ${TOKEN}`) {
      return fail(401, '401 Unauthorized');
    }
    if (call.path === '/api/v4/users') {
      return {
        status: 200,
        body: USERS.filter(({ username }) => username === call.query.get('username')),
      };
    }
    const match = /^\/api\/v4\/projects\/(?:acme\/shop|42)(?:\/merge_requests(?:\/(\d+))?)?$/.exec(
      call.path,
    );
    if (!match) {
      return fail(404, '404 Project Not Found');
    }
    const merge = this.merges.find(({ iid }) => iid === Number(match[1]));
    if (!call.path.includes('merge_requests')) {
      return { status: 200, body: { id: 42, default_branch: 'main' } };
    }
    if (call.method === 'GET') {
      return {
        status: 200,
        body: this.merges.filter(
          item =>
            item.source_branch === call.query.get('source_branch') &&
            item.target_branch === call.query.get('target_branch') &&
            call.query.get('state') === 'opened',
        ),
      };
    }
    if (call.method === 'PUT') {
      Object.assign(merge!, {
        ...(body.title ? { title: body.title, draft: /^Draft:/.test(String(body.title)) } : {}),
        ...(body.description ? { description: body.description } : {}),
        ...(body.add_labels ? { labels: [...merge!.labels, ...split(body.add_labels)] } : {}),
        ...(body.assignee_ids ? { assignees: idsOf(body.assignee_ids) } : {}),
        ...(body.reviewer_ids ? { reviewers: idsOf(body.reviewer_ids) } : {}),
      });
      return { status: 200, body: merge };
    }
    const source = String(body.source_branch);
    const target = String(body.target_branch);
    if (!this.branches.has(source)) {
      return fail(422, { source_branch: ['does not exist'] });
    }
    if (!this.branches.has(target)) {
      return fail(400, ['Target branch "gone" does not exist']);
    }
    const same = this.merges.find(
      item => item.source_branch === source && item.target_branch === target,
    );
    if (same) {
      return fail(409, [
        `Another open merge request already exists for this source branch: !${same.iid}`,
      ]);
    }
    return { status: 201, body: this.add(body) };
  };

  add(body: Record<string, unknown>): Merge {
    const iid = this.merges.length + 3;
    const merge: Merge = {
      iid,
      web_url: `https://gitlab.example/acme/shop/-/merge_requests/${iid}`,
      title: String(body.title),
      description: (body.description as string | undefined) ?? null,
      draft: /^Draft:/.test(String(body.title)),
      source_branch: String(body.source_branch),
      target_branch: String(body.target_branch),
      labels: split(body.labels),
      assignees: [],
      reviewers: [],
      squash: Boolean(body.squash),
      remove_source_branch: Boolean(body.remove_source_branch),
    };
    this.merges.push(merge);
    return merge;
  }
}

describe('purser:gitlab:merge-request', () => {
  let gitlab: Gitlab;
  let server: ContractServer;
  let waits: number[];

  beforeEach(async () => {
    gitlab = new Gitlab();
    server = await ContractServer.start(gitlab.handle);
    waits = [];
  });

  afterEach(() => server.stop());

  function action() {
    const config = new ConfigReader({
      integrations: {
        gitlab: [
          {
            host: server.host,
            apiBaseUrl: `http://${server.host}/api/v4`,
            baseUrl: `http://${server.host}`,
            token: TOKEN,
          },
        ],
      },
    });
    return createGitlabMergeRequestAction({
      config,
      integrations: ScmIntegrations.fromConfig(config),
      sleep: async milliseconds => void waits.push(milliseconds),
    });
  }

  const repoUrl = () => `${server.host}?owner=acme&repo=shop`;

  async function run(extra: JsonObject = {}, context = {}) {
    const all = testContext(
      {
        repoUrl: repoUrl(),
        branchName: 'add-cache',
        title: 'Add a cache',
        description: 'Why',
        ...extra,
      },
      context,
    );
    await action().handler(all.ctx);
    return all;
  }

  const refused = (extra: JsonObject, name: string, message: RegExp) =>
    assert.rejects(run(extra), { name, message });

  it('opens one, with everything', async () => {
    const { outputs, lines } = await run({
      draft: true,
      labels: ['infrastructure', 'cache'],
      assignees: ['amara', 'nobody'],
      reviewers: ['lukas'],
      squash: true,
      removeSourceBranch: true,
    });
    assert.deepEqual(outputs, {
      iid: 3,
      url: 'https://gitlab.example/acme/shop/-/merge_requests/3',
      created: true,
    });
    assert.deepEqual(gitlab.merges[0], {
      ...gitlab.merges[0],
      title: 'Draft: Add a cache',
      description: 'Why',
      target_branch: 'main',
      labels: ['infrastructure', 'cache'],
      assignees: [{ id: 11 }],
      reviewers: [{ id: 12 }],
      squash: true,
      remove_source_branch: true,
    });
    assert.ok(lines.includes('warn not assigned, there is no such user: nobody'));
  });

  it('changes nothing when run again, and only what differs when the input does', async () => {
    const extra = { labels: ['a'], assignees: ['amara'], reviewers: ['lukas'], draft: true };
    await run(extra);
    server.calls.length = 0;
    assert.equal((await run(extra)).outputs.created, false);
    assert.ok(
      server.called.every(call => call.startsWith('GET ')),
      server.called.join(),
    );
    await run({ title: 'Add caches', labels: ['b'], assignees: ['lukas'] });
    const [merge] = gitlab.merges;
    assert.equal(merge.title, 'Draft: Add caches');
    assert.deepEqual(merge.labels, ['a', 'b']);
    assert.deepEqual(merge.assignees, [{ id: 11 }, { id: 12 }]);
    await run({ draft: false, title: 'Add caches' });
    assert.equal(merge.title, 'Add caches');
    await run({ title: 'Other', update: false });
    assert.equal(merge.title, 'Add caches');
    assert.equal(gitlab.merges.length, 1);
  });

  it('says in a dry run what would be, and does nothing', async () => {
    assert.deepEqual((await run({}, { isDryRun: true })).outputs, { created: true });
    await run();
    server.calls.length = 0;
    const { outputs } = await run({ title: 'Other' }, { isDryRun: true });
    assert.deepEqual([outputs.iid, outputs.created], [3, false]);
    assert.ok(server.called.every(call => call.startsWith('GET ')));
  });

  it('explains what GitLab refuses', async () => {
    await refused({ branchName: 'gone' }, 'InputError', /\/branchName: .*no branch gone.*push it/);
    await refused(
      { targetBranchName: 'gone' },
      'InputError',
      /\/targetBranchName: .*no branch gone/,
    );
    await refused(
      { repoUrl: `${server.host}?owner=acme&repo=none` },
      'NotFoundError',
      /acme\/none does not exist, or the credentials may not see it/,
    );
    server.failNext('POST', /merge_requests$/, { status: 403, body: { message: '403 Forbidden' } });
    await refused({}, 'NotAllowedError', /the scope api and at least the role Developer/);
    server.failNext('POST', /merge_requests$/, {
      status: 409,
      body: { message: ['Cannot create: the project is being moved'] },
    });
    await refused({}, 'ConflictError', /being moved/);
    server.failNext('POST', /merge_requests$/, { status: 422, body: { error: 'title is odd' } });
    await refused({}, 'InputError', /GitLab refuses the merge request: title is odd/);
    await refused({ token: 'another-token' }, 'NotAllowedError', /does not accept the credentials/);
    server.failNext('GET', /42|shop/, { status: 500, body: { message: `oops ${TOKEN}` } });
    await refused({}, 'Error', /status 500: oops \*\*\*/);
    assert.equal(gitlab.merges.length, 0);
  });

  it('waits where GitLab asks for it, and fails with the time when that is too long', async () => {
    server.failNext('POST', /merge_requests$/, {
      status: 429,
      headers: { 'retry-after': '7' },
      body: { message: 'Too many requests' },
    });
    await run();
    assert.deepEqual(waits, [7_000]);
    server.failNext('GET', /shop$/, { status: 429, headers: { 'retry-after': '3600' } });
    await refused({}, 'ServiceUnavailableError', /limits our requests until/);
  });

  it('opens none twice when an answer is lost, or another was there first', async () => {
    server.failNext('POST', /merge_requests$/, { status: 0, lost: true });
    assert.equal((await run()).outputs.iid, 3);
    assert.equal(gitlab.merges.length, 1);
    gitlab.merges.length = 0;
    server.failNext('GET', /merge_requests$/, { status: 200, body: [] });
    gitlab.add({ title: 'Theirs', source_branch: 'add-cache', target_branch: 'main' });
    const { outputs } = await run();
    assert.equal(outputs.created, false);
    assert.equal(gitlab.merges.length, 1);
    assert.equal(gitlab.merges[0].title, 'Add a cache');
  });

  it('ends when the task is cancelled', async () => {
    const abort = new AbortController();
    abort.abort();
    await assert.rejects(run({}, { signal: abort.signal }), { name: 'CancelledError' });
    assert.deepEqual(server.calls, []);
  });

  it('runs every example, and describes its input', async () => {
    assert.ok(gitlabExamples.length >= 3);
    const known = Object.keys((action().schema?.input as { properties: object }).properties);
    for (const { example } of gitlabExamples) {
      const { steps } = parse(example) as { steps: Array<{ action: string; input: JsonObject }> };
      for (const { action: id, input } of steps) {
        assert.equal(id, 'purser:gitlab:merge-request');
        assert.deepEqual(
          Object.keys(input).filter(name => !known.includes(name)),
          [],
        );
        const url = String(input.repoUrl).replace('gitlab.com', server.host);
        const { outputs } = await run({
          ...input,
          repoUrl: url,
          ...('token' in input ? { token: TOKEN } : {}),
        });
        assert.ok(Number(outputs.iid) >= 3);
      }
    }
    assert.ok(server.called.includes('POST /api/v4/projects/acme/shop/merge_requests'));
    assert.ok(server.called.some(call => call.includes('/projects/42/')));
  });
});
