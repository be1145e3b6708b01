import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  coreServices,
  createServiceFactory,
  type LoggerService,
  type PermissionsService,
} from '@backstage/backend-plugin-api';
import { type MetricsService, metricsServiceRef } from '@backstage/backend-plugin-api/alpha';
import { mockCredentials, mockServices, startTestBackend } from '@backstage/backend-test-utils';
import { ConfigReader } from '@backstage/config';
import { AuthorizeResult, type Permission } from '@backstage/plugin-permission-common';
import {
  scaffolderActionsExtensionPoint,
  type TemplateAction,
} from '@backstage/plugin-scaffolder-node';
import {
  type ScaffolderTemplatingExtensionPoint,
  scaffolderTemplatingExtensionPoint,
} from '@backstage/plugin-scaffolder-node/alpha';
import type { JsonObject, JsonValue } from '@backstage/types';
import {
  type ActionDescription,
  createPurserService,
  type DefaultPurserService,
  type NativeAddonService,
  type NativeRunActionOptions,
  purserServiceRef,
} from '@purser/plugin-purser-node';
import {
  type TestActionContext,
  testBlueprint,
  TestSidecar,
} from '@purser/plugin-purser-node/testUtils';
import scaffolderModule from '../index';
import type { PurserActionContext } from '../templateAction';

/** A description of an action, as a host gives it. */
export const describeAction = (id: string, host: 'portal' | 'sidecar'): ActionDescription => ({
  id,
  description: `The action ${id}.`,
  host,
  schema: { input: { type: 'object' }, output: { type: 'object' } },
  examples: [{ description: 'one', example: 'steps: []' }],
  supportsDryRun: true,
});

const RESERVED = ['sourcePath', 'valuesText', 'scmHosts', 'portalNames'];

/** An addon whose actions do what the test says. */
export class TestAddon implements NativeAddonService {
  readonly runs: NativeRunActionOptions[] = [];
  run: (options: NativeRunActionOptions, signal?: AbortSignal) => Promise<void> = async () =>
    undefined;

  status() {
    return { loaded: true };
  }
  listActions() {
    const reading = ['purser:template:render', 'purser:fetch:plain'].map(id => {
      const action = describeAction(id, 'portal');
      action.schema.input.patternProperties = Object.fromEntries(
        RESERVED.map(name => [`^${name}$`, {}]),
      );
      return action;
    });
    return [...reading, describeAction('purser:git:publish', 'portal')];
  }
  listProviders() {
    return [];
  }
  async runAction(options: NativeRunActionOptions, call?: { signal?: AbortSignal }) {
    this.runs.push(options);
    await this.run(options, call?.signal);
  }
  async refreshProvider(): Promise<never> {
    throw new Error('not a part of these tests');
  }
}

/** A line of a task's log. */
export interface Line {
  level: string;
  text: string;
}

function recorder(lines: Line[]): LoggerService {
  const at = (level: string) => (text: string) => void lines.push({ level, text });
  const logger: LoggerService = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger,
  };
  return logger;
}

/** As the scaffolder's own. */
function recordTemplating(): ScaffolderTemplatingExtensionPoint {
  const filters: unknown[] = [];
  const globals: unknown[] = [];
  return {
    addTemplateFilters: added =>
      void filters.push(
        ...(Array.isArray(added)
          ? added
          : Object.entries(added).map(([id, filter]) => ({ id, filter }))),
      ),
    addTemplateGlobals: added =>
      void globals.push(
        ...(Array.isArray(added)
          ? added
          : Object.entries(added).map(([id, global]) =>
              typeof global === 'function' ? { id, fn: global } : { id, value: global },
            )),
      ),
  };
}

type SidecarStep =
  { type: 'output'; name: string; value: JsonValue } | { type: 'log'; level: 'info'; text: string };

const SETTINGS: JsonObject = {
  integrations: {
    github: [{ host: 'github.com', token: 'gh-token' }],
    gitlab: [
      { host: 'gitlab.example', token: 'gl-token', apiBaseUrl: 'https://gitlab.example/api/v4' },
    ],
  },
  purser: { actions: { retryFor: { seconds: 60 } } },
};

