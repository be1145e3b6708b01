import { ConflictError, InputError, NotAllowedError, NotFoundError } from '@backstage/errors';
import { DefaultGitlabCredentialsProvider } from '@backstage/integration';
import {
  createTemplateAction,
  parseRepoUrl,
  type ActionContext,
  type TemplateAction,
} from '@backstage/plugin-scaffolder-node';
import type { JsonObject } from '@backstage/types';
import { MergeRequests, Projects, Users } from '@gitbeaker/core';
import { createRequesterFn, type FormattedResponse } from '@gitbeaker/requester-utils';
import {
  type Host,
  proposalHandler,
  propose,
  type PullRequestDeps,
  type RunTools,
  toolsOf,
  userToken,
} from './action';
import { gitlabExamples } from './examples';

const ID = 'purser:gitlab:merge-request';
const DRAFT = /^\s*(\[draft\]|\(draft\)|draft:)\s*/i;
/** Bytes of one answer. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

interface GitlabInput {
  repoUrl: string;
  branchName: string;
  targetBranchName?: string;
  title: string;
  description?: string;
  draft?: boolean;
  labels?: string[];
  assignees?: string[];
  reviewers?: string[];
  removeSourceBranch?: boolean;
  squash?: boolean;
  update?: boolean;
}

interface MergeRequest {
  number: number;
  url: string;
  title: string;
  description: string;
  draft: boolean;
  labels: string[];
  assignees: number[];
  reviewers: number[];
}

interface MergeRequestJson {
  iid: number;
  web_url: string;
  title: string;
  description: string | null;
  draft?: boolean;
  labels?: unknown[];
  assignees?: Array<{ id: number }> | null;
  reviewers?: Array<{ id: number }> | null;
}

function fromJson(json: MergeRequestJson): MergeRequest {
  return {
    number: json.iid,
    url: json.web_url,
    title: json.title,
    description: json.description ?? '',
    draft: json.draft ?? DRAFT.test(json.title),
    labels: (json.labels ?? []).filter(label => typeof label === 'string'),
    assignees: (json.assignees ?? []).map(({ id }) => id),
    reviewers: (json.reviewers ?? []).map(({ id }) => id),
  };
}

/** What GitLab said; its API gives `message` as a text, a list or an object of lists, or `error`. */
class GitlabFailure extends Error {
  override readonly name = 'GitlabFailure';
  constructor(
    readonly status: number,
    body: string,
  ) {
    super(GitlabFailure.#textOf(body) || `status ${status}`);
  }

  static #textOf(body: string): string {
    try {
      const { message, error } = JSON.parse(body) as { message?: unknown; error?: unknown };
      const said = message ?? error;
      if (typeof said === 'string') {
        return said;
      }
      return Array.isArray(said) ? said.join('; ') : JSON.stringify(said ?? '');
    } catch {
      return body.slice(0, 200);
    }
  }
}

