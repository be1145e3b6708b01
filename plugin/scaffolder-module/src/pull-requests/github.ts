import { ConflictError, InputError, NotAllowedError, NotFoundError } from '@backstage/errors';
import { DefaultGithubCredentialsProvider } from '@backstage/integration';
import {
  createTemplateAction,
  parseRepoUrl,
  type ActionContext,
  type TemplateAction,
} from '@backstage/plugin-scaffolder-node';
import type { JsonObject } from '@backstage/types';
import { Octokit } from '@octokit/core';
import {
  type Host,
  proposalHandler,
  propose,
  type PullRequestDeps,
  type RunTools,
  toolsOf,
  userToken,
} from './action';
import { githubExamples } from './examples';

const ID = 'purser:github:pull-request';

interface GithubInput {
  repoUrl: string;
  branchName: string;
  targetBranchName?: string;
  title: string;
  description?: string;
  draft?: boolean;
  labels?: string[];
  assignees?: string[];
  reviewers?: string[];
  teamReviewers?: string[];
  update?: boolean;
}

interface PullRequest {
  number: number;
  url: string;
  title: string;
  body: string;
  draft: boolean;
  labels: string[];
  assignees: string[];
  reviewers: string[];
  teams: string[];
  author: string;
}

interface PullRequestJson {
  number: number;
  html_url: string;
  title: string;
  body: string | null;
  draft?: boolean;
  labels?: Array<{ name?: string }>;
  assignees?: Array<{ login: string }> | null;
  requested_reviewers?: Array<{ login: string }> | null;
  requested_teams?: Array<{ slug: string }> | null;
  user?: { login: string } | null;
}

function fromJson(json: PullRequestJson): PullRequest {
  return {
    number: json.number,
    url: json.html_url,
    title: json.title,
    body: json.body ?? '',
    draft: json.draft ?? false,
    labels: (json.labels ?? []).map(({ name }) => name ?? ''),
    assignees: (json.assignees ?? []).map(({ login }) => login.toLowerCase()),
    reviewers: (json.requested_reviewers ?? []).map(({ login }) => login.toLowerCase()),
    teams: (json.requested_teams ?? []).map(({ slug }) => slug.toLowerCase()),
    author: json.user?.login.toLowerCase() ?? '',
  };
}

interface GithubFailure {
  status: number;
  texts: string[];
}

/** What GitHub said, when it said anything. */
function failureOf(error: unknown): GithubFailure | undefined {
  const { status, response } = error as {
    status?: number;
    response?: { data?: { message?: string; errors?: Array<string | Record<string, string>> } };
  };
  if (typeof status !== 'number' || !response) {
    return undefined;
  }
  const { message, errors } = response.data ?? {};
  const details = (Array.isArray(errors) ? errors : []).map(detail =>
    typeof detail === 'string'
      ? detail
      : (detail.message ?? [detail.field, detail.code].filter(Boolean).join(' ')),
  );
  return { status, texts: [message ?? '', ...details].filter(Boolean) };
}

function explain(error: unknown, repo: string, input: GithubInput, base: string): Error {
  const failure = failureOf(error);
  if (!failure) {
    return error as Error;
  }
  const { status, texts } = failure;
  const said = texts.join('; ') || `status ${status}`;
  if (status === 401) {
    return new NotAllowedError(`${repo}: GitHub does not accept the credentials: ${said}`);
  }
  if (status === 403) {
    return new NotAllowedError(
      `${repo}: the credentials may not do this (${said}); they need write access to pull requests, a GitHub App the permission "Pull requests: write", for labels also "Issues: write"`,
    );
  }
  if (status === 404) {
    return new NotFoundError(
      `${repo} does not exist, or the credentials may not see it (${said}); is the GitHub App installed there?`,
    );
  }
  if (status === 409 || /merge conflict/i.test(said)) {
    return new ConflictError(`${repo}: ${said}`);
  }
  if (status === 422 && /no commits between/i.test(said)) {
    return new ConflictError(
      `${repo}: ${input.branchName} has no commits that ${base} lacks, so there is nothing to propose`,
    );
  }
  if (status === 422 && /\bhead\b.*invalid|invalid.*\bhead\b/i.test(said)) {
    return new InputError(
      `/branchName: ${repo} has no branch ${input.branchName}; push it first (purser:git:publish, purser:git:commit)`,
    );
  }
  if (status === 422 && /\bbase\b.*invalid|invalid.*\bbase\b/i.test(said)) {
    return new InputError(`/targetBranchName: ${repo} has no branch ${base}`);
  }
  return status === 422
    ? new InputError(`${repo}: GitHub refuses the pull request: ${said}`)
    : new Error(`${repo}: GitHub answered with status ${status}: ${said}`);
}

