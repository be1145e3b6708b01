import {
  type BackstageUserPrincipal,
  coreServices,
  createServiceFactory,
  type PermissionsService,
  type SchedulerService,
} from '@backstage/backend-plugin-api';
import {
  type ActionsRegistryService,
  actionsRegistryServiceRef,
} from '@backstage/backend-plugin-api/alpha';
import { mockCredentials, mockServices, startTestBackend } from '@backstage/backend-test-utils';
import { ConfigReader } from '@backstage/config';
import {
  AuthorizeResult,
  type Permission,
  type PolicyDecision,
} from '@backstage/plugin-permission-common';
import { type EventParams, eventsServiceRef } from '@backstage/plugin-events-node';
import {
  notificationService,
  type NotificationSendOptions,
} from '@backstage/plugin-notifications-node';
import { catalogServiceRef } from '@backstage/plugin-catalog-node';
import { catalogServiceMock } from '@backstage/plugin-catalog-node/testUtils';
import createKnex from 'knex';
import {
  createPurserService,
  type DefaultPurserService,
  purserServiceRef,
} from '@purser/plugin-purser-node';
import { testBlueprint, TestSidecar } from '@purser/plugin-purser-node/testUtils';
import purserPlugin from './index';

export type RegisteredAction = Parameters<ActionsRegistryService['register']>[0];

/** What the audit trail was told. */
export interface AuditRecord {
  eventId: string;
  severityLevel?: string;
  meta?: object;
  outcome?: 'success' | 'fail';
}