/** The module in a test backend, between an addon and a sidecar that do what the test says. */
export class ModuleHarness {
  readonly folder = mkdtempSync(join(tmpdir(), 'purser-scaffolder-'));
  readonly addon = new TestAddon();
  readonly lines: Line[] = [];
  readonly checkpoints = new Map<string, JsonValue | void>();
  readonly templating = recordTemplating();
  readonly actions = new Map<string, TemplateAction<JsonObject, JsonObject>>();
  decision: AuthorizeResult.ALLOW | AuthorizeResult.DENY = AuthorizeResult.ALLOW;
  /** Decides instead, when it is set. */
  permissions?: (request: { permission: Permission }) => boolean;
  metrics: MetricsService;
  /** What the sidecar's actions do. */
  action: (context: TestActionContext) => AsyncIterable<SidecarStep>;
  stop: () => Promise<void> = async () => undefined;
  readonly #purser: DefaultPurserService;

  private constructor(
    readonly sidecar: TestSidecar,
    run: { current?: (context: TestActionContext) => AsyncIterable<SidecarStep> },
  ) {
    const instrument = () => ({ add: () => undefined, record: () => undefined });
    this.metrics = {
      createCounter: instrument,
      createHistogram: instrument,
    } as unknown as MetricsService;
    this.action = async function* work({ input }) {
      yield { type: 'log', level: 'info', text: 'working' };
      yield { type: 'output', name: 'requestId', value: `req of ${String(input.blueprint)}` };
    };
    run.current = context => this.action(context);
    this.#purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
  }

  #decide(request: { permission: Permission }) {
    const allowed = this.permissions?.(request) ?? true;
    return allowed ? this.decision : AuthorizeResult.DENY;
  }

  static async create(): Promise<ModuleHarness> {
    const run: { current?: (context: TestActionContext) => AsyncIterable<SidecarStep> } = {};
    const sidecar = await TestSidecar.start({
      blueprints: [testBlueprint('bucket')],
      actions: ['purser:request', 'purser:holding:change', 'purser:later'].map(id => ({
        description: describeAction(id, 'sidecar'),
        run: context => run.current!(context),
      })),
    });
    return new ModuleHarness(sidecar, run);
  }

  async close(): Promise<void> {
    await this.stop();
    this.#purser.close();
    this.sidecar.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async startModule(extra: JsonObject = {}): Promise<void> {
    this.actions.clear();
    const { sidecar } = this.#purser;
    const backend = await startTestBackend({
      features: [
        scaffolderModule,
        mockServices.rootConfig.factory({ data: { ...SETTINGS, ...extra } }),
        createServiceFactory({
          service: coreServices.permissions,
          deps: {},
          factory: (): PermissionsService => ({
            authorize: async requests =>
              requests.map(request => ({ result: this.#decide(request) })),
            authorizeConditional: async queries =>
              queries.map(query => ({
                result: this.#decide(query),
              })),
          }),
        }),
        createServiceFactory({ service: metricsServiceRef, deps: {}, factory: () => this.metrics }),
        createServiceFactory({
          service: purserServiceRef,
          deps: {},
          factory: () => ({ sidecar, addon: this.addon }),
        }),
      ],
      extensionPoints: [
        [
          scaffolderActionsExtensionPoint,
          {
            addActions: (...added: TemplateAction<JsonObject, JsonObject>[]) =>
              added.forEach(item => this.actions.set(item.id, item)),
          },
        ],
        [scaffolderTemplatingExtensionPoint, this.templating],
      ],
    });
    this.stop = () => backend.stop();
  }

  handler(id: string) {
    return this.actions.get(id)!.handler;
  }

  /** The context of one run, and where its outputs go. */
  context(input: JsonObject, extra: Partial<PurserActionContext> = {}) {
    const outputs: Record<string, JsonValue> = {};
    const { checkpoints, folder, lines } = this;
    const ctx = {
      input,
      logger: recorder(lines),
      secrets: {},
      workspacePath: folder,
      task: { id: 'task-1' },
      step: { id: 'step-1' },
      user: { ref: 'user:default/guest' },
      isDryRun: false,
      async checkpoint<T extends JsonValue | void>({ key, fn }: { key: string; fn(): Promise<T> }) {
        if (checkpoints.has(key)) {
          return checkpoints.get(key) as T;
        }
        const value = await fn();
        // As the runner: through JSON, and null becomes {}.
        checkpoints.set(key, JSON.parse(JSON.stringify(value ?? {})));
        return value;
      },
      output: (name: string, value: JsonValue) => {
        outputs[name] = value;
      },
      createTemporaryDirectory: async () => mkdtempSync(join(folder, 'tmp-')),
      getInitiatorCredentials: async () => mockCredentials.user(),
      ...extra,
    } as unknown as PurserActionContext;
    return { ctx, outputs };
  }
}