const missing = (wanted: string[] | undefined, there: string[]): string[] => {
  const known = new Set(there.map(name => name.toLowerCase()));
  return [...new Set(wanted ?? [])].filter(name => !known.has(name.toLowerCase()));
};

class GithubHost implements Host<PullRequest> {
  readonly noun = 'pull request';
  #base: string | undefined;

  constructor(
    private readonly octokit: Octokit,
    private readonly at: { owner: string; repo: string },
    private readonly input: GithubInput,
  ) {
    this.#base = input.targetBranchName;
  }

  get #repo(): string {
    return `${this.at.owner}/${this.at.repo}`;
  }

  /** "owner:branch", also for a branch of a fork, which the input names in this form. */
  get #head(): string {
    const { branchName } = this.input;
    return branchName.includes(':') ? branchName : `${this.at.owner}:${branchName}`;
  }

  async #call<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw explain(error, this.#repo, this.input, this.#base ?? 'its default branch');
    }
  }

  async #targetBranch(): Promise<string> {
    this.#base ??= (
      await this.#call(() => this.octokit.request('GET /repos/{owner}/{repo}', this.at))
    ).data.default_branch;
    return this.#base;
  }

  async find(): Promise<PullRequest | undefined> {
    const base = await this.#targetBranch();
    const { data } = await this.#call(() =>
      this.octokit.request('GET /repos/{owner}/{repo}/pulls', {
        ...this.at,
        head: this.#head,
        base,
        state: 'open',
        per_page: 1,
      }),
    );
    return data[0] && fromJson(data[0] as PullRequestJson);
  }

  async open(): Promise<PullRequest | undefined> {
    const { title, description, draft } = this.input;
    const base = await this.#targetBranch();
    try {
      const { data } = await this.octokit.request('POST /repos/{owner}/{repo}/pulls', {
        ...this.at,
        head: this.#head,
        base,
        title,
        body: description,
        draft,
      });
      return fromJson(data as PullRequestJson);
    } catch (error) {
      const failure = failureOf(error);
      if (failure?.status === 422 && /already exists/i.test(failure.texts.join(' '))) {
        return undefined;
      }
      throw explain(error, this.#repo, this.input, base);
    }
  }

  async update(existing: PullRequest): Promise<string[]> {
    const { title, description, update = true } = this.input;
    const changes = {
      ...(title === existing.title ? {} : { title }),
      ...(description === undefined || description === existing.body ? {} : { body: description }),
    };
    const names = Object.keys(changes).map(name => (name === 'body' ? 'description' : name));
    if (!update || names.length === 0) {
      return [];
    }
    await this.#call(() =>
      this.octokit.request('PATCH /repos/{owner}/{repo}/pulls/{pull_number}', {
        ...this.at,
        pull_number: existing.number,
        ...changes,
      }),
    );
    return names;
  }

  async decorate(pull: PullRequest): Promise<string[]> {
    const { input } = this;
    const warnings: string[] = [];
    const issue = { ...this.at, issue_number: pull.number };
    const labels = missing(input.labels, pull.labels);
    if (labels.length > 0) {
      await this.#call(() =>
        this.octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/labels', {
          ...issue,
          labels,
        }),
      );
    }
    const assignees = missing(input.assignees, pull.assignees);
    if (assignees.length > 0) {
      const { data } = await this.#call(() =>
        this.octokit.request('POST /repos/{owner}/{repo}/issues/{issue_number}/assignees', {
          ...issue,
          assignees,
        }),
      );
      // GitHub leaves out without a word whom it may not assign.
      const left = missing(
        assignees,
        (data.assignees ?? []).map(({ login }) => login),
      );
      if (left.length > 0) {
        warnings.push(`not assigned, they have no access to ${this.#repo}: ${left.join(', ')}`);
      }
    }
    const reviewers = missing(input.reviewers, [...pull.reviewers, pull.author]);
    const teams = missing(input.teamReviewers, pull.teams);
    if (reviewers.length + teams.length > 0) {
      warnings.push(...(await this.#review(pull.number, reviewers, teams)));
    }
    if (input.draft !== undefined && input.draft !== pull.draft) {
      warnings.push(
        `pull request ${pull.number} stays ${pull.draft ? 'a draft' : 'ready for review'}: GitHub's REST API cannot change that`,
      );
    }
    return warnings;
  }

  async #review(number: number, reviewers: string[], teams: string[]): Promise<string[]> {
    try {
      await this.octokit.request(
        'POST /repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers',
        { ...this.at, pull_number: number, reviewers, team_reviewers: teams },
      );
      return [];
    } catch (error) {
      // The pull request is there, and people leave: that is for a person to see, not to fail for.
      const failure = failureOf(error);
      if (failure?.status !== 422) {
        throw explain(error, this.#repo, this.input, this.#base ?? '');
      }
      return [
        `no review was asked for of ${[...reviewers, ...teams].join(', ')}: ${failure.texts.join('; ')}`,
      ];
    }
  }
}

