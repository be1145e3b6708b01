import { parseEntityRef } from '@backstage/catalog-model';
import type { ScmIntegrationRegistry } from '@backstage/integration';
import { parseRepoUrl } from '@backstage/plugin-scaffolder-node';
import type { JsonObject } from '@backstage/types';
import get from 'lodash/get';
import {
  createTemplateRenderer,
  type TemplateContext,
  type TemplateFilter,
  type TemplateGlobal,
} from 'nunjitsu';
import type { Extensions } from './portalTemplating';

/** The filters that Backstage's own fetch actions have beside those of the engine. */
function defaultFilters(integrations: ScmIntegrationRegistry): Record<string, TemplateFilter> {
  const filters = {
    parseRepoUrl: (url: string) => parseRepoUrl(url, integrations),
    parseEntityRef,
    pick: get,
    projectSlug: (url: string) => {
      const { owner, repo } = parseRepoUrl(url, integrations);
      return `${owner}/${repo}`;
    },
  };
  return filters as unknown as Record<string, TemplateFilter>;
}

/**
 * Renders texts as `fetch:template` of this portal does, with all filters and globals of its
 * modules. On the portal's own thread: only for what native code cannot render.
 */
export function createPortalRenderer(
  extensions: Extensions,
  integrations: ScmIntegrationRegistry,
  input: JsonObject,
): (source: string) => string {
  const renderer = createTemplateRenderer({
    filters: {
      ...defaultFilters(integrations),
      ...(extensions.filters as Record<string, TemplateFilter>),
    },
    globals: extensions.globals as Record<string, TemplateGlobal>,
    allowRegexExecution: true,
    cookiecutterCompat: input.cookiecutterCompat === true,
    trimBlocks: input.trimBlocks === true,
    lstripBlocks: input.lstripBlocks === true,
  });
  const name = input.cookiecutterCompat === true ? 'cookiecutter' : 'values';
  const context = renderer.prepareContext(
    (input.values === undefined ? {} : { [name]: input.values }) as TemplateContext,
  );
  return source => renderer.render(source, context);
}
