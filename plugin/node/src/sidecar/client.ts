import { ServiceUnavailableError } from '@backstage/errors';
import type { JsonObject } from '@backstage/types';
import type {
  CatalogSource,
  CatalogSourceDetails,
  Page,
  PurserEvent,
  PurserRequest,
} from '@purser/plugin-purser-common';
import type { SidecarConfig } from '../config';
import { isUnavailable, UnavailableError } from '../errors';
import { BadRowPolicy } from '../generated/purser/v1/costs';
import type {
  ActionDescription,
  ActionMessage,
  AdoptEntitiesOptions,
  ApproveOptions,
  CallOptions,
  ChangeOptions,
  ControlSourceOptions,
  CreateRequestOptions,
  EntityCostsOptions,
  IngestCostsOptions,
  ListRequestsOptions,
  LogLevel,
  ProviderDescription,
  ProviderMessage,
  QueryCostsOptions,
  RefreshProviderOptions,
  ReportSourceOptions,
  RunActionOptions,
  SidecarClient,
  SourceOrders,
  WatchRequestsOptions,
} from '../types';
import { backoff, pause, SidecarChannel } from './channel';
import { type CostsClient, createCostsClient } from './costs';
import { createHoldingsClient, type HoldingsClient } from './holdings';
import {
  fromBlueprint,
  fromCostRow,
  fromEntityCosts,
  fromEvent,
  fromIngest,
  fromRequest,
  fromResource,
  fromSource,
  parseJson,
  parseJsonObject,
  toRequestKindNumber,
  toRequestStateNumber,
  toPortalRound,
} from './convert';

// Reading a large billing file takes longer than other calls.
const INGEST_DEADLINE_MS = 10 * 60_000;
const HEALTH_DEADLINE_MS = 2_000;
// A round does not wait for a sidecar that is not there.
const REPORT_DEADLINE_MS = 2_000;

const LEVELS = new Set<string>(['debug', 'info', 'warn', 'error']);
const levelOf = (level: string): LogLevel => (LEVELS.has(level) ? (level as LogLevel) : 'info');

function page<T>(items: T[], nextPageToken: string): Page<T> {
  return nextPageToken === '' ? { items } : { items, nextPageToken };
}

