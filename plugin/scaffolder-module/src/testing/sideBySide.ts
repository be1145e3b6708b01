import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoggerService, UrlReaderService } from '@backstage/backend-plugin-api';
import { ConfigReader } from '@backstage/config';
import { ScmIntegrations } from '@backstage/integration';
import {
  createFetchPlainAction,
  createFetchPlainFileAction,
  createFetchTemplateAction,
  createFetchTemplateFileAction,
} from '@backstage/plugin-scaffolder-backend';
import type { TemplateAction } from '@backstage/plugin-scaffolder-node';
import type { JsonObject } from '@backstage/types';
import { createPurserService, type DefaultPurserService } from '@purser/plugin-purser-node';
import { createFetchAdapter, createRenderAdapter } from '../adapters/render';
import { type PurserActionContext, toTemplateAction } from '../templateAction';
import type { Extensions } from '../templating/portalTemplating';

const logger: LoggerService = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => logger,
};

/** What a folder holds: one line for each entry, with mode and content. */
export function treeOf(folder: string, below = ''): Record<string, string> {
  const tree: Record<string, string> = {};
  for (const name of readdirSync(join(folder, below))) {
    const path = join(below, name);
    const info = lstatSync(join(folder, path));
    if (info.isSymbolicLink()) {
      tree[path] = `link to ${readlinkSync(join(folder, path))}`;
    } else if (info.isDirectory()) {
      tree[`${path}/`] = 'folder';
      Object.assign(tree, treeOf(folder, path));
    } else {
      const mode = (info.mode % 0o10000).toString(8);
      tree[path] = `${mode} ${readFileSync(join(folder, path)).toString('latin1')}`;
    }
  }
  return tree;
}

/** How one run of an action ended. */
export interface Outcome {
  error?: string;
  tree: Record<string, string>;
  outputs: JsonObject;
}

export type ActionName = 'template' | 'template:file' | 'plain' | 'plain:file';

type Actions = Record<ActionName, TemplateAction<JsonObject, JsonObject>>;

const OURS: Record<ActionName, string> = {
  template: 'purser:template:render',
  'template:file': 'purser:template:render:file',
  plain: 'purser:fetch:plain',
  'plain:file': 'purser:fetch:plain:file',
};

/** Backstage's fetch actions and ours, over the same files. */
export class SideBySide {
  readonly #theirs: Actions;
  readonly #ours: Actions;
  readonly #purser: DefaultPurserService;

  constructor(extensions: Extensions = { filters: {}, globals: {} }) {
    const integrations = ScmIntegrations.fromConfig(new ConfigReader({}));
    const reader = {} as UrlReaderService;
    const options = {
      reader,
      integrations,
      additionalTemplateFilters: extensions.filters,
      additionalTemplateGlobals: extensions.globals,
    };
    this.#theirs = {
      template: createFetchTemplateAction(options),
      'template:file': createFetchTemplateFileAction(options),
      plain: createFetchPlainAction(options),
      'plain:file': createFetchPlainFileAction(options),
    } as unknown as Actions;
    this.#purser = createPurserService({ config: new ConfigReader({}) });
    const fetchDeps = { reader, integrations, requireScmUserCredentials: false };
    const renderDeps = { ...fetchDeps, templating: { extensions: () => extensions } };
    const deps = {
      purser: this.#purser,
      retryFor: 0,
      adapters: {
        [OURS.template]: createRenderAdapter(renderDeps, 'folder'),
        [OURS['template:file']]: createRenderAdapter(renderDeps, 'file'),
        [OURS.plain]: createFetchAdapter(fetchDeps, 'folder'),
        [OURS['plain:file']]: createFetchAdapter(fetchDeps, 'file'),
      },
    };
    const known = this.#purser.addon.listActions();
    const ours = (name: ActionName) => {
      const description = known.find(({ id }) => id === OURS[name]);
      if (!description) {
        throw new Error(`the addon has no ${OURS[name]}: it is not built from these sources`);
      }
      return toTemplateAction(description, deps);
    };
    this.#ours = {
      template: ours('template'),
      'template:file': ours('template:file'),
      plain: ours('plain'),
      'plain:file': ours('plain:file'),
    };
  }

  close(): void {
    this.#purser.close();
  }

  /** `template` is the template's folder; `fill` puts into the workspace what is there before. */
  async run(
    side: 'ours' | 'theirs',
    template: string,
    steps: Array<{ action: ActionName; input: JsonObject }>,
    fill: (workspace: string) => void = () => undefined,
  ): Promise<Outcome> {
    const folder = mkdtempSync(join(tmpdir(), 'purser-side-'));
    const workspace = mkdtempSync(join(folder, 'ws-'));
    fill(workspace);
    const outputs: JsonObject = {};
    let error: string | undefined;
    for (const { action, input } of steps) {
      const ctx = {
        input,
        logger,
        secrets: {},
        workspacePath: workspace,
        task: { id: 'task' },
        step: { id: action },
        templateInfo: {
          entityRef: 'template:default/t',
          baseUrl: `file://${join(template, 'template.yaml')}`,
        },
        output: (name: string, value: JsonObject) => {
          outputs[name] = value;
        },
        createTemporaryDirectory: async () => mkdtempSync(join(folder, 'tmp-')),
      } as unknown as PurserActionContext;
      try {
        await (side === 'ours' ? this.#ours : this.#theirs)[action].handler(ctx);
      } catch (failure) {
        error = (failure as Error).message;
        break;
      }
    }
    const tree = treeOf(workspace);
    rmSync(folder, { recursive: true, force: true });
    return { error, tree, outputs };
  }
}
