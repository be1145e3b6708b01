// Runs a case of action-cases.mjs through an addon, in folders of its own.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { cases } from './action-cases.mjs';

const environment = {
  ...process.env,
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b',
};
export const git = (...args) => execFileSync('git', args, { env: environment, encoding: 'utf8' }).trim();

/** Names and contents below a folder, as one object. */
export function treeOf(folder) {
  const tree = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const place = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, place);
    if (entry.isSymbolicLink()) tree[name] = `-> ${readlinkSync(place)}`;
    else tree[name] = entry.isDirectory() ? 'folder' : createHash('sha256').update(readFileSync(place)).digest('hex');
  }
  return tree;
}

/** One action with its workspace, its source and a repository of its own. */
export class ActionCase {
  #addon;
  #case;

  /** `heavy`: the one that is much work. */
  constructor(addon, id, parent, heavy = false) {
    this.#addon = addon;
    this.id = id;
    const { work, ...light } = cases[id];
    this.#case = heavy ? { ...light, ...work } : light;
    this.folder = mkdtempSync(path.join(parent, 'case-'));
    this.workspace = path.join(this.folder, 'workspace');
    this.source = path.join(this.folder, 'source');
    this.repository = path.join(this.folder, 'remote.git');
    mkdirSync(this.workspace);
    mkdirSync(this.source);
    git('init', '-q', '--bare', '-b', 'main', this.repository);
    if (id === 'purser:git:commit') {
      const tree = git('-C', this.repository, 'hash-object', '-t', 'tree', '-w', '/dev/null');
      const first = git('-C', this.repository, 'commit-tree', tree, '-m', 'first');
      git('-C', this.repository, 'update-ref', 'refs/heads/main', first);
    }
  }

  /** Makes what the action needs, by another action where that makes it. */
  async prepare() {
    this.#case.prepare(this.workspace, this.source);
    if (this.#case.needs) await this.#call(...this.#case.needs);
  }

  refs() {
    return git('-C', this.repository, 'for-each-ref', '--format=%(refname) %(objectname)');
  }

  /** Gives outputs and log events. */
  run({ dryRun = false, signal, secrets = {} } = {}) {
    const input = this.#case.input(this.source, `file://${this.repository}`);
    return this.#call(this.id, input, { dryRun, signal, secrets });
  }

  async #call(id, input, { dryRun = false, signal, secrets = {} } = {}) {
    const outputs = {};
    const events = [];
    await this.#addon.runAction(
      id,
      JSON.stringify({ input, workspace: this.workspace, dryRun, secrets, idempotencyKey: 'task/step/hash' }),
      {
        log: (level, text) => events.push({ level, text }),
        output: (name, json) => (outputs[name] = JSON.parse(json)),
      },
      signal,
    );
    return { outputs, events };
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
