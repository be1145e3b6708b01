import { createHash } from 'node:crypto';
import { opendir, lstat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { InputError } from '@backstage/errors';
import { create, extract, type ReadEntry, type Unpack } from 'tar';
import type { ArchiveLimits } from './config';
import { leadsOut } from './links';

/** Best speed: what is spent on the portal's processor counts more than the bytes on the wire. */
const GZIP_LEVEL = 1;
/** Bits beyond read, write and execute (setuid and the like) do not come back. */
const MODE_MASK = 0o777;
/** The kinds of entry a workspace can hold. */
const KINDS = new Set(['File', 'OldFile', 'ContiguousFile', 'Directory', 'SymbolicLink', 'Link']);

/** What a workspace holds, read without its contents. */
export interface Inventory {
  /** Changes whenever anything in the workspace does. */
  fingerprint: string;
  entries: number;
  bytes: number;
  /** Symbolic links that lead out of the workspace, relative to it. */
  outside: string[];
}

/** Walks a workspace. Throws an `InputError` when it is above a limit. */
export async function takeInventory(root: string, limits: ArchiveLimits): Promise<Inventory> {
  const hash = createHash('sha256');
  const inventory: Inventory = { fingerprint: '', entries: 0, bytes: 0, outside: [] };
  const folders = [root];
  while (folders.length > 0) {
    const folder = folders.pop()!;
    const names: string[] = [];
    for await (const { name } of await opendir(folder)) {
      names.push(name);
    }
    for (const name of names.sort()) {
      const path = join(folder, name);
      const stat = await lstat(path, { bigint: true });
      inventory.entries += 1;
      if (inventory.entries > limits.maxEntries) {
        throw new InputError(
          `the workspace holds more than ${limits.maxEntries} files, folders and links (scaffolder.taskRecovery.s3.maxEntries)`,
        );
      }
      const { ino, mode, size, mtimeNs, ctimeNs } = stat;
      hash.update(`${relative(root, path)}\0${ino} ${mode} ${size} ${mtimeNs} ${ctimeNs}\0`);
      if (stat.isDirectory()) {
        folders.push(path);
      } else if (stat.isSymbolicLink()) {
        if (await leadsOut(root, path)) {
          inventory.outside.push(relative(root, path));
        }
      } else if (stat.isFile()) {
        inventory.bytes += Number(size);
      }
      if (inventory.bytes > limits.maxBytes) {
        throw new InputError(
          `the files of the workspace are larger than ${limits.maxBytes} bytes (scaffolder.taskRecovery.s3.maxBytes)`,
        );
      }
    }
  }
  inventory.fingerprint = hash.digest('hex');
  return inventory;
}

/** The workspace as a tar.gz, made while it is read; without the links that lead out. */
export function pack(root: string, outside: string[]): Readable {
  const left = new Set(outside);
  const archive = create(
    {
      cwd: root,
      gzip: { level: GZIP_LEVEL },
      strict: true,
      filter: path => !left.has(path.replace(/^\.\//, '')),
    },
    ['.'],
  );
  return Readable.from(archive as AsyncIterable<Buffer>);
}

/** The archive holds what no workspace of ours does: it must not be unpacked, now or later. */
export class UnsafeArchiveError extends Error {
  override readonly name = 'UnsafeArchiveError';

  constructor(why: string) {
    super(`the archive is not one of a workspace: ${why}`);
  }
}

function refuse(
  entry: ReadEntry,
  counted: { entries: number; bytes: number },
  limits: ArchiveLimits,
) {
  const { path, type, linkpath = '' } = entry;
  counted.entries += 1;
  counted.bytes += entry.size;
  const climbs = (text: string) => text.startsWith('/') || text.split('/').includes('..');
  if (!KINDS.has(type)) {
    return `it holds a ${type}: ${path}`;
  }
  if (climbs(path)) {
    return `an entry lies outside of it: ${path}`;
  }
  if (type === 'Link' && climbs(linkpath)) {
    return `a hard link leads out of it: ${path} -> ${linkpath}`;
  }
  if (counted.entries > limits.maxEntries) {
    return `it holds more than ${limits.maxEntries} entries`;
  }
  return counted.bytes > limits.maxBytes
    ? `it holds more than ${limits.maxBytes} bytes`
    : undefined;
}

/**
 * Feeds the unpacker until the archive ends, it fails, or `stop` says so; tar's streams are not quite
 * Node's, whose `pipeline` waits for ever on one that is given up.
 */
async function pump(archive: Readable, sink: Unpack, stop: () => boolean): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    sink.once('close', resolve);
    // Stays: what is given up may fail once more later.
    sink.on('error', reject);
  });
  ended.catch(() => undefined);
  const feed = async () => {
    for await (const piece of archive) {
      if (!sink.write(piece as Buffer)) {
        await Promise.race([new Promise(resolve => sink.once('drain', resolve)), ended]);
      }
      if (stop()) {
        return;
      }
    }
    sink.end();
    await ended;
  };
  try {
    await Promise.race([feed(), ended]);
  } catch (error) {
    const { message } = error as Error;
    if (/escapes extraction|through symbolic link/i.test(message)) {
      throw new UnsafeArchiveError(message);
    }
    if (!stop()) {
      throw error;
    }
  } finally {
    archive.destroy();
  }
}

/**
 * Unpacks into an empty folder of its own. Throws {@link UnsafeArchiveError} for an archive that would
 * leave the folder or is above the limits, and any other error for one that is cut off or damaged; the
 * caller removes the folder then.
 */
export async function unpack(
  archive: Readable,
  folder: string,
  limits: ArchiveLimits,
): Promise<{ entries: number; bytes: number }> {
  const counted = { entries: 0, bytes: 0 };
  const links: string[] = [];
  let unsafe: string | undefined;
  const sink = extract({
    cwd: folder,
    gzip: true,
    strict: true,
    preserveOwner: false,
    filter: (_, entry) => {
      const read = entry as ReadEntry;
      unsafe ??= refuse(read, counted, limits);
      if (unsafe === undefined) {
        read.mode = (read.mode ?? 0o644) & MODE_MASK;
        if (read.type === 'SymbolicLink') {
          links.push(join(folder, read.path));
        }
      }
      return unsafe === undefined;
    },
  });
  await pump(archive, sink, () => unsafe !== undefined);
  if (unsafe === undefined && counted.entries === 0) {
    throw new Error('the archive is empty');
  }
  for (const link of links) {
    if (unsafe === undefined && (await leadsOut(folder, link))) {
      unsafe = `a symbolic link leads out of it: ${relative(folder, link)}`;
    }
  }
  if (unsafe !== undefined) {
    throw new UnsafeArchiveError(unsafe);
  }
  return counted;
}