/** Octokit over our fetch. It makes errors of its own of what a fetch throws; ours are given back. */
function octokitOf(token: string, baseUrl: string | undefined, scmFetch: typeof fetch): Octokit {
  const silent = () => undefined;
  const octokit = new Octokit({
    auth: token,
    baseUrl,
    userAgent: 'purser',
    log: { debug: silent, info: silent, warn: silent, error: silent },
  });
  octokit.hook.wrap('request', async (request, options) => {
    let thrown: unknown;
    const keeping: typeof fetch = async (...args) => {
      try {
        return await scmFetch(...args);
      } catch (error) {
        thrown = error;
        throw error;
      }
    };
    // In place: hooks behind this one are bound to this very object.
    options.request = { ...options.request, fetch: keeping };
    try {
      return await request(options);
    } catch (error) {
      throw thrown ?? error;
    }
  });
  return octokit;
}

async function run(
  ctx: ActionContext<JsonObject>,
  input: GithubInput,
  deps: PullRequestDeps,
): Promise<JsonObject> {
  const { host, owner, repo } = parseRepoUrl(input.repoUrl, deps.integrations);
  const integration = deps.integrations.github.byHost(host);
  if (!integration || !owner) {
    throw new InputError(
      `/repoUrl: ${host} is not a GitHub host of integrations.github, or the owner is missing`,
    );
  }
  const token =
    userToken(ctx.input, deps.config, host) ??
    (
      await DefaultGithubCredentialsProvider.fromIntegrations(deps.integrations).getCredentials({
        url: `https://${host}/${encodeURIComponent(owner)}/${encodeURIComponent(repo)}`,
      })
    ).token;
  if (!token) {
    throw new InputError(
      `no credentials for ${host}/${owner}/${repo}: configure a token or a GitHub App in integrations.github`,
    );
  }
  const tools: RunTools = toolsOf(ctx, deps, token);
  const octokit = octokitOf(token, integration.config.apiBaseUrl, tools.fetch);
  return propose(ctx, tools, new GithubHost(octokit, { owner, repo }, input));
}

/** `purser:github:pull-request`: opens one, or updates the open one of the branch. */
export function createGithubPullRequestAction(deps: PullRequestDeps) {
  return createTemplateAction({
    id: ID,
    description:
      'Opens a pull request on GitHub for a branch that is there, or updates the open one of this branch. A repeat changes nothing.',
    supportsDryRun: true,
    examples: githubExamples,
    schema: {
      input: z =>
        z.object({
          repoUrl: z
            .string()
            .describe('As the RepoUrlPicker gives it: `github.com?owner=acme&repo=shop`'),
          branchName: z
            .string()
            .min(1)
            .describe('The branch to be merged; `owner:branch` for a branch of a fork'),
          targetBranchName: z
            .string()
            .min(1)
            .optional()
            .describe("The branch to merge into; the repository's default branch when absent"),
          title: z.string().min(1).max(256).describe('The title'),
          description: z.string().max(65_536).optional().describe('The text, in Markdown'),
          draft: z.boolean().optional().describe('Open it as a draft'),
          labels: z.array(z.string()).max(100).optional().describe('Labels to add'),
          assignees: z.array(z.string()).max(10).optional().describe('Logins to assign'),
          reviewers: z.array(z.string()).max(15).optional().describe('Logins to ask for a review'),
          teamReviewers: z
            .array(z.string())
            .max(15)
            .optional()
            .describe('Slugs of teams to ask for a review'),
          update: z
            .boolean()
            .optional()
            .describe('Change title and text of an open one; true when absent'),
          token: z
            .string()
            .optional()
            .describe("A user's token; the integration's credentials when absent"),
        }),
      output: z =>
        z.object({
          number: z.number().optional().describe('Number of the pull request'),
          url: z.string().optional().describe('Its page'),
          created: z.boolean().describe('True when this run opened it'),
        }),
    },
    handler: proposalHandler<GithubInput>(ID, (ctx, input) => run(ctx, input, deps)),
  }) as unknown as TemplateAction<JsonObject, JsonObject>;
}
