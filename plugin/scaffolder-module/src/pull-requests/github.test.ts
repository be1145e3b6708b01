import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { ConfigReader } from '@backstage/config';
import { ScmIntegrations } from '@backstage/integration';
import type { JsonObject } from '@backstage/types';
import { parse } from 'yaml';
import { type Answer, ContractServer, type SeenCall } from './contractServer';
import { githubExamples } from './examples';
import { createGithubPullRequestAction } from './github';
import { testContext } from './testContext';

interface Pull {
  number: number;
  html_url: string;
  title: string;
  body: string | null;
  draft: boolean;
  head: string;
  base: string;
  labels: Array<{ name: string }>;
  assignees: Array<{ login: string }>;
  requested_reviewers: Array<{ login: string }>;
  requested_teams: Array<{ slug: string }>;
  user: { login: string };
}

const COLLABORATORS = new Set(['amara', 'lukas']);
const TOKEN = 'github-token-of-a-test';

/** What GitHub's documentation says of pull requests, labels, assignees and reviews. */
class Github {
  readonly pulls: Pull[] = [];
  readonly branches = new Set(['acme:add-cache', 'acme:main', 'acme:develop', 'amara:add-cache']);
  readonly same = new Set<string>();

  handle = (call: SeenCall): Answer => {
    const fail = (status: number, message: string, errors?: unknown[]) => ({
      status,
      body: { message, errors, documentation_url: 'https://docs' },
    });
    if (call.headers.authorization !== `token ${TOKEN}`) {
      return fail(401, 'Bad credentials');
    }
    const match = /^\/repos\/acme\/shop(\/.*)?$/.exec(call.path);
    if (!match) {
      return fail(404, 'Not Found');
    }
    const [, rest = ''] = match;
    const number = Number(/^\/(?:pulls|issues)\/(\d+)/.exec(rest)?.[1] ?? 0);
    const pull = this.pulls.find(item => item.number === number);
    const kind = `${call.method} ${rest.replace(/\d+/, 'N')}`;
    const { body } = call;
    switch (kind) {
      case 'GET ':
        return { status: 200, body: { default_branch: 'main' } };
      case 'GET /pulls':
        return {
          status: 200,
          body: this.pulls.filter(
            item =>
              item.head === call.query.get('head') &&
              item.base === call.query.get('base') &&
              call.query.get('state') === 'open',
          ),
        };
      case 'POST /pulls': {
        const head = String(body.head);
        const base = String(body.base);
        if (!this.branches.has(head)) {
          return fail(422, 'Validation Failed', [
            { resource: 'PullRequest', field: 'head', code: 'invalid' },
          ]);
        }
        if (!this.branches.has(`acme:${base}`)) {
          return fail(422, 'Validation Failed', [
            { resource: 'PullRequest', field: 'base', code: 'invalid' },
          ]);
        }
        if (this.same.has(head)) {
          return fail(422, 'Validation Failed', [
            {
              resource: 'PullRequest',
              code: 'custom',
              message: `No commits between ${base} and ${head}`,
            },
          ]);
        }
        if (this.pulls.some(item => item.head === head && item.base === base)) {
          return fail(422, 'Validation Failed', [
            { code: 'custom', message: `A pull request already exists for ${head}.` },
          ]);
        }
        return { status: 201, body: this.add(head, base, body) };
      }
      case 'PATCH /pulls/N':
        Object.assign(pull!, body);
        return { status: 200, body: pull };
      case 'POST /issues/N/labels':
        pull!.labels.push(...(body.labels as string[]).map(name => ({ name })));
        return { status: 200, body: pull!.labels };
      case 'POST /issues/N/assignees':
        pull!.assignees.push(
          ...(body.assignees as string[])
            .filter(login => COLLABORATORS.has(login))
            .map(login => ({ login })),
        );
        return { status: 201, body: pull };
      case 'POST /pulls/N/requested_reviewers': {
        const logins = body.reviewers as string[];
        if (logins.some(login => !COLLABORATORS.has(login))) {
          return fail(
            422,
            'Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the acme/shop repository.',
          );
        }
        pull!.requested_reviewers.push(...logins.map(login => ({ login })));
        pull!.requested_teams.push(...(body.team_reviewers as string[]).map(slug => ({ slug })));
        return { status: 201, body: pull };
      }
      default:
        return fail(404, 'Not Found');
    }
  };

