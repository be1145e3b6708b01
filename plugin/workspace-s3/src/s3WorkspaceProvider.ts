import { randomUUID } from 'node:crypto';
import { mkdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import type { LoggerService } from '@backstage/backend-plugin-api';
import { InputError, ServiceUnavailableError } from '@backstage/errors';
import type { WorkspaceProvider } from '@backstage/plugin-scaffolder-node/alpha';
import { pack, takeInventory, unpack, UnsafeArchiveError } from './archive';
import type { S3WorkspaceConfig } from './config';

/** Each part is in memory, and sent again from there: two of them bound what an upload takes. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 2;
/** Downloads of one archive that broke off. */
const MAX_DOWNLOADS = 4;
const FIRST_BACKOFF_MS = 200;
/** Tasks whose last archive is remembered, so that an unchanged workspace is not sent again. */
const MAX_REMEMBERED = 1_000;

const nameOf = (error: unknown): string => (error as { name?: string })?.name ?? '';
const isMissing = (error: unknown): boolean => ['NoSuchKey', 'NotFound'].includes(nameOf(error));

/**
 * Keeps the workspace of each running task as one object, `<prefix><task>.tar.gz`. An object is seen
 * only when it is whole, and is put in place of the workspace only when all of it was unpacked.
 */
export class S3WorkspaceProvider implements WorkspaceProvider {
  readonly #client: S3Client;
  readonly #config: S3WorkspaceConfig;
  readonly #logger: LoggerService;
  readonly #saved = new Map<string, string>();
  /** The scaffolder saves from several places at once; the last state must win. */
  readonly #queues = new Map<string, Promise<void>>();

  constructor(options: { client: S3Client; config: S3WorkspaceConfig; logger: LoggerService }) {
    this.#client = options.client;
    this.#config = options.config;
    this.#logger = options.logger;
  }

  async serializeWorkspace({ path, taskId }: { path: string; taskId: string }): Promise<void> {
    const key = this.#keyOf(taskId);
    await this.#inTurn(taskId, () => this.#save(path, taskId, key));
  }

  async cleanWorkspace({ taskId }: { taskId: string }): Promise<void> {
    const key = this.#keyOf(taskId);
    await this.#inTurn(taskId, async () => {
      this.#saved.delete(taskId);
      try {
        await this.#client.send(new DeleteObjectCommand({ Bucket: this.#config.bucket, Key: key }));
      } catch (error) {
        if (!isMissing(error)) {
          throw this.#explain(error, `delete ${key}`);
        }
      }
    });
  }

  async rehydrateWorkspace(options: { taskId: string; targetPath: string }): Promise<void> {
    const { taskId, targetPath } = options;
    const key = this.#keyOf(taskId);
    await this.#inTurn(taskId, () => this.#restore(targetPath, key));
  }

  #keyOf(taskId: string): string {
    if (!/^[A-Za-z0-9._-]{1,128}$/.test(taskId)) {
      throw new InputError(`'${taskId}' is no id of a task`);
    }
    return `${this.#config.prefix}${taskId}.tar.gz`;
  }

  async #inTurn(taskId: string, run: () => Promise<void>): Promise<void> {
    const before = this.#queues.get(taskId) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(run);
    this.#queues.set(taskId, mine);
    try {
      await mine;
    } finally {
      if (this.#queues.get(taskId) === mine) {
        this.#queues.delete(taskId);
      }
    }
  }

  async #save(path: string, taskId: string, key: string): Promise<void> {
    const { bucket, limits, serverSideEncryption, kmsKeyId } = this.#config;
    const root = await realpath(path);
    const start = performance.now();
    const inventory = await takeInventory(root, limits);
    if (this.#saved.get(taskId) === inventory.fingerprint) {
      return;
    }
    if (inventory.outside.length > 0) {
      this.#logger.warn(
        `task ${taskId}: ${inventory.outside.length} links lead out of the workspace and are not kept: ${inventory.outside.slice(0, 5).join(', ')}`,
      );
    }
    const params: PutObjectCommandInput = {
      Bucket: bucket,
      Key: key,
      Body: pack(root, inventory.outside),
      ContentType: 'application/gzip',
      Metadata: {
        task: taskId,
        entries: String(inventory.entries),
        bytes: String(inventory.bytes),
      },
      ServerSideEncryption: serverSideEncryption,
      SSEKMSKeyId: kmsKeyId,
    };
    try {
      await new Upload({
        client: this.#client,
        params,
        partSize: PART_BYTES,
        queueSize: PARTS_AT_ONCE,
      }).done();
    } catch (error) {
      this.#saved.delete(taskId);
      throw this.#explain(error, `keep the workspace of task ${taskId} as ${key}`);
    }
    this.#remember(taskId, inventory.fingerprint);
    this.#logger.debug(
      `task ${taskId}: kept ${inventory.entries} entries, ${inventory.bytes} bytes in ${Math.round(performance.now() - start)} ms`,
    );
  }

  #remember(taskId: string, fingerprint: string): void {
    this.#saved.delete(taskId);
    this.#saved.set(taskId, fingerprint);
    if (this.#saved.size > MAX_REMEMBERED) {
      this.#saved.delete(this.#saved.keys().next().value!);
    }
  }

  async #restore(targetPath: string, key: string): Promise<void> {
    await mkdir(dirname(targetPath), { recursive: true });
    const parent = await realpath(dirname(targetPath));
    const target = join(parent, basename(targetPath));
    for (let attempt = 1; ; attempt++) {
      // Beside the workspace: putting it in place is one rename.
      const folder = join(parent, `.${basename(target)}.restoring-${randomUUID()}`);
      try {
        const archive = await this.#open(key);
        if (!archive) {
          this.#logger.debug(`${key}: nothing is kept of this task, it starts with what is there`);
          return;
        }
        await mkdir(folder);
        const { entries, bytes } = await unpack(archive, folder, this.#config.limits);
        await rm(target, { recursive: true, force: true });
        await rename(folder, target);
        this.#logger.info(`${key}: restored ${entries} entries, ${bytes} bytes`);
        return;
      } catch (error) {
        const what = `restore the workspace from ${key}`;
        if (error instanceof UnsafeArchiveError) {
          throw new Error(`cannot ${what}: ${error.message}`);
        }
        if (!this.#isBroken(error) || attempt >= MAX_DOWNLOADS) {
          throw this.#explain(error, what);
        }
        this.#logger.warn(
          `${key}: download ${attempt} of ${MAX_DOWNLOADS} broke off, trying again: ${(error as Error).message}`,
        );
        await sleep(FIRST_BACKOFF_MS * 2 ** attempt * Math.random());
      } finally {
        // An unpacker that was given up may still write its last file.
        await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      }
    }
  }

  async #open(key: string): Promise<Readable | undefined> {
    try {
      const { Body } = await this.#client.send(
        new GetObjectCommand({ Bucket: this.#config.bucket, Key: key }),
      );
      return Body as Readable;
    } catch (error) {
      if (isMissing(error)) {
        return undefined;
      }
      throw error;
    }
  }

  /** True when what came was cut off or damaged; the client itself repeats what was refused. */
  #isBroken(error: unknown): boolean {
    const { $metadata, code } = error as { $metadata?: object; code?: string };
    const isLocal = ['ENOSPC', 'EACCES', 'EROFS', 'EPERM', 'EDQUOT'].includes(code ?? '');
    return $metadata === undefined && !isLocal;
  }

  /** The client's errors name neither bucket nor key. */
  #explain(error: unknown, what: string): Error {
    const { name, message, $metadata } = error as Error & {
      $metadata?: { httpStatusCode?: number; attempts?: number };
    };
    if (error instanceof InputError) {
      return error;
    }
    const { bucket, endpoint } = this.#config;
    const where = `bucket ${bucket}${endpoint ? ` at ${endpoint}` : ''}`;
    const hints: Record<string, string> = {
      NoSuchBucket: 'the bucket does not exist',
      AccessDenied:
        'the credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload below the prefix',
      SignatureDoesNotMatch:
        'the secret access key is wrong, or the region or a proxy changes the request',
      InvalidAccessKeyId: 'the access key is unknown',
      PermanentRedirect: 'the bucket lies in another region: set scaffolder.taskRecovery.s3.region',
    };
    const hint = hints[name] ? ` (${hints[name]})` : '';
    const attempts = ($metadata?.attempts ?? 1) > 1 ? `, ${$metadata?.attempts} attempts` : '';
    return new ServiceUnavailableError(
      `cannot ${what}, ${where}${attempts}: ${name}: ${message}${hint}`,
    );
  }
}
