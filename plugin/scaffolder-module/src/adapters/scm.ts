import { InputError } from '@backstage/errors';
import {
  DefaultAzureDevOpsCredentialsProvider,
  DefaultGithubCredentialsProvider,
  DefaultGitlabCredentialsProvider,
  getBitbucketCloudRequestOptions,
  getBitbucketServerRequestOptions,
  getGerritRequestOptions,
  type ScmIntegrationRegistry,
} from '@backstage/integration';
import { parseRepoUrl } from '@backstage/plugin-scaffolder-node';

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

// What each kind of host wants as the user name beside a token.
const TOKEN_USERS: Record<string, string | undefined> = {
  github: 'x-access-token',
  gitlab: 'oauth2',
  bitbucketCloud: 'x-token-auth',
  bitbucketServer: 'x-token-auth',
  azure: 'notempty',
  gerrit: 'x-token',
  gitea: 'x-oauth-basic',
};

/** Hosts whose users have tokens of their own, as Backstage has it. */
export const USER_TOKEN_TYPES: ReadonlySet<string> = new Set(['github', 'gitlab']);

// Whose pages the git actions know how to name; Bitbucket's server has others than its cloud.
const HOSTINGS: Record<string, string | undefined> = {
  github: 'github',
  gitlab: 'gitlab',
  bitbucketCloud: 'bitbucket',
  azure: 'azure',
  gitea: 'gitea',
};

const trimSlash = (url: string): string => url.replace(/\/+$/, '');

/** The clone URL of what Backstage's RepoUrlPicker gives, "host?owner=…&repo=…". */
export function remoteUrlOf(repoUrl: string, integrations: ScmIntegrationRegistry): string {
  const { host, owner, organization, workspace, project, repo } = parseRepoUrl(
    repoUrl,
    integrations,
  );
  const type = integrations.byHost(host)?.type;
  switch (type) {
    case 'gitlab':
      return `${trimSlash(integrations.gitlab.byHost(host)?.config.baseUrl ?? `https://${host}`)}/${owner}/${repo}.git`;
    case 'gitea':
      return `${trimSlash(integrations.gitea.byHost(host)?.config.baseUrl ?? `https://${host}`)}/${owner}/${repo}.git`;
    case 'github':
      return `https://${host}/${owner}/${repo}.git`;
    case 'bitbucketCloud':
      return `https://${host}/${workspace}/${repo}.git`;
    case 'bitbucketServer':
      return `https://${host}/scm/${project}/${repo}.git`;
    case 'azure':
      return `https://${host}/${organization}/${project}/_git/${repo}`;
    case 'gerrit':
      return `${trimSlash(integrations.gerrit.byHost(host)?.config.cloneUrl ?? `https://${host}`)}/a/${repo}`;
    default:
      throw new InputError(`/repoUrl: hosts of type ${type} are not supported, use remoteUrl`);
  }
}

/** The value of the Authorization header for git over HTTP; undefined when none is configured. */
export async function authorizationFor(
  url: URL,
  integrations: ScmIntegrationRegistry,
  token?: string,
): Promise<string | undefined> {
  const type = integrations.byUrl(url)?.type;
  if (token) {
    return basic((type && TOKEN_USERS[type]) ?? 'x-access-token', token);
  }
  const { host } = url;
  const address = url.toString();
  switch (type) {
    case 'github': {
      const found = await DefaultGithubCredentialsProvider.fromIntegrations(
        integrations,
      ).getCredentials({ url: address.replace(/\.git$/, '') });
      return found.token ? basic('x-access-token', found.token) : undefined;
    }
    case 'gitlab': {
      const found = await DefaultGitlabCredentialsProvider.fromIntegrations(
        integrations,
      ).getCredentials({ url: address });
      return found.token ? basic('oauth2', found.token) : undefined;
    }
    case 'azure': {
      const found = await DefaultAzureDevOpsCredentialsProvider.fromIntegrations(
        integrations,
      ).getCredentials({ url: address });
      if (!found) {
        return undefined;
      }
      return found.type === 'bearer' ? `Bearer ${found.token}` : basic('notempty', found.token);
    }
    case 'bitbucketCloud': {
      const integration = integrations.bitbucketCloud.byHost(host);
      return (
        integration &&
        (await getBitbucketCloudRequestOptions(integration.config)).headers.Authorization
      );
    }
    case 'bitbucketServer': {
      const integration = integrations.bitbucketServer.byHost(host);
      return (
        integration && getBitbucketServerRequestOptions(integration.config).headers.Authorization
      );
    }
    case 'gerrit': {
      const integration = integrations.gerrit.byHost(host);
      return integration && getGerritRequestOptions(integration.config).headers?.Authorization;
    }
    case 'gitea': {
      const config = integrations.gitea.byHost(host)?.config;
      if (!config?.password) {
        return undefined;
      }
      return basic(config.username ?? 'x-oauth-basic', config.password);
    }
    default:
      return undefined;
  }
}

/** The kind of pages a host has, for links; undefined when it is not known. */
export function hostingOf(url: URL, integrations: ScmIntegrationRegistry): string | undefined {
  const type = integrations.byUrl(url)?.type;
  return type && HOSTINGS[type];
}

/** The integration's `commitSigningKey` for a host; those of GitHub have none. */
export function signingKeyOf(url: URL, integrations: ScmIntegrationRegistry): string | undefined {
  const { host } = url;
  switch (integrations.byUrl(url)?.type) {
    case 'gitlab':
      return integrations.gitlab.byHost(host)?.config.commitSigningKey;
    case 'bitbucketCloud':
      return integrations.bitbucketCloud.byHost(host)?.config.commitSigningKey;
    case 'bitbucketServer':
      return integrations.bitbucketServer.byHost(host)?.config.commitSigningKey;
    case 'azure':
      return integrations.azure.byHost(host)?.config.commitSigningKey;
    case 'gerrit':
      return integrations.gerrit.byHost(host)?.config.commitSigningKey;
    case 'gitea':
      return integrations.gitea.byHost(host)?.config.commitSigningKey;
    default:
      return undefined;
  }
}