/** {@link SidecarClient} over gRPC. */
export class GrpcSidecarClient implements SidecarClient {
  readonly costs: CostsClient = createCostsClient(() => this.#bind());
  readonly holdings: HoldingsClient = createHoldingsClient(() => this.#bind());
  readonly #config: SidecarConfig | undefined;
  #channel: SidecarChannel | undefined;
  #closed = false;

  constructor(config: SidecarConfig | undefined) {
    this.#config = config;
  }

  close(): void {
    this.#closed = true;
    this.#channel?.close();
  }

  #open(): SidecarChannel {
    if (this.#closed) {
      throw new ServiceUnavailableError('the portal is shutting down');
    }
    if (!this.#config) {
      throw new ServiceUnavailableError(
        'no purser sidecar is configured: set purser.sidecar.address to where purserd listens',
      );
    }
    this.#channel ??= new SidecarChannel(this.#config);
    return this.#channel;
  }

  async createRequest(options: CreateRequestOptions, call?: CallOptions): Promise<PurserRequest> {
    const { provisioning, unary } = this.#bind();
    const response = await unary(
      provisioning.createRequest.bind(provisioning),
      {
        blueprint: options.blueprint,
        parametersJson: JSON.stringify(options.parameters),
        owner: options.owner ?? '',
        requester: options.requester,
        idempotencyKey: options.idempotencyKey ?? '',
        validateOnly: options.validateOnly ?? false,
        kind: toRequestKindNumber(options.kind),
        holdingId: options.holdingId ?? '',
        importedJson: options.imported ? JSON.stringify(options.imported) : '',
      },
      { idempotent: Boolean(options.idempotencyKey || options.validateOnly), ...call },
    );
    return fromRequest(response.request);
  }

  async getRequest(id: string, call?: CallOptions): Promise<PurserRequest> {
    const { provisioning, unary } = this.#bind();
    const response = await unary(
      provisioning.getRequest.bind(provisioning),
      { id },
      { idempotent: true, ...call },
    );
    return fromRequest(response.request);
  }

  async listRequests(
    options: ListRequestsOptions,
    call?: CallOptions,
  ): Promise<Page<PurserRequest>> {
    const { provisioning, unary } = this.#bind();
    const response = await unary(
      provisioning.listRequests.bind(provisioning),
      {
        owner: options.owner ?? '',
        requester: options.requester ?? '',
        blueprint: options.blueprint ?? '',
        entityRef: options.entityRef ?? '',
        states: (options.states ?? []).map(toRequestStateNumber),
        pageSize: options.pageSize ?? 0,
        pageToken: options.pageToken ?? '',
        readMask: options.withSteps ? ['steps'] : undefined,
        holdingId: options.holdingId ?? '',
        idempotencyKey: options.idempotencyKey ?? '',
        kind: options.kind ? toRequestKindNumber(options.kind) : 0,
        createdAfter: options.createdAfter ? new Date(options.createdAfter) : undefined,
        createdBefore: options.createdBefore ? new Date(options.createdBefore) : undefined,
      },
      { idempotent: true, ...call },
    );
    return page(response.requests.map(fromRequest), response.nextPageToken);
  }

  async *watchRequests(
    options: WatchRequestsOptions,
    call?: CallOptions,
  ): AsyncGenerator<PurserEvent, void, undefined> {
    const channel = this.#open();
    let after = options.afterSequence ?? 0;
    let lastProgress = Date.now();
    for (let attempt = 0; ; attempt++) {
      try {
        const stream = channel.stream(
          channel.provisioning.watchRequest.bind(channel.provisioning),
          {
            id: options.requestId ?? '',
            afterSequence: BigInt(after),
            follow: options.follow ?? false,
          },
          call?.signal,
        );
        for await (const { event } of stream) {
          if (event && Number(event.sequence) > after) {
            yield fromEvent(event);
            after = Number(event.sequence);
          }
          attempt = 0;
          lastProgress = Date.now();
        }
        return;
      } catch (error) {
        if (
          !isUnavailable(error) ||
          options.reconnect === false ||
          call?.signal?.aborted ||
          this.#closed ||
          Date.now() - lastProgress > channel.config.reconnectFor
        ) {
          throw error;
        }
        await pause(backoff(attempt), call?.signal);
      }
    }
  }

  async approveRequest(options: ApproveOptions, call?: CallOptions): Promise<PurserRequest> {
    const { provisioning, unary } = this.#bind();
    const response = await unary(
      provisioning.approveRequest.bind(provisioning),
      { reason: '', stepId: '', planHash: '', belongsTo: [], ...options },
      { idempotent: false, ...call },
    );
    return fromRequest(response.request);
  }

  async rejectRequest(
    options: Omit<ApproveOptions, 'planHash'>,
    call?: CallOptions,
  ): Promise<PurserRequest> {
    const { provisioning, unary } = this.#bind();
    const response = await unary(
      provisioning.rejectRequest.bind(provisioning),
      { reason: '', stepId: '', belongsTo: [], ...options },
      { idempotent: false, ...call },
    );
    return fromRequest(response.request);
  }

  async cancelRequest(options: ChangeOptions, call?: CallOptions): Promise<PurserRequest> {
    const { provisioning, unary } = this.#bind();
    const response = await unary(
      provisioning.cancelRequest.bind(provisioning),
      { reason: '', ...options },
      { idempotent: false, ...call },
    );
    return fromRequest(response.request);
  }

  async retryRequest(options: ChangeOptions, call?: CallOptions): Promise<PurserRequest> {
    const { provisioning, unary } = this.#bind();
    const response = await unary(
      provisioning.retryRequest.bind(provisioning),
      { reason: '', ...options },
      { idempotent: false, ...call },
    );
    return fromRequest(response.request);
  }

  async listBlueprints(
    options: { pageSize?: number; pageToken?: string } = {},
    call?: CallOptions,
  ) {
    const { provisioning, unary } = this.#bind();
    const response = await unary(
      provisioning.listBlueprints.bind(provisioning),
      { pageSize: options.pageSize ?? 0, pageToken: options.pageToken ?? '' },
      { idempotent: true, ...call },
    );
    return page(response.blueprints.map(fromBlueprint), response.nextPageToken);
  }

  async listResources(
    options: { entityRef: string; pageSize?: number; pageToken?: string },
    call?: CallOptions,
  ) {
    const { inventory, unary } = this.#bind();
    const response = await unary(
      inventory.listResources.bind(inventory),
      {
        entityRef: options.entityRef,
        pageSize: options.pageSize ?? 0,
        pageToken: options.pageToken ?? '',
      },
      { idempotent: true, ...call },
    );
    return page(response.resources.map(fromResource), response.nextPageToken);
  }

  async ingestCosts(options: IngestCostsOptions, call?: CallOptions) {
    const { costs, unary } = this.#bind();
    const response = await unary(
      costs.ingestCosts.bind(costs),
      {
        source: options.source,
        path: options.path,
        badRows:
          options.badRows === 'quarantine'
            ? BadRowPolicy.BAD_ROW_POLICY_QUARANTINE
            : BadRowPolicy.BAD_ROW_POLICY_REFUSE,
        columns: options.columns ?? {},
      },
      // The sidecar recognises content it has stored, so a repeat changes nothing.
      { idempotent: true, deadline: INGEST_DEADLINE_MS, ...call },
    );
    return fromIngest(response);
  }

  async queryCosts(options: QueryCostsOptions, call?: CallOptions) {
    const { costs, unary } = this.#bind();
    const response = await unary(
      costs.queryCosts.bind(costs),
      {
        fromDay: options.fromDay,
        toDay: options.toDay,
        groupBy: options.groupBy,
        filters: options.filters ?? [],
        pageSize: options.pageSize ?? 0,
        pageToken: options.pageToken ?? '',
        currency: options.currency ?? '',
      },
      { idempotent: true, ...call },
    );
    return page(response.rows.map(fromCostRow), response.nextPageToken);
  }

  async entityCosts(options: EntityCostsOptions, call?: CallOptions) {
    const { costs, unary } = this.#bind();
    const response = await unary(
      costs.getEntityCosts.bind(costs),
      { entityRef: options.entityRef, days: options.days ?? 0, asOf: options.asOf ?? '' },
      { idempotent: true, ...call },
    );
    return fromEntityCosts(response);
  }

  async listActions(call?: CallOptions): Promise<ActionDescription[]> {
    const { actions, unary } = this.#bind();
    const response = await unary(
      actions.listActions.bind(actions),
      {},
      { idempotent: true, ...call },
    );
    return response.actionsJson.map(
      text => parseJsonObject(text, 'an action') as unknown as ActionDescription,
    );
  }

  async *runAction(
    options: RunActionOptions,
    call?: CallOptions,
  ): AsyncGenerator<ActionMessage, void, undefined> {
    const channel = this.#open();
    const stream = channel.stream(
      channel.actions.runAction.bind(channel.actions),
      {
        id: options.id,
        inputJson: JSON.stringify(options.input),
        idempotencyKey: options.idempotencyKey,
        user: options.user ?? '',
        dryRun: options.dryRun ?? false,
      },
      call?.signal,
    );
    for await (const { message } of stream) {
      if (message?.$case === 'log') {
        yield { type: 'log', level: levelOf(message.value.level), text: message.value.text };
      } else if (message?.$case === 'output') {
        const value = parseJson(message.value.valueJson, `output ${message.value.name}`);
        yield { type: 'output', name: message.value.name, value: value ?? null };
      } else if (message?.$case === 'done') {
        return;
      }
    }
    throw new UnavailableError(
      `the purser sidecar ended the stream of ${options.id} without saying that it is done`,
    );
  }

  async cancelAction(
    options: { idempotencyKey: string; actor: string },
    call?: CallOptions,
  ): Promise<number> {
    const { actions, unary } = this.#bind();
    const response = await unary(actions.cancelAction.bind(actions), options, {
      idempotent: true,
      ...call,
    });
    return response.cancelled;
  }

  async listProviders(call?: CallOptions): Promise<ProviderDescription[]> {
    const { providers, unary } = this.#bind();
    const response = await unary(
      providers.listProviders.bind(providers),
      {},
      { idempotent: true, ...call },
    );
    return response.providersJson.map(
      text => parseJsonObject(text, 'a provider') as unknown as ProviderDescription,
    );
  }

  async *refreshProvider(
    options: RefreshProviderOptions,
    call?: CallOptions,
  ): AsyncGenerator<ProviderMessage, void, undefined> {
    const channel = this.#open();
    const stream = channel.stream(
      channel.providers.refreshProvider.bind(channel.providers),
      {
        id: options.id,
        instance: options.instance,
        configJson: JSON.stringify(options.config),
        position: options.position ?? '',
        follow: options.follow ?? false,
        optionsJson: JSON.stringify(options.options ?? {}),
      },
      call?.signal,
    );
    for await (const { message } of stream) {
      if (message?.$case === 'delta') {
        yield {
          type: 'delta',
          upserts: (parseJson(message.value.upsertsJson, 'entities') ?? []) as JsonObject[],
          removedRefs: message.value.removedRefs,
          position: message.value.position,
          full: message.value.full,
          fullEnd: message.value.fullEnd,
        };
      } else if (message?.$case === 'log') {
        yield { type: 'log', level: levelOf(message.value.level), text: message.value.text };
      } else if (message?.$case === 'summary') {
        const { read, added, changed, removed, heldRemovals, dropped } = message.value;
        yield {
          type: 'summary',
          summary: {
            read: Number(read),
            added: Number(added),
            changed: Number(changed),
            removed: Number(removed),
            heldRemovals: Number(heldRemovals),
            dropped: Number(dropped),
          },
        };
      }
    }
  }

  async adoptEntities(options: AdoptEntitiesOptions, call?: CallOptions): Promise<void> {
    const { catalog, unary } = this.#bind();
    await unary(
      catalog.adoptEntities.bind(catalog),
      { name: options.source, refs: options.entityRefs, more: options.more ?? false },
      { idempotent: true, ...call },
    );
  }

  async reportSource(options: ReportSourceOptions, call?: CallOptions): Promise<SourceOrders> {
    const { catalog, unary } = this.#bind();
    const { name, report } = options;
    const response = await unary(
      catalog.reportSource.bind(catalog),
      { name, round: report && toPortalRound(report) },
      { idempotent: false, deadline: REPORT_DEADLINE_MS, ...call },
    );
    return { paused: response.paused, resync: response.resync, confirm: response.confirm };
  }

  async listSources(call?: CallOptions): Promise<CatalogSource[]> {
    const { catalog, unary } = this.#bind();
    const response = await unary(
      catalog.listSources.bind(catalog),
      {},
      { idempotent: true, ...call },
    );
    return response.sources.map(fromSource);
  }

  async getSource(name: string, call?: CallOptions): Promise<CatalogSourceDetails> {
    const { catalog, unary } = this.#bind();
    const response = await unary(
      catalog.getSource.bind(catalog),
      { name },
      { idempotent: true, ...call },
    );
    return {
      ...fromSource(response.source),
      heldRefs: response.heldRefs,
      collidingRefs: response.collisions.map(({ ref, owner }) => ({ ref, owner })),
      degradedParts: response.degradedParts.map(part => ({ name: part.name, error: part.error })),
    };
  }

  async controlSource(options: ControlSourceOptions, call?: CallOptions): Promise<number> {
    const { catalog, unary } = this.#bind();
    // Each verb may be said twice.
    const response = await unary(
      catalog.controlSource.bind(catalog),
      { ...options },
      { idempotent: true, ...call },
    );
    return Number(response.released);
  }

  async health() {
    const start = performance.now();
    try {
      const { health, unary } = this.#bind();
      const serving = await unary(health.check.bind(health), '', {
        idempotent: false,
        deadline: HEALTH_DEADLINE_MS,
      });
      const latencyMs = Math.round((performance.now() - start) * 10) / 10;
      return serving
        ? { reachable: true, latencyMs }
        : { reachable: true, latencyMs, message: 'the purser sidecar says it is not serving' };
    } catch (error) {
      return { reachable: false, message: (error as Error).message };
    }
  }

  #bind() {
    const channel = this.#open();
    return {
      provisioning: channel.provisioning,
      inventory: channel.inventory,
      costs: channel.costs,
      actions: channel.actions,
      providers: channel.providers,
      catalog: channel.catalog,
      health: channel.health,
      unary: channel.unary.bind(channel) as SidecarChannel['unary'],
      stream: channel.stream.bind(channel) as SidecarChannel['stream'],
    };
  }
}
