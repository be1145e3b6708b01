import type { Config } from '@backstage/config';
import { InputError } from '@backstage/errors';
import type { ScmIntegrationRegistry } from '@backstage/integration';
import type { JsonObject } from '@backstage/types';
import type { ActionAdapter } from '../templateAction';
import { authorizationFor, hostingOf, remoteUrlOf, signingKeyOf, USER_TOKEN_TYPES } from './scm';

/** Name under which the actions look for the value of the Authorization header. */
const AUTHORIZATION_SECRET = 'git.authorization';
/** And for the private key to sign with. */
const SIGNING_KEY_SECRET = 'git.signingKey';

function textInput(input: JsonObject, name: string): string | undefined {
  const value = input[name];
  if (value !== undefined && typeof value !== 'string') {
    throw new InputError(`/${name}: must be a text`);
  }
  return value || undefined;
}

/**
 * `purser:git:publish` and `purser:git:commit` get the remote's URL, also from Backstage's `repoUrl`
 * form, credentials of the configured integration and the key to sign with. Only hosts that somebody
 * configured are pushed to.
 */
export function createGitAdapter(deps: {
  config: Config;
  integrations: ScmIntegrationRegistry;
}): ActionAdapter {
  const requireUserToken =
    deps.config.getOptionalBoolean('scaffolder.requireScmUserCredentials') ?? false;
  const portalKey = deps.config.getOptionalString('purser.git.signingKey');
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

  /** The token of the user where the portal must not use its own. */
  function tokenFor(url: URL, input: JsonObject): string | undefined {
    const token = textInput(input, 'token');
    const type = deps.integrations.byUrl(url)?.type;
    if (!token && requireUserToken && type && USER_TOKEN_TYPES.has(type)) {
      throw new InputError(
        `/token: is required for ${url.host}, because scaffolder.requireScmUserCredentials is set`,
      );
    }
    return token;
  }

  /** A key of the template's own secrets, else the integration's where asked, else the portal's. */
  function signingKey(url: URL | undefined, input: JsonObject): string | undefined {
    const { signCommit } = input;
    const given = textInput(input, 'signingKey');
    if (signCommit === false) {
      return undefined;
    }
    const ofHost = signCommit && url ? signingKeyOf(url, deps.integrations) : undefined;
    return given ?? ofHost ?? portalKey;
  }

  return {
    checkpoint: true,
    async prepare(ctx) {
      if ('allowLocalRemotes' in ctx.input) {
        throw new InputError('/allowLocalRemotes: is set by the portal');
      }
      const { repoUrl: _, token: __, signingKey: ___, ...input } = ctx.input;
      const repoUrl = textInput(ctx.input, 'repoUrl');
      const given = textInput(ctx.input, 'remoteUrl');
      if (Boolean(repoUrl) === Boolean(given)) {
        throw new InputError('either repoUrl or remoteUrl must be given');
      }
      const remoteUrl = given ?? remoteUrlOf(repoUrl ?? '', deps.integrations);
      const url = checkRemote(remoteUrl);
      const secrets: Record<string, string> = {};
      const key = signingKey(url, ctx.input);
      if (key) {
        secrets[SIGNING_KEY_SECRET] = key;
      }
      const authorization =
        url && !ctx.isDryRun
          ? await authorizationFor(url, deps.integrations, tokenFor(url, ctx.input))
          : undefined;
      if (authorization) {
        secrets[AUTHORIZATION_SECRET] = authorization;
      }
      const hosting = url && hostingOf(url, deps.integrations);
      return {
        input: { ...input, remoteUrl, allowLocalRemotes, ...(hosting ? { hosting } : {}) },
        secrets,
      };
    },
  };
}
