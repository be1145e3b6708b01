import type { Config } from '@backstage/config';
import { InputError } from '@backstage/errors';
import type { ScmIntegrationRegistry } from '@backstage/integration';
import type { JsonObject } from '@backstage/types';
import type { ActionAdapter } from '../templateAction';
import { authorizationFor, remoteUrlOf } from './scm';

/** Name under which the action looks for the value of the Authorization header. */
const AUTHORIZATION_SECRET = 'git.authorization';

function textInput(input: JsonObject, name: string): string | undefined {
  const value = input[name];
  if (value !== undefined && typeof value !== 'string') {
    throw new InputError(`/${name}: must be a text`);
  }
  return value || undefined;
}

/**
 * `purser:git:publish` gets the remote's URL, also from Backstage's `repoUrl` form, and credentials
 * of the configured integration. Only hosts that somebody configured are pushed to.
 */
export function createPublishAdapter(deps: {
  config: Config;
  integrations: ScmIntegrationRegistry;
}): ActionAdapter {
  const allowLocalRemotes = deps.config.getOptionalBoolean('purser.git.allowLocalRemotes') ?? false;
  const allowedHosts = new Set(deps.config.getOptionalStringArray('purser.git.allowedHosts') ?? []);

  function checkRemote(remoteUrl: string): URL | undefined {
    if (remoteUrl.startsWith('/') || remoteUrl.startsWith('file:')) {
      if (!allowLocalRemotes) {
        throw new InputError(
          '/remoteUrl: is a local path, which purser.git.allowLocalRemotes does not allow here',
        );
      }
      return undefined;
    }
    let url: URL;
    try {
      url = new URL(remoteUrl);
    } catch {
      throw new InputError('/remoteUrl: is not a URL');
    }
    if (url.protocol !== 'https:' && url.protocol !== 'http:') {
      throw new InputError(`/remoteUrl: ${url.protocol} is not supported, use https`);
    }
    if (url.username || url.password) {
      throw new InputError('/remoteUrl: must not hold credentials, configure an integration');
    }
    if (!deps.integrations.byUrl(url) && !allowedHosts.has(url.host)) {
      throw new InputError(
        `/remoteUrl: ${url.host} is neither a host of integrations nor of purser.git.allowedHosts`,
      );
    }
    return url;
  }

  return {
    checkpoint: true,
    async prepare(ctx) {
      if ('allowLocalRemotes' in ctx.input) {
        throw new InputError('/allowLocalRemotes: is set by the portal');
      }
      const { repoUrl: _, token: __, ...input } = ctx.input;
      const repoUrl = textInput(ctx.input, 'repoUrl');
      const given = textInput(ctx.input, 'remoteUrl');
      if (Boolean(repoUrl) === Boolean(given)) {
        throw new InputError('either repoUrl or remoteUrl must be given');
      }
      const remoteUrl = given ?? remoteUrlOf(repoUrl ?? '', deps.integrations);
      const url = checkRemote(remoteUrl);
      const secrets: Record<string, string> = {};
      const authorization = url
        ? await authorizationFor(url, deps.integrations, textInput(ctx.input, 'token'))
        : undefined;
      if (authorization) {
        secrets[AUTHORIZATION_SECRET] = authorization;
      }
      return { input: { ...input, remoteUrl, allowLocalRemotes }, secrets };
    },
  };
}
