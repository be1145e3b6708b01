import type { Config } from '@backstage/config';
import { InputError } from '@backstage/errors';
import type { ScmIntegrationRegistry } from '@backstage/integration';
import type { ActionContext } from '@backstage/plugin-scaffolder-node';
import type { JsonObject } from '@backstage/types';
import { inputHash } from '../hash';
import { createRedactor } from '../redact';
import { createScmFetch, type ScmFetchOptions, UnknownOutcomeError } from './scmFetch';

/** What the actions need of the portal. */
export interface PullRequestDeps {
  config: Config;
  integrations: ScmIntegrationRegistry;
  /** Tests replace waits. */
  sleep?: ScmFetchOptions['sleep'];
}

/** What both kinds of host know of a request to merge. */
export interface Proposal {
  number: number;
  url: string;
}

/** One host's way to do each step. */
export interface Host<T extends Proposal> {
  /** "pull request" or "merge request". */
  noun: string;
  /** The open one of this branch, if there is one. */
  find(): Promise<T | undefined>;
  /** Undefined: another of this branch was there first. */
  open(): Promise<T | undefined>;
  /** Makes an existing one say what the input says; tells what was changed. */
  update(existing: T): Promise<string[]>;
  /** Labels, people: what is added after it is there. Tells what was refused. */
  decorate(proposal: T): Promise<string[]>;
}

/** Openings of which the outcome was not known; each is looked for before the next. */
const MAX_OPENINGS = 3;

/** The fetch of a run, and the texts of its secrets hidden. */
export interface RunTools {
  fetch: typeof fetch;
  redact(text: string): string;
}

export function toolsOf(
  ctx: ActionContext<JsonObject>,
  deps: PullRequestDeps,
  token: string,
): RunTools {
  const redact = createRedactor([token, ...Object.values(ctx.secrets ?? {})]);
  return {
    redact,
    fetch: createScmFetch({
      signal: ctx.signal,
      sleep: deps.sleep,
      onWait: text => ctx.logger.warn(redact(text)),
    }),
  };
}

/** The token of the template, if the portal insists on one. */
export function userToken(input: JsonObject, config: Config, host: string): string | undefined {
  const token = typeof input.token === 'string' && input.token !== '' ? input.token : undefined;
  if (!token && config.getOptionalBoolean('scaffolder.requireScmUserCredentials')) {
    throw new InputError(
      `/token: is required for ${host}, because scaffolder.requireScmUserCredentials is set; ask for the user's in the template`,
    );
  }
  return token;
}

async function openOrFind<T extends Proposal>(
  host: Host<T>,
): Promise<{ proposal: T; opened: boolean }> {
  for (let attempt = 1; ; attempt++) {
    const existing = await host.find();
    if (existing) {
      return { proposal: existing, opened: false };
    }
    try {
      const opened = await host.open();
      if (opened) {
        return { proposal: opened, opened: true };
      }
    } catch (error) {
      if (!(error instanceof UnknownOutcomeError) || attempt >= MAX_OPENINGS) {
        throw error;
      }
    }
    if (attempt >= MAX_OPENINGS) {
      throw new Error(`the ${host.noun} is said to exist, and is not found among the open ones`);
    }
  }
}

/** Opens the proposal, or updates the open one of the branch; the same again changes nothing. */
export async function propose<T extends Proposal>(
  ctx: ActionContext<JsonObject>,
  tools: RunTools,
  host: Host<T>,
): Promise<JsonObject> {
  const { redact } = tools;
  const clean = (error: unknown): Error => {
    const { name, message } = error as Error;
    const text = redact(message);
    return text === message
      ? (error as Error)
      : Object.assign(new Error(text), { name, stack: undefined });
  };
  try {
    if (ctx.isDryRun) {
      const existing = await host.find();
      ctx.logger.info(
        existing
          ? `dry run: the open ${host.noun} ${existing.number} would be updated (${existing.url})`
          : `dry run: a ${host.noun} would be opened; it has no number and no address yet`,
      );
      return existing
        ? { number: existing.number, url: existing.url, created: false }
        : { created: true };
    }
    const { proposal, opened } = await openOrFind(host);
    const changed = opened ? [] : await host.update(proposal);
    for (const warning of await host.decorate(proposal)) {
      ctx.logger.warn(redact(warning));
    }
    let what = 'is as it should be';
    if (opened) {
      what = 'was opened';
    } else if (changed.length > 0) {
      what = `was there, updated: ${changed.join(', ')}`;
    }
    ctx.logger.info(`${host.noun} ${proposal.number} ${what}: ${proposal.url}`);
    return { number: proposal.number, url: proposal.url, created: opened };
  } catch (error) {
    throw clean(error);
  }
}

/**
 * The handler of an action: keeps the outputs in the task's state (a recovered task does not open one
 * again that was merged) and hands them out.
 */
export function proposalHandler<TInput>(
  id: string,
  run: (ctx: ActionContext<JsonObject>, input: TInput) => Promise<JsonObject>,
): (ctx: { input: TInput }) => Promise<void> {
  return async typed => {
    // The schema's types say less than ActionContext of the same handler asks for.
    const ctx = typed as unknown as ActionContext<JsonObject>;
    const { token: _, ...input } = ctx.input;
    const hash = inputHash(input, createRedactor(Object.values(ctx.secrets ?? {})));
    const work = () => run(ctx, typed.input);
    const outputs = ctx.isDryRun
      ? await work()
      : await ctx.checkpoint({ key: `${id}/${hash}`, fn: work });
    for (const [name, value] of Object.entries(outputs)) {
      ctx.output(name as never, value as never);
    }
  };
}
