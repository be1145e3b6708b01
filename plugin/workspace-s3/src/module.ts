import { S3Client } from '@aws-sdk/client-s3';
import { coreServices, createBackendModule } from '@backstage/backend-plugin-api';
import type { Config } from '@backstage/config';
import { DefaultAwsCredentialsManager } from '@backstage/integration-aws-node';
import { scaffolderWorkspaceProviderExtensionPoint } from '@backstage/plugin-scaffolder-node/alpha';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import { readS3WorkspaceConfig, type S3WorkspaceConfig } from './config';
import { createAgents } from './proxy';
import { S3WorkspaceProvider } from './s3WorkspaceProvider';

/** The value of `scaffolder.taskRecovery.workspaceProvider`. */
const PROVIDER = 's3';
const MAX_ATTEMPTS = 6;
const CONNECTION_TIMEOUT_MS = 5_000;
/** Without a byte in either direction. */
const SOCKET_TIMEOUT_MS = 60_000;

/** Where the client's requests go. */
function placeOf({ endpoint, region, bucket, forcePathStyle }: S3WorkspaceConfig): URL {
  const host = `s3.${region}.amazonaws.com`;
  return new URL(endpoint ?? `https://${forcePathStyle ? host : `${bucket}.${host}`}`);
}

/** Makes the client; credentials are looked for at the first call. */
export function createS3Client(
  config: S3WorkspaceConfig,
  rootConfig: Config,
  env: NodeJS.ProcessEnv = process.env,
): S3Client {
  const { endpoint, region, forcePathStyle, accountId } = config;
  const credentials =
    config.credentials ??
    (async () => {
      const manager = DefaultAwsCredentialsManager.fromConfig(rootConfig);
      const { sdkCredentialProvider } = await manager.getCredentialProvider(
        accountId ? { accountId } : undefined,
      );
      return sdkCredentialProvider();
    });
  return new S3Client({
    region,
    forcePathStyle,
    credentials,
    maxAttempts: MAX_ATTEMPTS,
    requestHandler: new NodeHttpHandler({
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      socketTimeout: SOCKET_TIMEOUT_MS,
      ...createAgents(placeOf(config), env),
    }),
    // Other stores than Amazon's know neither the checksums nor the chunks that the client adds by itself.
    ...(endpoint
      ? {
          endpoint,
          requestChecksumCalculation: 'WHEN_REQUIRED',
          responseChecksumValidation: 'WHEN_REQUIRED',
        }
      : {}),
  });
}

/** Offers the workspace provider `s3` to the scaffolder. */
export const workspaceS3Module = createBackendModule({
  pluginId: 'scaffolder',
  moduleId: 'purser-workspace-s3',
  register(reg) {
    reg.registerInit({
      deps: {
        config: coreServices.rootConfig,
        logger: coreServices.logger,
        lifecycle: coreServices.lifecycle,
        providers: scaffolderWorkspaceProviderExtensionPoint,
      },
      async init({ config: rootConfig, logger, lifecycle, providers }) {
        const config = readS3WorkspaceConfig(rootConfig);
        if (!config) {
          logger.info('scaffolder.taskRecovery.s3 is not configured: no workspace provider s3');
          return;
        }
        const client = createS3Client(config, rootConfig);
        lifecycle.addShutdownHook(() => client.destroy());
        providers.addProviders({ [PROVIDER]: new S3WorkspaceProvider({ client, config, logger }) });
      },
    });
  },
});
