import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { createServiceFactory, type LoggerService } from '@backstage/backend-plugin-api';
import { type MetricsService, metricsServiceRef } from '@backstage/backend-plugin-api/alpha';
import { mockCredentials, mockServices, startTestBackend } from '@backstage/backend-test-utils';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
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
  grpcStatus,
  TestSidecar,
  type TestActionContext,
  TestStatus,
  until,
} from '@purser/plugin-purser-node/testUtils';
import { ConfigReader } from '@backstage/config';
import scaffolderModule from './index';
import { shippedPortalActions, shippedSidecarActions } from './shippedActions';
import type { PurserActionContext } from './templateAction';

const describeAction = (id: string, host: 'portal' | 'sidecar'): ActionDescription => ({
  id,
  description: `The action ${id}.`,
  host,
  schema: { input: { type: 'object' }, output: { type: 'object' } },
  examples: [{ description: 'one', example: 'steps: []' }],
  supportsDryRun: true,
});

/** An addon whose actions do what the test says. */
class TestAddon implements NativeAddonService {
  readonly runs: NativeRunActionOptions[] = [];
  run: (options: NativeRunActionOptions, signal?: AbortSignal) => Promise<void> = async () =>
    undefined;

  status() {
    return { loaded: true };
  }
  listActions() {
    return [
      ...['purser:template:render', 'purser:fetch:plain'].map(id => {
        const action = describeAction(id, 'portal');
        const names = ['sourcePath', 'valuesText', 'scmHosts', 'portalNames'];
        action.schema.input.patternProperties = Object.fromEntries(
          names.map(name => [`^${name}$`, {}]),
        );
        return action;
      }),
      describeAction('purser:git:publish', 'portal'),
    ];
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

interface Line {
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

describe('the scaffolder module', () => {
  let folder: string;
  let sidecar: TestSidecar;
  let purser: DefaultPurserService;
  let addon: TestAddon;
  let actions: Map<string, TemplateAction<JsonObject, JsonObject>>;
  let stop: () => Promise<void>;
  let action: (context: TestActionContext) => AsyncIterable<
    | {
        type: 'output';
        name: string;
        value: JsonValue;
      }
    | { type: 'log'; level: 'info'; text: string }
  >;
  let decision: AuthorizeResult.ALLOW | AuthorizeResult.DENY;
  let templating: ScaffolderTemplatingExtensionPoint;
  let metrics: MetricsService;
  let lines: Line[];
  let checkpoints: Map<string, JsonValue | void>;

  const settings: JsonObject = {
    integrations: {
      github: [{ host: 'github.com', token: 'gh-token' }],
      gitlab: [
        { host: 'gitlab.example', token: 'gl-token', apiBaseUrl: 'https://gitlab.example/api/v4' },
      ],
    },
    purser: { actions: { retryFor: { seconds: 8 } } },
  };

  async function startModule(extra: JsonObject = {}) {
    const config = { ...settings, ...extra };
    actions = new Map();
    const backend = await startTestBackend({
      features: [
        scaffolderModule,
        mockServices.rootConfig.factory({ data: config }),
        mockServices.permissions.factory({ result: decision }),
        createServiceFactory({ service: metricsServiceRef, deps: {}, factory: () => metrics }),
        createServiceFactory({
          service: purserServiceRef,
          deps: {},
          factory: () => ({ sidecar: purser.sidecar, addon }),
        }),
      ],
      extensionPoints: [
        [
          scaffolderActionsExtensionPoint,
          {
            addActions: (...added: TemplateAction<JsonObject, JsonObject>[]) =>
              added.forEach(item => actions.set(item.id, item)),
          },
        ],
        [scaffolderTemplatingExtensionPoint, templating],
      ],
    });
    stop = () => backend.stop();
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'purser-scaffolder-'));
    decision = AuthorizeResult.ALLOW;
    lines = [];
    const instrument = () => ({ add: () => undefined, record: () => undefined });
    metrics = {
      createCounter: instrument,
      createHistogram: instrument,
    } as unknown as MetricsService;
    // As the scaffolder's own.
    const filters: unknown[] = [];
    const globals: unknown[] = [];
    templating = {
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
    checkpoints = new Map();
    action = async function* run({ input }) {
      yield { type: 'log', level: 'info', text: 'working' };
      yield { type: 'output', name: 'requestId', value: `req of ${String(input.blueprint)}` };
    };
    sidecar = await TestSidecar.start({
      actions: [
        { description: describeAction('purser:request', 'sidecar'), run: ctx => action(ctx) },
        { description: describeAction('purser:later', 'sidecar'), run: ctx => action(ctx) },
      ],
    });
    purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
    addon = new TestAddon();
    stop = async () => undefined;
  });

  afterEach(async () => {
    await stop();
    purser.close();
    sidecar.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  function context(input: JsonObject, extra: Partial<PurserActionContext> = {}) {
    const outputs: Record<string, JsonValue> = {};
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

  const handler = (id: string) => actions.get(id)!.handler;

  it('registers what both hosts describe, schemas and examples included', async () => {
    await startModule();
    // What the hosts say, what this package itself does, and what it knows since it was built.
    const known = [...shippedPortalActions, ...shippedSidecarActions].map(({ id }) => id);
    const ids = ['purser:github:pull-request', 'purser:gitlab:merge-request', 'purser:later'];
    assert.deepEqual([...actions.keys()].sort(), [...new Set([...ids, ...known])].sort());
    const request = actions.get('purser:request')!;
    assert.equal(request.description, 'The action purser:request.');
    assert.equal(request.supportsDryRun, true);
    // Inputs that only the portal sets are on no page.
    const render = actions.get('purser:template:render')!;
    assert.equal((render.schema?.input as JsonObject).patternProperties, undefined);
    assert.deepEqual(request.examples, [{ description: 'one', example: 'steps: []' }]);
  });

  it('registers the known actions when the sidecar is not there', async () => {
    sidecar.kill();
    await startModule();
    assert.ok(actions.has('purser:request'));
    assert.ok(actions.has('purser:request:await'));
    assert.equal(actions.has('purser:later'), false);
    const shipped = actions.get('purser:request')!;
    assert.ok((shipped.examples ?? []).length >= 3);
    assert.deepEqual((shipped.schema?.input as JsonObject).required, ['blueprint']);
    // And they work as soon as it is back.
    await sidecar.start();
    const { ctx, outputs } = context({ blueprint: 'bucket' });
    await handler('purser:request')(ctx);
    assert.equal(outputs.requestId, 'req of bucket');
  });

  it('runs a sidecar action with the key of task, step and input', async () => {
    await startModule();
    const keys: string[] = [];
    action = async function* run({ idempotencyKey, user, dryRun }) {
      keys.push(`${idempotencyKey} ${user} ${dryRun}`);
      yield { type: 'output', name: 'requestId', value: 'r' };
    };
    await handler('purser:request')(context({ blueprint: 'a' }).ctx);
    await handler('purser:request')(context({ blueprint: 'b' }).ctx);
    assert.match(keys[0], /^task-1\/step-1\/[0-9a-f]{16} user:default\/guest false$/);
    assert.notEqual(keys[0], keys[1]);
  });

  it('gives each iteration of a step its own outputs after a recovery', async () => {
    await startModule();
    let runs = 0;
    action = async function* run({ input }) {
      runs++;
      yield { type: 'output', name: 'requestId', value: `made ${String(input.name)}` };
      yield { type: 'output', name: 'nothing', value: null };
    };
    for (const round of [1, 2]) {
      for (const name of ['a', 'b', 'c']) {
        const { ctx, outputs } = context({ blueprint: 'x', name });
        await handler('purser:request')(ctx);
        assert.deepEqual(outputs, { requestId: `made ${name}`, nothing: null }, `round ${round}`);
      }
    }
    assert.equal(runs, 3);
    assert.ok([...checkpoints.keys()].every(key => /^purser:request\/[0-9a-f]{16}$/.test(key)));
    assert.ok([...checkpoints.values()].every(value => value !== null));
  });

  it('passes a dry run on, without checkpoints', async () => {
    await startModule();
    action = async function* run({ dryRun }) {
      yield { type: 'output', name: 'state', value: dryRun ? 'would' : 'did' };
    };
    const { ctx, outputs } = context({ blueprint: 'x' }, { isDryRun: true });
    await handler('purser:request')(ctx);
    assert.equal(outputs.state, 'would');
    assert.equal(checkpoints.size, 0);
  });

  it('says that the sidecar vanished, tries again with the same key and goes on', async () => {
    await startModule();
    const keys: string[] = [];
    action = async function* run({ idempotencyKey }) {
      keys.push(idempotencyKey);
      yield { type: 'log', level: 'info', text: `run ${keys.length}` };
      if (keys.length === 1) {
        await new Promise(() => undefined);
      }
      yield { type: 'output', name: 'requestId', value: 'req_1' };
    };
    const { ctx, outputs } = context({ blueprint: 'x' });
    const running = handler('purser:request')(ctx);
    await until(() => lines.some(({ text }) => text === 'run 1'));
    sidecar.kill();
    await until(() => lines.some(({ level }) => level === 'warn'));
    await sidecar.start();
    await running;
    assert.equal(outputs.requestId, 'req_1');
    assert.equal(keys.length, 2);
    assert.equal(keys[0], keys[1]);
    const warnings = lines.filter(({ level }) => level === 'warn');
    assert.equal(warnings.length, 1);
    assert.match(warnings[0].text, /trying again for .* with the same key/);
    assert.ok(lines.some(({ text }) => text.includes('is back, attached again')));
  });

  it('gives up when the sidecar stays away', async () => {
    await startModule({ purser: { actions: { retryFor: { milliseconds: 1 } } } });
    sidecar.kill();
    await assert.rejects(async () => handler('purser:request')(context({ blueprint: 'x' }).ctx), {
      name: 'ServiceUnavailableError',
      message: /purser sidecar/,
    });
  });

  it('tells the sidecar when the task is cancelled', async () => {
    await startModule();
    const abort = new AbortController();
    action = async function* run({ cancelled }) {
      yield { type: 'log', level: 'info', text: 'waiting' };
      await new Promise(resolve => cancelled.addEventListener('abort', resolve));
      yield { type: 'log', level: 'info', text: 'undone' };
      throw new TestStatus(grpcStatus.CANCELLED, 'the task was cancelled');
    };
    const { ctx } = context({ blueprint: 'x' }, { signal: abort.signal });
    const running = handler('purser:request')(ctx);
    await until(() => lines.some(({ text }) => text === 'waiting'));
    abort.abort();
    await assert.rejects(async () => running, { name: 'CancelledError' });
    assert.ok(lines.some(({ text }) => text === 'undone'));
    assert.ok(sidecar.calls.includes('CancelAction'));
  });

  it('lets nobody ask for products through a template who may not', async () => {
    decision = AuthorizeResult.DENY;
    await startModule();
    await assert.rejects(async () => handler('purser:request')(context({ blueprint: 'x' }).ctx), {
      name: 'NotAllowedError',
    });
    await assert.rejects(
      async () => handler('purser:request:await')(context({ requestId: 'req_1' }).ctx),
      { name: 'NotAllowedError', message: /req_1/ },
    );
    assert.equal(sidecar.calls.includes('RunAction'), false);
  });

  it('hides the task’s secrets in logs, outputs and errors', async () => {
    await startModule();
    addon.run = async options => {
      options.onLog('info', `pushing with ${options.secrets.token}`);
      options.onOutput('note', { text: `used ${options.secrets.token}` });
      throw new Error(`refused ${encodeURIComponent(options.secrets.token)}`);
    };
    const { ctx } = context(
      { remoteUrl: 'https://github.com/o/r.git' },
      { secrets: { token: 'very secret/token' } },
    );
    await assert.rejects(async () => handler('purser:git:publish')(ctx), {
      message: 'refused ***',
    });
    assert.deepEqual(lines, [{ level: 'info', text: 'pushing with ***' }]);
  });

  it('hands a signal and a workspace to the addon', async () => {
    await startModule();
    mkdirSync(join(folder, 'template', 'skeleton'), { recursive: true });
    const abort = new AbortController();
    addon.run = async (options, signal) => {
      assert.equal(options.workspace, folder);
      assert.equal(signal, abort.signal);
      options.onOutput('files', 3);
    };
    const { ctx, outputs } = context(
      { url: './skeleton', values: { z: 1, a: 2 } },
      {
        signal: abort.signal,
        templateInfo: {
          entityRef: 'template:default/t',
          baseUrl: `file://${join(folder, 'template', 'template.yaml')}`,
        },
      },
    );
    await handler('purser:template:render')(ctx);
    assert.deepEqual(outputs, { files: 3 });
    assert.deepEqual(addon.runs[0].input, {
      url: './skeleton',
      valuesText: '{"z":1,"a":2}',
      sourcePath: join(folder, 'template', 'skeleton'),
      scmHosts: addon.runs[0].input.scmHosts,
      portalNames: [],
    });
    const hosts = addon.runs[0].input.scmHosts as JsonObject;
    assert.equal(hosts['github.com'], 'github');
    assert.equal(hosts['gitlab.example'], 'gitlab');
    // Its result is the workspace: a recovered task must render again.
    assert.equal(checkpoints.size, 0);
  });

  it('counts each run with the portal’s metrics, also those that fail', async () => {
    const runs: string[] = [];
    metrics = {
      ...metrics,
      createCounter: (name: string) => ({
        add: (value: number, attributes?: object) => {
          runs.push(`${name} ${value} ${JSON.stringify(attributes)}`);
        },
      }),
    };
    await startModule();
    addon.run = async options => options.onOutput('files', 3);
    const input = { remoteUrl: 'https://github.com/o/r.git' };
    await handler('purser:git:publish')(context(input).ctx);
    addon.run = async () => {
      throw new Error('refused');
    };
    await assert.rejects(async () =>
      handler('purser:git:publish')(context({ ...input, a: 1 }).ctx),
    );
    assert.deepEqual(runs, [
      'purser.action.runs 1 {"action":"purser:git:publish","result":"ok"}',
      'purser.action.files 3 {"action":"purser:git:publish"}',
      'purser.action.runs 1 {"action":"purser:git:publish","result":"failed"}',
    ]);
  });

  it('reads nothing outside the template’s folder and takes no reserved inputs', async () => {
    await startModule();
    const templateInfo = {
      entityRef: 'template:default/t',
      baseUrl: `file://${join(folder, 'template', 'template.yaml')}`,
    };
    writeFileSync(join(folder, 'outside'), '');
    for (const [input, message] of [
      [{ url: '../outside' }, /outside|not allowed|resolve/i],
      [{ url: './skeleton', sourcePath: '/etc' }, /sourcePath: is set by the portal/],
      [{ url: './skeleton', scmHosts: {} }, /scmHosts: is set by the portal/],
      [{ url: './skeleton', portalNames: 'x' }, /portalNames: is set by the portal/],
      [{ url: './skeleton', valuesText: '{}' }, /valuesText: is set by the portal/],
      [{}, /\/url: is required/],
    ] as const) {
      await assert.rejects(
        async () => handler('purser:template:render')(context(input, { templateInfo }).ctx),
        { message },
      );
    }
    assert.equal(addon.runs.length, 0);
  });

  it('renders with the portal’s own engine what only it can, whatever was added when', async () => {
    templating.addTemplateFilters({ shout: (text: JsonValue) => `${String(text)}!` });
    await startModule();
    templating.addTemplateGlobals([{ id: 'company', value: 'Acme' }] as never);
    templating.addTemplateFilters([
      { id: 'text.twice', filter: (text: string) => text + text },
    ] as never);
    mkdirSync(join(folder, 'template', 'skeleton'), { recursive: true });
    const rendered: string[] = [];
    addon.run = async options => {
      const render = options.functions!['render-template'];
      const source =
        '${{ values.name | shout }} ${{ company }} ${{ "a" | text.twice }} ${{ "github.com?owner=o&repo=r" | projectSlug }}';
      rendered.push(String(await render({ name: 'a.txt', source })));
      await assert.rejects(async () =>
        render({ name: 'b.txt', source: '${{ values.name | nope }}' }),
      );
    };
    const { ctx } = context(
      { url: './skeleton', values: { name: 'x' } },
      {
        templateInfo: {
          entityRef: 'template:default/t',
          baseUrl: `file://${join(folder, 'template', 'template.yaml')}`,
        },
      },
    );
    await handler('purser:template:render')(ctx);
    assert.deepEqual(addon.runs[0].input.portalNames, ['shout', 'twice', 'company']);
    assert.deepEqual(rendered, ['x! Acme aa o/r']);
  });

  it('asks for the user’s own credential where the portal demands it', async () => {
    await startModule({ scaffolder: { requireScmUserCredentials: true } });
    for (const id of ['purser:template:render', 'purser:fetch:plain']) {
      await assert.rejects(
        async () => handler(id)(context({ url: 'https://github.com/o/r/tree/main/s' }).ctx),
        { name: 'InputError', message: /\/token: is required for github.com/ },
      );
    }
  });

  it('resolves repoUrl and credentials of the configured integrations', async () => {
    await startModule();
    const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
    for (const [input, remoteUrl, authorization, hosting] of [
      [
        { repoUrl: 'github.com?owner=team&repo=service' },
        'https://github.com/team/service.git',
        basic('x-access-token:gh-token'),
        'github',
      ],
      [
        { repoUrl: 'gitlab.example?owner=team&repo=service' },
        'https://gitlab.example/team/service.git',
        basic('oauth2:gl-token'),
        'gitlab',
      ],
      [
        { remoteUrl: 'https://github.com/team/other.git', token: 'mine' },
        'https://github.com/team/other.git',
        basic('x-access-token:mine'),
        'github',
      ],
    ] as const) {
      const { ctx } = context({ ...input, defaultBranch: 'main' });
      await handler('purser:git:publish')(ctx);
      const run = addon.runs[addon.runs.length - 1];
      assert.deepEqual(run.input, {
        defaultBranch: 'main',
        remoteUrl,
        allowLocalRemotes: false,
        hosting,
      });
      assert.equal(run.secrets['git.authorization'], authorization);
    }
    assert.equal(checkpoints.size, 3);
  });

  it('pushes only to configured hosts, and to local paths only when allowed', async () => {
    await startModule();
    for (const [input, message] of [
      [{ remoteUrl: 'https://internal.example/r.git' }, /neither a host of integrations/],
      [{ remoteUrl: 'https://user:pw@github.com/o/r.git' }, /must not hold credentials/],
      [{ remoteUrl: 'ssh://github.com/o/r.git' }, /use https/],
      [{ remoteUrl: `file://${folder}/r.git` }, /allowLocalRemotes does not allow/],
      [{ remoteUrl: `${folder}/r.git` }, /allowLocalRemotes does not allow/],
      [
        { remoteUrl: 'https://github.com/o/r.git', allowLocalRemotes: true },
        /is set by the portal/,
      ],
      [{}, /either repoUrl or remoteUrl/],
    ] as const) {
      await assert.rejects(async () => handler('purser:git:publish')(context(input).ctx), {
        name: 'InputError',
        message,
      });
    }
    await stop();
    await startModule({
      purser: { git: { allowLocalRemotes: true, allowedHosts: ['internal.example'] } },
    });
    for (const remoteUrl of [`file://${folder}/r.git`, 'https://internal.example/r.git']) {
      await handler('purser:git:publish')(context({ remoteUrl }).ctx);
      const run = addon.runs[addon.runs.length - 1];
      assert.deepEqual(run.input, { remoteUrl, allowLocalRemotes: true });
      assert.deepEqual(run.secrets, {});
    }
  });
});
