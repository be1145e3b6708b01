import type { Config } from '@backstage/config';
import { InputError } from '@backstage/errors';

/** What an archive may hold. */
export interface ArchiveLimits {
  /** Bytes of all files. */
  maxBytes: number;
  /** Files, folders and links. */
  maxEntries: number;
}

/** Where workspaces lie, and how to get there. */
export interface S3WorkspaceConfig {
  bucket: string;
  /** Empty, or ends with a slash. */
  prefix: string;
  endpoint?: string;
  region: string;
  forcePathStyle: boolean;
  serverSideEncryption?: 'AES256' | 'aws:kms';
  kmsKeyId?: string;
  accountId?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  limits: ArchiveLimits;
}

const KEY = 'scaffolder.taskRecovery.s3';
const DEFAULT_PREFIX = 'scaffolder-workspaces/';
const DEFAULT_MAX_BYTES = 4 * 1024 ** 3;
const DEFAULT_MAX_ENTRIES = 500_000;
/** Of the prefix: the store's keys hold 1,024 bytes, and the task's id follows. */
const MAX_PREFIX_LENGTH = 512;

function readCount(config: Config, key: string, fallback: number): number {
  const value = config.getOptionalNumber(key) ?? fallback;
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new InputError(`${KEY}.${key}: must be a whole number above 0`);
  }
  return value;
}

/** Reads `scaffolder.taskRecovery.s3`; undefined when it is absent. */
export function readS3WorkspaceConfig(rootConfig: Config): S3WorkspaceConfig | undefined {
  const config = rootConfig.getOptionalConfig(KEY);
  if (!config) {
    return undefined;
  }
  const bucket = config.getString('bucket');
  if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i.test(bucket)) {
    throw new InputError(`${KEY}.bucket: '${bucket}' is no name of a bucket`);
  }
  const prefix = (config.getOptionalString('prefix') ?? DEFAULT_PREFIX).replace(/^\/+|\/+$/g, '');
  if (prefix.length > MAX_PREFIX_LENGTH) {
    throw new InputError(`${KEY}.prefix: is longer than ${MAX_PREFIX_LENGTH} characters`);
  }
  const endpoint = config.getOptionalString('endpoint');
  if (endpoint && !/^https?:\/\/[^/\s]+\/?$/.test(endpoint)) {
    throw new InputError(`${KEY}.endpoint: '${endpoint}' is not http(s)://host[:port]`);
  }
  const encryption = config.getOptionalString('serverSideEncryption');
  if (encryption !== undefined && encryption !== 'AES256' && encryption !== 'aws:kms') {
    throw new InputError(`${KEY}.serverSideEncryption: must be AES256 or aws:kms`);
  }
  const kmsKeyId = config.getOptionalString('kmsKeyId');
  if (kmsKeyId && encryption !== 'aws:kms') {
    throw new InputError(`${KEY}.kmsKeyId: needs serverSideEncryption aws:kms`);
  }
  const credentials = config.getOptionalConfig('credentials');
  return {
    bucket,
    prefix: prefix === '' ? '' : `${prefix}/`,
    endpoint,
    region: config.getOptionalString('region') ?? 'us-east-1',
    forcePathStyle: config.getOptionalBoolean('forcePathStyle') ?? endpoint !== undefined,
    serverSideEncryption: encryption,
    kmsKeyId,
    accountId: config.getOptionalString('accountId'),
    credentials: credentials && {
      accessKeyId: credentials.getString('accessKeyId'),
      secretAccessKey: credentials.getString('secretAccessKey'),
      sessionToken: credentials.getOptionalString('sessionToken'),
    },
    limits: {
      maxBytes: readCount(config, 'maxBytes', DEFAULT_MAX_BYTES),
      maxEntries: readCount(config, 'maxEntries', DEFAULT_MAX_ENTRIES),
    },
  };
}
