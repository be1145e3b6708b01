// The folders and files of one running portal: everything below one state folder.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from './repo.mjs';

// The kernel's limit for a unix socket's path is 107 bytes.
const MAX_SOCKET_PATH = 107;

/** Paths below a state folder. */
export function statePaths(folder) {
  const below = (...parts) => path.join(folder, ...parts);
  let runtime = below('run');
  if (Buffer.byteLength(path.join(runtime, 'purserd.sock')) > MAX_SOCKET_PATH) {
    const short = createHash('sha256').update(folder).digest('hex').slice(0, 16);
    runtime = path.join(os.tmpdir(), `purser-${process.getuid()}-${short}`);
  }
  return {
    folder,
    runtime,
    socket: path.join(runtime, 'purserd.sock'),
    logs: below('logs'),
    database: below('portal'),
    portalConfig: below('portal.yaml'),
    providers: below('providers'),
    work: below('work'),
    sidecar: below('purserd'),
    sidecarConfig: below('purserd.yaml'),
    billing: below('billing'),
    gitops: below('gitops'),
    checkouts: below('checkouts'),
    organisation: below('organisation'),
    workspacesRemote: below('git', 'workspaces.git'),
    gitopsRemote: below('git', 'gitops.git'),
    lock: below('launcher.pid'),
  };
}

/** A file URL, as git remotes are named. */
export const fileUrl = file => pathToFileURL(file).href;

// Stands for what a Git host's web hook does: after each push every branch lies checked out where
// the portal's source-tree provider and TechDocs read it. The checkout is made beside and moved in,
// so that a reader never sees half of it.
const POST_RECEIVE = `#!/bin/sh
set -e
while read -r old new ref; do
  branch="\${ref#refs/heads/}"
  case "$branch" in *[!a-z0-9-]*) continue ;; esac
  target="$PURSER_CHECKOUTS/$branch"
  case "$new" in
    *[!0]*)
      next="$(mktemp -d "$PURSER_CHECKOUTS/.next.XXXXXX")"
      git archive "$new" | tar -x -C "$next"
      chmod 755 "$next"
      rm -rf "$target"
      mv "$next" "$target"
      ;;
    *) rm -rf "$target" ;;
  esac
done
`;

async function bareRepository(folder) {
  if (!existsSync(path.join(folder, 'HEAD'))) {
    await run('git', ['init', '--quiet', '--bare', '--initial-branch=main', folder], {
      quiet: true,
    });
  }
}

/** Creates what is missing; what is there stays. */
export async function prepareState(paths) {
  const { database, logs, providers, work, sidecar, billing, gitops, checkouts } = paths;
  for (const folder of [database, logs, providers, work, billing, gitops, checkouts]) {
    mkdirSync(folder, { recursive: true });
  }
  for (const folder of [paths.runtime, sidecar]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
  }
  await bareRepository(paths.gitopsRemote);
  await bareRepository(paths.workspacesRemote);
  const hook = path.join(paths.workspacesRemote, 'hooks', 'post-receive');
  const quoted = `'${checkouts.replaceAll("'", `'\\''`)}'`;
  writeFileSync(hook, POST_RECEIVE.replace('set -e', `set -e\nPURSER_CHECKOUTS=${quoted}`));
  chmodSync(hook, 0o755);
}
