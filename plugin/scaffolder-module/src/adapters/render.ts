import { dirname } from 'node:path';
import { resolveSafeChildPath, type UrlReaderService } from '@backstage/backend-plugin-api';
import { InputError } from '@backstage/errors';
import type { ScmIntegrations } from '@backstage/integration';
import { fetchContents } from '@backstage/plugin-scaffolder-node';
import type { ActionAdapter, PurserActionContext } from '../templateAction';

const FILE_SCHEME = 'file://';
const isAbsoluteUrl = (url: string): boolean => /^[a-z][a-z0-9+.-]*:\/\//i.test(url);

/**
 * `purser:template:render` reads `url` through Backstage's URL reader, relative to where the template
 * lies, and hands the folder over as `sourcePath`.
 */
export function createRenderAdapter(deps: {
  reader: UrlReaderService;
  integrations: ScmIntegrations;
}): ActionAdapter {
  async function readSource(ctx: PurserActionContext, url: string): Promise<string> {
    const baseUrl = ctx.templateInfo?.baseUrl;
    if (!isAbsoluteUrl(url) && baseUrl?.startsWith(FILE_SCHEME)) {
      // Read in place: the files are here already.
      return resolveSafeChildPath(dirname(baseUrl.slice(FILE_SCHEME.length)), url);
    }
    const outputPath = await ctx.createTemporaryDirectory();
    await fetchContents({
      reader: deps.reader,
      integrations: deps.integrations,
      baseUrl,
      fetchUrl: url,
      outputPath,
      token: typeof ctx.input.token === 'string' ? ctx.input.token : undefined,
    });
    return outputPath;
  }

  return {
    checkpoint: false,
    async prepare(ctx) {
      if ('sourcePath' in ctx.input) {
        throw new InputError('/sourcePath: is set by the portal, use url');
      }
      const url = ctx.input.url;
      if (typeof url !== 'string' || url === '') {
        throw new InputError('/url: is required and must be a text');
      }
      const { token, ...input } = ctx.input;
      const secrets: Record<string, string> = {};
      if (typeof token === 'string') {
        secrets.token = token;
      }
      return { input: { ...input, sourcePath: await readSource(ctx, url) }, secrets };
    },
  };
}