  add(head: string, base: string, body: Record<string, unknown>): Pull {
    const number = this.pulls.length + 7;
    const pull: Pull = {
      number,
      html_url: `https://github.example/acme/shop/pull/${number}`,
      title: String(body.title),
      body: (body.body as string | undefined) ?? null,
      draft: Boolean(body.draft),
      head,
      base,
      labels: [],
      assignees: [],
      requested_reviewers: [],
      requested_teams: [],
      user: { login: 'portal[bot]' },
    };
    this.pulls.push(pull);
    return pull;
  }
}

describe('purser:github:pull-request', () => {
  let github: Github;
  let server: ContractServer;
  let waits: number[];

  beforeEach(async () => {
    github = new Github();
    server = await ContractServer.start(github.handle);
    waits = [];
  });

  afterEach(() => server.stop());

  function action(settings: JsonObject = {}, token: string | undefined = TOKEN) {
    const integration = {
      host: server.host,
      apiBaseUrl: `http://${server.host}`,
      rawBaseUrl: `http://${server.host}/raw`,
      ...(token ? { token } : {}),
    };
    const config = new ConfigReader({ integrations: { github: [integration] }, ...settings });
    return createGithubPullRequestAction({
      config,
      integrations: ScmIntegrations.fromConfig(config),
      sleep: async milliseconds => void waits.push(milliseconds),
    });
  }

  const repoUrl = () => `${server.host}?owner=acme&repo=shop`;
  const input = (extra: JsonObject = {}): JsonObject => ({
    repoUrl: repoUrl(),
    branchName: 'add-cache',
    title: 'Add a cache',
    description: 'Why',
    ...extra,
  });

  async function run(extra: JsonObject = {}, context = {}) {
    const all = testContext(input(extra), context);
    await action().handler(all.ctx);
    return all;
  }

  const refused = (extra: JsonObject, name: string, message: RegExp) =>
    assert.rejects(run(extra), { name, message });

  it('opens one, with everything', async () => {
    const { outputs, lines } = await run({
      draft: true,
      labels: ['infrastructure'],
      assignees: ['amara', 'nobody'],
      reviewers: ['lukas'],
      teamReviewers: ['platform'],
    });
    assert.deepEqual(outputs, {
      number: 7,
      url: 'https://github.example/acme/shop/pull/7',
      created: true,
    });
    const [pull] = github.pulls;
    assert.equal(pull.base, 'main');
    assert.equal(pull.body, 'Why');
    assert.equal(pull.draft, true);
    assert.deepEqual(pull.labels, [{ name: 'infrastructure' }]);
    assert.deepEqual(pull.requested_reviewers, [{ login: 'lukas' }]);
    assert.deepEqual(pull.requested_teams, [{ slug: 'platform' }]);
    assert.ok(lines.includes('warn not assigned, they have no access to acme/shop: nobody'));
    assert.ok(lines.some(line => line.startsWith('info pull request 7 was opened')));
  });

  it('changes nothing when run again, and only what differs when the input does', async () => {
    const extra = { labels: ['a'], assignees: ['amara'], reviewers: ['lukas'] };
    await run(extra);
    server.calls.length = 0;
    const again = await run(extra);
    assert.deepEqual(again.outputs.created, false);
    assert.deepEqual(
      server.called.filter(call => !call.startsWith('GET ')),
      [],
    );
    const changed = await run({ ...extra, title: 'Add caches', labels: ['a', 'b'] });
    assert.equal(github.pulls.length, 1);
    assert.equal(github.pulls[0].title, 'Add caches');
    assert.deepEqual(github.pulls[0].labels, [{ name: 'a' }, { name: 'b' }]);
    assert.ok(changed.lines.some(line => /was there, updated: title/.test(line)));
    await run({ title: 'Other', update: false });
    assert.equal(github.pulls[0].title, 'Add caches');
  });

  it('goes on after a reviewer who is no collaborator, and says so', async () => {
    const { outputs, lines } = await run({ reviewers: ['stranger'], draft: true });
    assert.equal(outputs.number, 7);
    assert.ok(
      lines.some(line => /no review was asked for of stranger: .*collaborators/.test(line)),
    );
    const { lines: later } = await run({ draft: false });
    assert.ok(later.some(line => /stays a draft/.test(line)));
  });

  it('takes the outputs of a recovered task from its checkpoint', async () => {
    const { ctx, outputs, checkpoints } = testContext(input());
    await action().handler(ctx);
    github.pulls.length = 0;
    const later = testContext(input(), { checkpoint: ctx.checkpoint });
    await action().handler(later.ctx);
    assert.deepEqual(later.outputs, outputs);
    assert.equal(checkpoints.size, 1);
    assert.equal(github.pulls.length, 0);
  });

  it('says in a dry run what would be, and does nothing', async () => {
    const fresh = await run({}, { isDryRun: true });
    assert.deepEqual(fresh.outputs, { created: true });
    assert.match(fresh.lines.join(), /dry run: a pull request would be opened/);
    await run();
    server.calls.length = 0;
    const there = await run({ title: 'Other' }, { isDryRun: true });
    assert.deepEqual(there.outputs.created, false);
    assert.equal(there.outputs.number, 7);
    assert.ok(server.called.every(call => call.startsWith('GET ')));
  });

  it('explains what GitHub refuses', async () => {
    await refused({ branchName: 'gone' }, 'InputError', /no branch gone; push it first/);
    await refused(
      { targetBranchName: 'gone' },
      'InputError',
      /\/targetBranchName: .*no branch gone/,
    );
    github.same.add('acme:add-cache');
    await refused({}, 'ConflictError', /add-cache has no commits that main lacks/);
    github.same.clear();
    await refused(
      { repoUrl: `${server.host}?owner=acme&repo=none` },
      'NotFoundError',
      /acme\/none does not exist, or the credentials may not see it/,
    );
    server.failNext('POST', /pulls$/, {
      status: 403,
      body: { message: 'Resource not accessible by integration' },
    });
    await refused({}, 'NotAllowedError', /Pull requests: write/);
    server.failNext('POST', /pulls$/, { status: 409, body: { message: 'Conflict' } });
    await refused({}, 'ConflictError', /acme\/shop: Conflict/);
    await refused({ token: 'another-token' }, 'NotAllowedError', /does not accept the credentials/);
    await refused(
      { repoUrl: 'elsewhere.example?owner=a&repo=b' },
      'InputError',
      /elsewhere\.example/,
    );
    assert.equal(github.pulls.length, 0);
  });

  it('waits where GitHub asks for it: primary and secondary limits', async () => {
    const reset = Math.floor(Date.now() / 1000) + 30;
    server.failNext('GET', /shop$/, {
      status: 403,
      headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(reset) },
      body: { message: 'API rate limit exceeded' },
    });
    server.failNext('POST', /pulls$/, {
      status: 403,
      headers: { 'retry-after': '20' },
      body: { message: 'You have exceeded a secondary rate limit' },
    });
    server.failNext('GET', /pulls$/, { status: 429, headers: { 'retry-after': '2' } });
    const { lines } = await run();
    assert.equal(github.pulls.length, 1);
    assert.equal(waits.length, 3);
    assert.ok(waits[0] > 25_000 && waits[0] <= 30_000, String(waits[0]));
    assert.deepEqual(waits.slice(1), [2_000, 20_000]);
    assert.equal(lines.filter(line => /limits our requests, waiting until/.test(line)).length, 3);
  });

  it('fails with the time when a limit lasts too long', async () => {
    server.failNext('GET', /shop$/, { status: 429, headers: { 'retry-after': '3600' } });
    await refused(
      {},
      'ServiceUnavailableError',
      /limits our requests until 20.*run the task again/,
    );
    assert.deepEqual(waits, []);
  });

  it('opens none twice when an answer is lost, or another was there first', async () => {
    server.failNext('POST', /pulls$/, { status: 0, lost: true });
    const lost = await run();
    assert.equal(lost.outputs.number, 7);
    assert.equal(github.pulls.length, 1);
    assert.equal(server.called.filter(call => call.startsWith('POST')).length, 1);
    github.pulls.length = 0;
    server.failNext('POST', /pulls$/, { status: 502, body: {} });
    await run();
    assert.equal(github.pulls.length, 1);
    // Between looking and opening somebody else opens it.
    github.pulls.length = 0;
    const real = github.handle;
    let raced = false;
    const racing = (call: SeenCall): Answer => {
      const answer = real(call);
      if (call.method === 'GET' && call.path.endsWith('/pulls') && !raced) {
        raced = true;
        github.add('acme:add-cache', 'main', { title: 'Theirs' });
      }
      return answer;
    };
    await server.stop();
    server = await ContractServer.start(racing);
    const second = await run();
    assert.equal(second.outputs.created, false);
    assert.equal(github.pulls.length, 1);
    assert.equal(github.pulls[0].title, 'Add a cache');
  });

  it('repeats what was lost on the way only so often', async () => {
    server.failNext(
      'GET',
      /shop$/,
      ...Array.from({ length: 5 }, () => ({ status: 503, body: {} })),
    );
    await refused({}, 'ServiceUnavailableError', /status 503 \(5 attempts\)/);
    assert.equal(waits.length, 4);
  });

  it('ends when the task is cancelled, also while it waits', async () => {
    const abort = new AbortController();
    abort.abort();
    await assert.rejects(run({}, { signal: abort.signal }), { name: 'CancelledError' });
    assert.deepEqual(server.calls, []);
    const later = new AbortController();
    server.failNext('GET', /shop$/, { status: 429, headers: { 'retry-after': '60' } });
    const { ctx } = testContext(input(), { signal: later.signal });
    const config = new ConfigReader({
      integrations: {
        github: [
          {
            host: server.host,
            apiBaseUrl: `http://${server.host}`,
            rawBaseUrl: `http://${server.host}/raw`,
            token: TOKEN,
          },
        ],
      },
    });
    const patient = createGithubPullRequestAction({
      config,
      integrations: ScmIntegrations.fromConfig(config),
    });
    setTimeout(() => later.abort(), 50);
    await assert.rejects(patient.handler(ctx), { name: 'CancelledError' });
  });

  it('hides the token, and asks for one where the portal insists', async () => {
    server.failNext('GET', /shop$/, { status: 500, body: { message: `oops ${TOKEN}` } });
    await refused({}, 'Error', /oops \*\*\*/);
    const insisting = action({ scaffolder: { requireScmUserCredentials: true } });
    await assert.rejects(insisting.handler(testContext(input()).ctx), {
      name: 'InputError',
      message: /requireScmUserCredentials/,
    });
    await insisting.handler(testContext(input({ token: TOKEN })).ctx);
    assert.equal(github.pulls.length, 1);
    await assert.rejects(action({}, '').handler(testContext(input()).ctx), /no credentials for/);
  });

  it('acts as the GitHub App of the integration', async () => {
    const { privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    await server.stop();
    server = await ContractServer.start(call => {
      if (call.path === '/app/installations') {
        const account = { login: 'acme' };
        return { status: 200, body: [{ id: 5, account, suspended_at: null }] };
      }
      if (call.path === '/app/installations/5/access_tokens') {
        assert.match(String(call.headers.authorization), /^bearer [\w-]+\.[\w-]+\.[\w-]+$/i);
        const expires = new Date(Date.now() + 3_600_000).toISOString();
        return {
          status: 201,
          body: { token: TOKEN, expires_at: expires, repository_selection: 'all' },
        };
      }
      return github.handle(call);
    });
    const app = {
      appId: 1,
      clientId: 'client',
      clientSecret: 'client-secret',
      webhookSecret: 'webhook-secret',
      privateKey,
    };
    const config = new ConfigReader({
      integrations: {
        github: [
          {
            host: server.host,
            apiBaseUrl: `http://${server.host}`,
            rawBaseUrl: `http://${server.host}/raw`,
            apps: [app],
          },
        ],
      },
    });
    const asApp = createGithubPullRequestAction({
      config,
      integrations: ScmIntegrations.fromConfig(config),
    });
    const { ctx, outputs } = testContext(input());
    await asApp.handler(ctx);
    assert.equal(outputs.number, 7);
    assert.ok(server.called.includes('POST /app/installations/5/access_tokens'));
  });

  it('runs every example, and describes its input', async () => {
    assert.ok(githubExamples.length >= 3);
    const { schema } = action();
    const known = Object.keys((schema?.input as { properties: object }).properties);
    for (const { example } of githubExamples) {
      const { steps } = parse(example) as { steps: Array<{ action: string; input: JsonObject }> };
      for (const step of steps) {
        assert.equal(step.action, 'purser:github:pull-request');
        assert.deepEqual(
          Object.keys(step.input).filter(name => !known.includes(name)),
          [],
        );
        const given = { ...step.input, repoUrl: repoUrl() } as JsonObject;
        const { ctx, outputs } = testContext('token' in given ? { ...given, token: TOKEN } : given);
        await action().handler(ctx);
        assert.ok(Number(outputs.number) >= 7);
      }
    }
  });
});