async function textOf(response: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of response.body ?? []) {
    size += piece.byteLength;
    if (size > MAX_ANSWER_BYTES) {
      throw new Error(`GitLab's answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

/**
 * Gitbeaker's requests over our fetch: its own handler neither takes a signal nor honours Retry-After.
 */
function requesterOf(scmFetch: typeof fetch, apiBaseUrl: string) {
  return createRequesterFn(
    (_, options) => Promise.resolve(options),
    async (endpoint, options = {}): Promise<FormattedResponse> => {
      const url = new URL(endpoint, `${apiBaseUrl.replace(/\/+$/, '')}/`);
      url.search = (options.searchParams as string | undefined) ?? '';
      const response = await scmFetch(url, {
        method: options.method as string,
        headers: options.headers as Record<string, string>,
        body: options.body as string | undefined,
      });
      const text = await textOf(response);
      if (!response.ok) {
        throw new GitlabFailure(response.status, text);
      }
      return {
        body: text ? (JSON.parse(text) as Record<string, unknown>) : {},
        headers: Object.fromEntries(response.headers.entries()),
        status: response.status,
      };
    },
  );
}

function explain(error: unknown, project: string, input: GitlabInput, target: string): Error {
  if (!(error instanceof GitlabFailure)) {
    return error as Error;
  }
  const { status, message } = error;
  switch (status) {
    case 401:
      return new NotAllowedError(`${project}: GitLab does not accept the credentials: ${message}`);
    case 403:
      return new NotAllowedError(
        `${project}: the credentials may not do this (${message}); they need the scope api and at least the role Developer`,
      );
    case 404:
      return new NotFoundError(
        `${project} does not exist, or the credentials may not see it (${message})`,
      );
    case 409:
      return new ConflictError(`${project}: ${message}`);
    case 400:
    case 422:
      if (/source.?branch/i.test(message) && /exist|invalid|blank/i.test(message)) {
        return new InputError(
          `/branchName: ${project} has no branch ${input.branchName} (${message}); push it first (purser:git:publish, purser:git:commit)`,
        );
      }
      if (/target.?branch/i.test(message) && /exist|invalid|blank/i.test(message)) {
        return new InputError(`/targetBranchName: ${project} has no branch ${target} (${message})`);
      }
      return new InputError(`${project}: GitLab refuses the merge request: ${message}`);
    default:
      return new Error(`${project}: GitLab answered with status ${status}: ${message}`);
  }
}

interface Resources {
  mergeRequests: MergeRequests;
  projects: Projects;
  users: Users;
}

class GitlabHost implements Host<MergeRequest> {
  readonly noun = 'merge request';
  #target: string | undefined;

  constructor(
    private readonly api: Resources,
    private readonly project: string,
    private readonly input: GitlabInput,
  ) {
    this.#target = input.targetBranchName;
  }

  async #call<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw explain(error, this.project, this.input, this.#target ?? 'its default branch');
    }
  }

  async #targetBranch(): Promise<string> {
    if (!this.#target) {
      const found = await this.#call(() => this.api.projects.show(this.project));
      if (typeof found.default_branch !== 'string' || !found.default_branch) {
        throw new InputError(
          `/targetBranchName: is required, ${this.project} has no default branch yet`,
        );
      }
      this.#target = found.default_branch;
    }
    return this.#target;
  }

  #title(isDraft: boolean): string {
    const title = this.input.title.replace(DRAFT, '');
    return isDraft ? `Draft: ${title}` : title;
  }

  async find(): Promise<MergeRequest | undefined> {
    const targetBranch = await this.#targetBranch();
    const [first] = await this.#call(() =>
      this.api.mergeRequests.all({
        projectId: this.project,
        state: 'opened',
        sourceBranch: this.input.branchName,
        targetBranch,
        perPage: 1,
        maxPages: 1,
      }),
    );
    return first && fromJson(first as unknown as MergeRequestJson);
  }

  async open(): Promise<MergeRequest | undefined> {
    const { input } = this;
    const target = await this.#targetBranch();
    const isDraft = input.draft ?? DRAFT.test(input.title);
    try {
      const made = await this.api.mergeRequests.create(
        this.project,
        input.branchName,
        target,
        this.#title(isDraft),
        {
          description: input.description,
          labels: input.labels?.join(','),
          removeSourceBranch: input.removeSourceBranch,
          squash: input.squash,
        },
      );
      return fromJson(made as unknown as MergeRequestJson);
    } catch (error) {
      if (
        error instanceof GitlabFailure &&
        error.status === 409 &&
        /already exists/i.test(error.message)
      ) {
        return undefined;
      }
      throw explain(error, this.project, input, target);
    }
  }

  async update(existing: MergeRequest): Promise<string[]> {
    const { input } = this;
    if (input.update === false) {
      return [];
    }
    const title = this.#title(input.draft ?? existing.draft);
    const changes = {
      ...(title === existing.title ? {} : { title }),
      ...(input.description === undefined || input.description === existing.description
        ? {}
        : { description: input.description }),
    };
    if (Object.keys(changes).length > 0) {
      await this.#call(() => this.api.mergeRequests.edit(this.project, existing.number, changes));
    }
    return Object.keys(changes);
  }

  async decorate(merge: MergeRequest): Promise<string[]> {
    const warnings: string[] = [];
    const labels = (this.input.labels ?? []).filter(label => !merge.labels.includes(label));
    const assignees = await this.#ids(this.input.assignees, 'assigned', warnings);
    const reviewers = await this.#ids(this.input.reviewers, 'asked for a review', warnings);
    const adds = (ids: number[], there: number[]) => ids.some(id => !there.includes(id));
    const changes = {
      ...(labels.length > 0 ? { addLabels: labels.join(',') } : {}),
      // Who is there already stays: GitLab replaces the whole list.
      ...(adds(assignees, merge.assignees)
        ? { assigneeIds: [...new Set([...merge.assignees, ...assignees])] }
        : {}),
      ...(adds(reviewers, merge.reviewers)
        ? { reviewerIds: [...new Set([...merge.reviewers, ...reviewers])] }
        : {}),
    };
    if (Object.keys(changes).length > 0) {
      await this.#call(() => this.api.mergeRequests.edit(this.project, merge.number, changes));
    }
    return warnings;
  }

  async #ids(names: string[] = [], what: string, warnings: string[]): Promise<number[]> {
    const ids: number[] = [];
    for (const username of new Set(names)) {
      const [user] = await this.#call(() =>
        this.api.users.all({ username, perPage: 1, maxPages: 1 }),
      );
      if (user) {
        ids.push(user.id);
      } else {
        warnings.push(`not ${what}, there is no such user: ${username}`);
      }
    }
    return ids;
  }
}

async function run(
  ctx: ActionContext<JsonObject>,
  input: GitlabInput,
  deps: PullRequestDeps,
): Promise<JsonObject> {
  const { host, owner, repo, project } = parseRepoUrl(input.repoUrl, deps.integrations);
  const integration = deps.integrations.gitlab.byHost(host);
  if (!integration) {
    throw new InputError(`/repoUrl: ${host} is not a host of integrations.gitlab`);
  }
  const { baseUrl, apiBaseUrl } = integration.config;
  const given = userToken(ctx.input, deps.config, host);
  const token =
    given ??
    (
      await DefaultGitlabCredentialsProvider.fromIntegrations(deps.integrations).getCredentials({
        url: `${baseUrl}/${owner ?? ''}/${repo}`,
      })
    ).token;
  if (!token) {
    throw new InputError(`no credentials for ${host}: configure a token in integrations.gitlab`);
  }
  const tools: RunTools = toolsOf(ctx, deps, token);
  const options = {
    host: baseUrl,
    requesterFn: requesterOf(tools.fetch, apiBaseUrl),
    // A user's token comes from signing in, the integration's is a personal or group access token.
    ...(given ? { oauthToken: token } : { token }),
  };
  const api: Resources = {
    mergeRequests: new MergeRequests(options),
    projects: new Projects(options),
    users: new Users(options),
  };
  const { number, ...rest } = await propose(
    ctx,
    tools,
    new GitlabHost(api, project ?? `${owner}/${repo}`, input),
  );
  return number === undefined ? rest : { iid: number, ...rest };
}

/** `purser:gitlab:merge-request`: opens one, or updates the open one of the branch. */
export function createGitlabMergeRequestAction(deps: PullRequestDeps) {
  return createTemplateAction({
    id: ID,
    description:
      'Opens a merge request on GitLab for a branch that is there, or updates the open one of this branch. A repeat changes nothing.',
    supportsDryRun: true,
    examples: gitlabExamples,
    schema: {
      input: z =>
        z.object({
          repoUrl: z
            .string()
            .describe(
              'As the RepoUrlPicker gives it: `gitlab.com?owner=acme/web&repo=shop`; `project` names one by id or path',
            ),
          branchName: z.string().min(1).describe('The branch to be merged'),
          targetBranchName: z
            .string()
            .min(1)
            .optional()
            .describe("The branch to merge into; the project's default branch when absent"),
          title: z.string().min(1).max(240).describe('The title'),
          description: z.string().max(1_048_576).optional().describe('The text, in Markdown'),
          draft: z
            .boolean()
            .optional()
            .describe('A draft, or ready; an open one stays when absent'),
          labels: z.array(z.string()).max(100).optional().describe('Labels to add'),
          assignees: z.array(z.string()).max(100).optional().describe('User names to assign'),
          reviewers: z
            .array(z.string())
            .max(100)
            .optional()
            .describe('User names to ask for a review'),
          removeSourceBranch: z
            .boolean()
            .optional()
            .describe('Delete the branch when it is merged'),
          squash: z.boolean().optional().describe('Make one commit of it when it is merged'),
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
          iid: z.number().optional().describe('Number of the merge request within its project'),
          url: z.string().optional().describe('Its page'),
          created: z.boolean().describe('True when this run opened it'),
        }),
    },
    handler: proposalHandler<GitlabInput>(ID, (ctx, input) => run(ctx, input, deps)),
  }) as unknown as TemplateAction<JsonObject, JsonObject>;
}
