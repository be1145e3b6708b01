import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { resolveSafeChildPath, type UrlReaderService } from '@backstage/backend-plugin-api';
import { InputError } from '@backstage/errors';
import type { ScmIntegrations } from '@backstage/integration';
import { fetchContents, fetchFile } from '@backstage/plugin-scaffolder-node';
import type { JsonObject } from '@backstage/types';
import type { ActionAdapter, PreparedInput, PurserActionContext } from '../templateAction';
import { createPortalRenderer } from '../templating/portalRenderer';
import { namesOf, type PortalTemplating } from '../templating/portalTemplating';

const FILE_SCHEME = 'file://';
/** Hosts whose users have tokens of their own, as Backstage has it. */
const USER_TOKEN_TYPES = new Set(['github', 'gitlab']);

export interface FetchDeps {
  reader: UrlReaderService;
  integrations: ScmIntegrations;
  /** `scaffolder.requireScmUserCredentials`. */
  requireScmUserCredentials: boolean;
}

export interface RenderDeps extends FetchDeps {
  templating: PortalTemplating;
}

function parseUrl(text: string | undefined): URL | undefined {
  return text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
}

function assertUserCredentials(deps: FetchDeps, ctx: PurserActionContext, url: string): void {
  if (!deps.requireScmUserCredentials || ctx.input.token) {
    return;
  }
  const source = parseUrl(url) ?? parseUrl(ctx.templateInfo?.baseUrl);
  const type = source && deps.integrations.byUrl(source)?.type;
  if (type && USER_TOKEN_TYPES.has(type)) {
    throw new InputError(
      `/token: is required for ${source.host}, because scaffolder.requireScmUserCredentials is set`,
    );
  }
}

/**
 * Absolute path of what `url` names, which is relative to where the template lies. Files of this
 * machine are read in place; others come through Backstage's URL reader.
 */
async function readSource(
  deps: FetchDeps,
  ctx: PurserActionContext,
  kind: 'folder' | 'file',
): Promise<string> {
  const { url, token } = ctx.input;
  if (typeof url !== 'string' || url === '') {
    throw new InputError('/url: is required and must be a text');
  }
  assertUserCredentials(deps, ctx, url);
  const baseUrl = ctx.templateInfo?.baseUrl;
  if (!URL.canParse(url) && baseUrl?.startsWith(FILE_SCHEME)) {
    return realpath(resolveSafeChildPath(dirname(baseUrl.slice(FILE_SCHEME.length)), url));
  }
  const folder = await ctx.createTemporaryDirectory();
  const options = {
    reader: deps.reader,
    integrations: deps.integrations,
    baseUrl,
    fetchUrl: url,
    token: typeof token === 'string' ? token : undefined,
  };
  if (kind === 'folder') {
    await fetchContents({ ...options, outputPath: folder });
    return folder;
  }
  const outputPath = join(folder, 'file');
  await fetchFile({ ...options, outputPath });
  return outputPath;
}

/** Integration hosts and their types, for the filter parseRepoUrl. */
const scmHosts = (integrations: ScmIntegrations): JsonObject =>
  Object.fromEntries(integrations.list().map(({ title, type }) => [title, type]));

async function prepare(
  deps: FetchDeps,
  ctx: PurserActionContext,
  kind: 'folder' | 'file',
): Promise<PreparedInput> {
  const { token, ...input } = ctx.input;
  return {
    input: { ...input, sourcePath: await readSource(deps, ctx, kind) },
    secrets: typeof token === 'string' ? { token } : {},
  };
}

/** `purser:fetch:plain` and `purser:fetch:plain:file`: what `url` names, as it is. */
export function createFetchAdapter(deps: FetchDeps, kind: 'folder' | 'file'): ActionAdapter {
  return { checkpoint: false, prepare: ctx => prepare(deps, ctx, kind) };
}

/**
 * `purser:template:render` and `purser:template:render:file`. Texts that use filters or globals of
 * the portal's modules are rendered by the portal's own engine.
 */
export function createRenderAdapter(deps: RenderDeps, kind: 'folder' | 'file'): ActionAdapter {
  return {
    checkpoint: false,
    async prepare(ctx) {
      const { input, secrets } = await prepare(deps, ctx, kind);
      const { values, ...rest } = input;
      const extensions = deps.templating.extensions();
      let render: ((source: string) => string) | undefined;
      return {
        input: {
          ...rest,
          // As text: native JSON sorts the members of objects, and their order counts in loops.
          ...(values === undefined ? {} : { valuesText: JSON.stringify(values) }),
          scmHosts: scmHosts(deps.integrations),
          portalNames: namesOf(extensions),
        },
        secrets,
        functions: {
          'render-template': ({ source }) => {
            render ??= createPortalRenderer(extensions, deps.integrations, ctx.input);
            return render(String(source));
          },
        },
      };
    },
  };
}
