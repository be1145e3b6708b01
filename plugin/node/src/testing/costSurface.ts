import {
  type BackendFeature,
  type BackstageUserPrincipal,
  coreServices,
  createServiceFactory,
} from '@backstage/backend-plugin-api';
import { mockCredentials, startTestBackend } from '@backstage/backend-test-utils';
import { ConfigReader } from '@backstage/config';
import { catalogServiceRef } from '@backstage/plugin-catalog-node';
import { catalogServiceMock } from '@backstage/plugin-catalog-node/testUtils';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
import { createPurserService, purserServiceRef } from '../service';
import { TestSidecar } from './testSidecar';

/** A compatible surface in a backend, with a sidecar in memory behind it, for tests. */
export class CostSurfaceBackend {
  private constructor(
    private readonly rights: { seesAll: boolean },
    readonly sidecar: TestSidecar,
    readonly base: string,
    readonly stop: () => Promise<void>,
  ) {}

  static async start(feature: BackendFeature, pluginId: string): Promise<CostSurfaceBackend> {
    const sidecar = await TestSidecar.start({});
    const purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
    const rights = { seesAll: true };
    const decide = (name: string) =>
      rights.seesAll || name === 'purser.cost.read' ? AuthorizeResult.ALLOW : AuthorizeResult.DENY;
    const backend = await startTestBackend({
      features: [
        feature,
        createServiceFactory({ service: purserServiceRef, deps: {}, factory: () => purser }),
        createServiceFactory({
          service: catalogServiceRef,
          deps: {},
          factory: () =>
            catalogServiceMock({
              entities: [
                {
                  apiVersion: 'backstage.io/v1alpha1',
                  kind: 'Component',
                  metadata: { name: 'shop', namespace: 'default' },
                  relations: [{ type: 'ownedBy', targetRef: 'group:default/web' }],
                },
                {
                  apiVersion: 'backstage.io/v1alpha1',
                  kind: 'System',
                  metadata: { name: 'store', namespace: 'default' },
                  relations: [{ type: 'ownedBy', targetRef: 'group:default/web' }],
                },
              ],
            }),
        }),
        createServiceFactory({
          service: coreServices.userInfo,
          deps: {},
          factory: () => ({
            getUserInfo: async ({ principal }) => {
              const { userEntityRef } = principal as BackstageUserPrincipal;
              return { userEntityRef, ownershipEntityRefs: [userEntityRef, 'group:default/web'] };
            },
          }),
        }),
        createServiceFactory({
          service: coreServices.permissions,
          deps: {},
          factory: () => ({
            authorize: async requests =>
              requests.map(({ permission }) => ({ result: decide(permission.name) })),
            authorizeConditional: async requests =>
              requests.map(({ permission }) => ({ result: decide(permission.name) })),
          }),
        }),
      ],
    });
    return new CostSurfaceBackend(
      rights,
      sidecar,
      `http://localhost:${backend.server.port()}/api/${pluginId}`,
      async () => {
        await backend.stop();
        purser.close();
        sidecar.stop();
      },
    );
  }

  /** Whether callers may see all costs. */
  get seesAll(): boolean {
    return this.rights.seesAll;
  }

  set seesAll(value: boolean) {
    this.rights.seesAll = value;
  }

  /** A row of costs. */
  static row(keys: string[], cost: string, currency = 'EUR', charges = 1n) {
    return {
      keys,
      currency,
      billedCost: cost,
      effectiveCost: cost,
      charges,
      listCost: '0',
      contractedCost: '0',
    };
  }

  /** The sidecar has costs of these days; altogether, a row of {@link row} for each currency. */
  hasCosts(
    firstDay: string,
    lastDay: string,
    ...total: ReturnType<typeof CostSurfaceBackend.row>[]
  ) {
    const { answers } = this.sidecar.costs;
    answers.getCostStatus = { firstDay, lastDay, dataVersion: 1n };
    answers.topCosts = { rows: [], rest: [], total };
  }

  /** What the sidecar was asked last by a method. */
  lastAsked(method: string): Record<string, unknown> {
    const question = this.sidecar.costs.questions.findLast(one => one.method === method);
    if (!question) {
      throw new Error(`nothing was asked by ${method}`);
    }
    return question.request as Record<string, unknown>;
  }

  /** A call as a signed-in user, or as nobody. */
  async fetch(path: string, options: { as?: 'nobody'; method?: string } = {}): Promise<Response> {
    const authorization =
      options.as === 'nobody'
        ? mockCredentials.none.header()
        : mockCredentials.user.header('user:default/guest');
    return fetch(this.base + path, {
      method: options.method ?? 'GET',
      headers: { authorization, 'x-correlation-id': 'abc-1' },
    });
  }

  async json(path: string): Promise<unknown> {
    const response = await this.fetch(path);
    const text = await response.text();
    if (response.status !== 200) {
      throw new Error(`${response.status} ${text}`);
    }
    return JSON.parse(text);
  }
}