/** The plugin in a backend, with a sidecar in memory behind it, for tests. */
export class PurserTestBackend {
  readonly audit: AuditRecord[] = [];
  readonly sent: NotificationSendOptions[] = [];
  /** What was published to Backstage's events. */
  readonly published: EventParams[] = [];
  readonly actions = new Map<string, RegisteredAction>();
  /** What the permission policy says. */
  decide: (permission: Permission) => PolicyDecision = () => ({ result: AuthorizeResult.ALLOW });
  readonly asked: string[] = [];
  /** One entity, which a group owns. */
  readonly catalog = catalogServiceMock({
    entities: [
      {
        apiVersion: 'backstage.io/v1alpha1',
        kind: 'Resource',
        metadata: { name: 'w', namespace: 'default' },
        spec: { type: 'workspace', owner: 'group:default/analytics' },
        relations: [{ type: 'ownedBy', targetRef: 'group:default/analytics' }],
      },
    ],
  });
  /** Ownership claims by user, besides the user itself. */
  readonly groups = new Map<string, string[]>();
  /** Our own: the pool of Backstage's database service outlives its backend. */
  readonly #knex = createKnex({
    client: 'better-sqlite3',
    connection: ':memory:',
    useNullAsDefault: true,
    pool: { min: 1, max: 1 },
  });
  #stop: () => Promise<void> = async () => undefined;
  #base = '';
  readonly #stopped = new AbortController();
  readonly #tasks: Promise<void>[] = [];

  private constructor(
    readonly sidecar: TestSidecar,
    readonly purser: DefaultPurserService,
  ) {}

  static async start(
    options: { notifications?: boolean; approvers?: string[] } = {},
  ): Promise<PurserTestBackend> {
    const sidecar = await TestSidecar.start({
      blueprints: [testBlueprint('bucket'), testBlueprint('database')],
      needsApproval: ['database'],
    });
    const purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
    const self = new PurserTestBackend(sidecar, purser);
    const backend = await startTestBackend({
      features: [
        purserPlugin,
        mockServices.rootConfig.factory({
          data: {
            purser: {
              costs: { graph: { enabled: false } },
              notifications: {
                enabled: options.notifications ?? false,
                approvers: options.approvers ?? [],
              },
            },
          },
        }),
        createServiceFactory({ service: purserServiceRef, deps: {}, factory: () => purser }),
        createServiceFactory({
          service: coreServices.database,
          deps: {},
          factory: () => ({ getClient: async () => self.#knex }),
        }),
        createServiceFactory({
          service: catalogServiceRef,
          deps: {},
          factory: () => self.catalog,
        }),
        createServiceFactory({
          service: coreServices.userInfo,
          deps: {},
          factory: () => ({
            getUserInfo: async ({ principal }) => {
              const { userEntityRef } = principal as BackstageUserPrincipal;
              const groups = self.groups.get(userEntityRef) ?? [];
              return { userEntityRef, ownershipEntityRefs: [userEntityRef, ...groups] };
            },
          }),
        }),
        createServiceFactory({
          service: coreServices.permissions,
          deps: {},
          factory: () => self.#permissions(),
        }),
        createServiceFactory({
          service: coreServices.auditor,
          deps: {},
          factory: () => ({
            createEvent: async ({ eventId, severityLevel, meta }) => {
              const record: AuditRecord = { eventId, severityLevel, meta };
              self.audit.push(record);
              return {
                success: async () => void (record.outcome = 'success'),
                fail: async () => void (record.outcome = 'fail'),
              };
            },
          }),
        }),
        createServiceFactory({
          service: actionsRegistryServiceRef,
          deps: {},
          factory: () =>
            ({
              register: (action: RegisteredAction) => void self.actions.set(action.name, action),
            }) as ActionsRegistryService,
        }),
        createServiceFactory({
          service: coreServices.scheduler,
          deps: {},
          factory: () => self.#scheduler(),
        }),
        createServiceFactory({
          service: eventsServiceRef,
          deps: {},
          factory: () => ({
            publish: async event => void self.published.push(event),
            subscribe: async () => undefined,
          }),
        }),
        createServiceFactory({
          service: notificationService,
          deps: {},
          factory: () => ({ send: async message => void self.sent.push(message) }),
        }),
      ],
    });
    self.#stop = () => backend.stop();
    self.#base = `http://localhost:${backend.server.port()}/api/purser`;
    return self;
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#tasks);
    await this.#stop();
    await this.#knex.destroy();
    this.purser.close();
    this.sidecar.stop();
  }

  /** Repeats each task without a pause until the backend stops, as the real one does with pauses. */
  #scheduler(): SchedulerService {
    const { signal } = this.#stopped;
    const repeat = async (fn: (signal: AbortSignal) => void | Promise<void>) => {
      while (!signal.aborted) {
        await fn(signal);
        await new Promise(resolve => setTimeout(resolve, 20));
      }
    };
    return {
      scheduleTask: async ({ fn }) => void this.#tasks.push(repeat(fn as (s: AbortSignal) => void)),
      triggerTask: async () => undefined,
      cancelTask: async () => undefined,
      createScheduledTaskRunner: () => ({ run: async () => undefined }),
      getScheduledTasks: async () => [],
    };
  }

  #permissions(): PermissionsService {
    const decisionOf = (permission: Permission) => {
      this.asked.push(permission.name);
      return this.decide(permission);
    };
    return {
      authorize: async requests =>
        requests.map(({ permission }) => ({
          result:
            decisionOf(permission).result === AuthorizeResult.ALLOW
              ? AuthorizeResult.ALLOW
              : AuthorizeResult.DENY,
        })),
      authorizeConditional: async requests =>
        requests.map(({ permission }) => decisionOf(permission)),
    };
  }

  /** One HTTP call as a user, a service ("service") or nobody ("none"). */
  async fetch(
    path: string,
    options: {
      method?: string;
      body?: unknown;
      as?: string;
      headers?: object;
      signal?: AbortSignal;
    } = {},
  ): Promise<Response> {
    const { as = 'user:default/guest', body } = options;
    const authorization =
      as === 'none'
        ? mockCredentials.none.header()
        : as === 'service'
          ? mockCredentials.service.header()
          : mockCredentials.user.header(as);
    return fetch(this.#base + path, {
      method: options.method ?? (body === undefined ? 'GET' : 'POST'),
      headers: {
        authorization,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: options.signal,
    });
  }

  async create(name: string, extra: object = {}, blueprint = 'bucket') {
    return this.purser.sidecar.createRequest({
      blueprint,
      parameters: { name },
      owner: 'group:default/analytics',
      requester: 'user:default/guest',
      ...extra,
    });
  }
}
