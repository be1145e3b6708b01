import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '@backstage/types';
import {
  type PurserBlueprint,
  type PurserEvent,
  type PurserRequest,
  type PurserResource,
  isFinalRequestState,
  type RequestState,
  requestKinds,
} from '@purser/plugin-purser-common';
import {
  type Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import * as catalog from '../generated/purser/v1/catalog';
import * as costs from '../generated/purser/v1/costs';
import * as hosting from '../generated/purser/v1/hosting';
import * as inventory from '../generated/purser/v1/inventory';
import * as provisioning from '../generated/purser/v1/provisioning';
import { MAX_MESSAGE_BYTES } from '../sidecar/channel';
import {
  fromRequestStateNumber,
  toRequestKindNumber,
  toRequestStateNumber,
} from '../sidecar/convert';
import { TestHoldings } from './testHoldings';
import { TestStatus } from './testStatus';
import { HEALTH_CHECK_PATH } from '../sidecar/health';
import type { ActionDescription, ActionMessage, ProviderDescription } from '../types';

export { TestStatus };

/** What a test action sees. */
export interface TestActionContext {
  input: JsonObject;
  idempotencyKey: string;
  user: string;
  dryRun: boolean;
  /** Fires on CancelAction, not when the portal's stream breaks. */
  cancelled: AbortSignal;
}

export interface TestAction {
  description: ActionDescription;
  run(context: TestActionContext): AsyncIterable<ActionMessage>;
}

/** One entry of a test provider's change log. */
export interface TestDelta {
  upserts: JsonObject[];
  removedRefs: string[];
}

export interface TestProvider {
  description: ProviderDescription;
  log: TestDelta[];
}

/** Mutual TLS of a test sidecar: texts in PEM. */
export interface TestTls {
  ca: string;
  certificate: string;
  key: string;
}

export interface TestSidecarOptions {
  /** Listen on a TCP port of this machine with mutual TLS instead of a unix socket. */
  tls?: TestTls;
  blueprints?: PurserBlueprint[];
  /** Blueprints whose requests wait for approval. */
  needsApproval?: string[];
  actions?: TestAction[];
  providers?: TestProvider[];
}

/** A source as ListSources shows it. */
export function testSource(given: Partial<catalog.Source> & { name: string }): catalog.Source {
  return {
    feed: 'watch',
    host: 'sidecar',
    priority: 0n,
    active: true,
    paused: false,
    followers: 1,
    entities: 0n,
    heldRemovals: 0n,
    collisions: 0n,
    freshAt: new Date(),
    failedAt: undefined,
    error: '',
    rounds: 1n,
    failures: 0n,
    added: 0n,
    changed: 0n,
    removed: 0n,
    dropped: 0n,
    nextRoundAt: undefined,
    ...given,
  };
}

/** What a test sidecar answers about costs. */
export interface TestCostAnswers {
  topCosts?: costs.TopCostsResponse;
  compareCosts?: costs.CompareCostsResponse;
  reconcileCosts?: costs.ReconcileCostsResponse;
  explainCosts?: costs.ExplainCostsResponse;
  forecastCosts?: costs.ForecastCostsResponse;
  listBudgets?: costs.ListBudgetsResponse;
  listAnomalies?: costs.ListAnomaliesResponse;
  listCostAlerts?: costs.ListCostAlertsResponse;
  estimateCosts?: costs.EstimateCostsResponse;
  getCostStatement?: costs.GetCostStatementResponse;
  getUnitCosts?: costs.GetUnitCostsResponse;
  getCostStatus?: costs.GetCostStatusResponse;
  listCostDeliveries?: costs.ListCostDeliveriesResponse;
  diffCosts?: costs.DiffCostsResponse;
  listCostSources?: costs.ListCostSourcesResponse;
  fetchCosts?: costs.FetchCostsResponse;
  /** Instead of costRows: by the question. */
  queryCosts?(request: costs.QueryCostsRequest): costs.CostRow[];
}

type Stream<Q, S> = ServerWritableStream<Q, S>;

const fail = (code: status, details: string): never => {
  throw new TestStatus(code, details);
};

/**
 * A sidecar for tests: a real gRPC server on a unix socket that keeps the contract's promises
 * (idempotency keys, sequence numbers, states, pages) in memory. It can vanish and come back.
 */
export class TestSidecar {
  readonly folder = mkdtempSync(join(tmpdir(), 'purser-sidecar-'));
  /** With TLS only known after the start. */
  address = `unix:${join(this.folder, 'purserd.sock')}`;
  readonly requests: PurserRequest[] = [];
  readonly events: PurserEvent[] = [];
  readonly resources: PurserResource[] = [];
  readonly holdings = new TestHoldings();
  readonly costRows: costs.CostRow[] = [];
  readonly entityCosts = new Map<string, costs.GetEntityCostsResponse>();
  readonly ingested: costs.IngestCostsRequest[] = [];
  /** Answers of the cost methods beyond reading and summing, by method; empty ones when absent. */
  readonly costAnswers: TestCostAnswers = {};
  /** What those methods were asked, in order. */
  readonly costQuestions: Array<{ method: string; request: object }> = [];
  /** Names of the methods called, in order. */
  readonly calls: string[] = [];
  /** Metadata of those calls. */
  readonly metadata: Metadata[] = [];
  /** What RefreshProvider and AdoptEntities were asked. */
  readonly refreshes: hosting.RefreshProviderRequest[] = [];
  readonly adopted: catalog.AdoptEntitiesRequest[] = [];
  readonly sources: catalog.Source[] = [];
  /** What portals told of sources that they run, and what operators want of those. */
  readonly reported: catalog.ReportSourceRequest[] = [];
  orders: Partial<catalog.ReportSourceResponse> = {};
  readonly controlled: catalog.ControlSourceRequest[] = [];
  #epoch = 'e';
  readonly #options: TestSidecarOptions;
  readonly #inputs = new Map<string, string>();
  readonly #cancels = new Map<string, AbortController>();
  readonly #wakers = new Set<() => void>();
  readonly #open = new Set<{ end(): void }>();
  #failures: TestStatus[] = [];
  #server: Server | undefined;

  constructor(options: TestSidecarOptions = {}) {
    this.#options = options;
  }

  static async start(options: TestSidecarOptions = {}): Promise<TestSidecar> {
    const sidecar = new TestSidecar(options);
    await sidecar.start();
    return sidecar;
  }

  /** The configuration a portal needs to reach it. */
  config(): JsonObject {
    return {
      purser: {
        sidecar: {
          address: this.address,
          connectTimeout: { seconds: 1 },
          reconnectFor: { seconds: 10 },
        },
      },
    };
  }

  async start(): Promise<void> {
    const server = new Server({
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    });
    this.#addServices(server);
    const { tls } = this.#options;
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(
        tls && this.address.startsWith('unix:') ? '127.0.0.1:0' : this.address,
        tls
          ? ServerCredentials.createSsl(
              Buffer.from(tls.ca),
              [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) }],
              true,
            )
          : ServerCredentials.createInsecure(),
        (error, bound) => (error ? reject(error) : resolve(bound)),
      ),
    );
    if (tls) {
      this.address = `127.0.0.1:${port}`;
    }
    this.#server = server;
  }

  /** Vanishes as a killed process does: streams break, the socket is gone, the memory stays. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#wake();
  }

  /** The end: also removes the socket's folder. */
  stop(): void {
    this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The next calls end with these, one each. */
  failNext(...failures: TestStatus[]): void {
    this.#failures.push(...failures);
  }

  /** Begins anew with an empty store, as after a lost disk: sequence numbers start again. */
  wipe(): void {
    this.requests.length = 0;
    this.events.length = 0;
    this.#inputs.clear();
    this.#wake();
  }

  emit(requestId: string, type: string, message = '', stepId?: string, data?: object): void {
    this.events.push({
      sequence: this.events.length + 1,
      requestId,
      type,
      message,
      ...(stepId ? { stepId } : {}),
      ...(data ? { data: data as JsonObject } : {}),
      at: new Date().toISOString(),
    });
    const request = this.requests.find(({ id }) => id === requestId);
    if (request) {
      request.sequence = this.events.length;
      request.updatedAt = new Date().toISOString();
    }
    this.#wake();
  }

  /** Moves a request to a state and tells it as the engine does. */
  move(id: string, state: RequestState, message = ''): PurserRequest {
    const request = this.#find(id);
    request.state = state;
    request.message = message;
    this.emit(id, `request.${state}`, message);
    return request;
  }

  /** Loses the change log of a provider, as a sidecar does whose store is gone. */
  loseLog(providerId: string, log: TestDelta[]): void {
    this.#provider(providerId).log = log;
    this.#epoch += 'x';
  }

  /** Appends to a provider's change log. */
  publish(providerId: string, delta: TestDelta): void {
    this.#provider(providerId).log.push(delta);
    this.#wake();
  }

  #provider(id: string): TestProvider {
    return (
      this.#options.providers?.find(({ description }) => description.id === id) ??
      fail(status.NOT_FOUND, `provider ${id} is unknown`)
    );
  }

  #source(name: string): catalog.Source {
    return (
      this.sources.find(source => source.name === name) ??
      fail(status.NOT_FOUND, `source ${name}: not known`)
    );
  }

  #find(id: string): PurserRequest {
    return (
      this.requests.find(request => request.id === id) ??
      fail(status.NOT_FOUND, `request ${id} is unknown`)
    );
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) {
      waker();
    }
  }

  async #changed(cancelled: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const done = () => {
        this.#wakers.delete(done);
        cancelled.removeEventListener('abort', done);
        resolve();
      };
      this.#wakers.add(done);
      cancelled.addEventListener('abort', done, { once: true });
    });
  }

  #create(request: provisioning.CreateRequestRequest): PurserRequest {
    const blueprint =
      this.#options.blueprints?.find(
        ({ name }) =>
          name ===
          (request.holdingId ? this.holdings.find(request.holdingId).blueprint : request.blueprint),
      ) ?? fail(status.NOT_FOUND, `blueprint ${request.blueprint} is unknown`);
    const parameters = JSON.parse(request.parametersJson) as JsonObject;
    const required = (blueprint.parametersSchema.required ?? []) as string[];
    const missing = required.filter(name => !(name in parameters));
    if (missing.length > 0 && !request.holdingId) {
      fail(status.INVALID_ARGUMENT, missing.map(name => `/${name}: is required`).join('; '));
    }
    const input = JSON.stringify([request.blueprint, parameters, request.owner]);
    const known = this.requests.find(
      ({ idempotencyKey }) => idempotencyKey !== '' && idempotencyKey === request.idempotencyKey,
    );
    if (known) {
      return this.#inputs.get(known.id) === input
        ? known
        : fail(
            status.ALREADY_EXISTS,
            `key ${request.idempotencyKey} belongs to request ${known.id} with another input`,
          );
    }
    const now = new Date().toISOString();
    const number = this.requests.length + 1;
    // Asking again for what is there is a change of it.
    const there = this.holdings.holdings.find(
      holding =>
        !request.holdingId &&
        holding.blueprint === blueprint.name &&
        holding.entityRef === `resource:default/${String(parameters.name)}`,
    );
    const created: PurserRequest = {
      id: `req_${String(number).padStart(6, '0')}`,
      runId: `run_${number}`,
      blueprint: blueprint.name,
      blueprintHash: blueprint.hash,
      idempotencyKey: request.idempotencyKey,
      requester: request.requester,
      owner: request.owner || String(parameters.owner ?? ''),
      entityRef: `resource:default/${blueprint.name}-${number}`,
      kind: there ? 'change' : fromRequestKind(request.kind),
      holdingId: there?.id ?? (request.holdingId || `req_${String(number).padStart(6, '0')}`),
      parameters,
      state: this.#options.needsApproval?.includes(blueprint.name) ? 'waiting-approval' : 'running',
      message: '',
      outputs: {},
      steps: blueprint.stepIds.map(id => ({
        id,
        uses: 'core/noop',
        state: 'pending',
        attempts: 0,
        message: '',
      })),
      createdAt: now,
      updatedAt: now,
      sequence: 0,
    };
    if (!request.validateOnly) {
      this.requests.push(created);
      this.#inputs.set(created.id, input);
      this.emit(created.id, 'request.created');
    }
    return created;
  }

  #list(request: provisioning.ListRequestsRequest): provisioning.ListRequestsResponse {
    const states = request.states.map(fromRequestStateNumber);
    const matching = [...this.requests]
      .reverse()
      .filter(
        item =>
          (!request.owner || item.owner === request.owner) &&
          (!request.requester || item.requester === request.requester) &&
          (!request.blueprint || item.blueprint === request.blueprint) &&
          (!request.entityRef || item.entityRef === request.entityRef) &&
          (states.length === 0 || states.includes(item.state)),
      );
    // As the real one, a page goes on behind an item, not behind a count.
    const start = request.pageToken
      ? matching.findIndex(({ id }) => id === request.pageToken) + 1
      : 0;
    const size = request.pageSize || 50;
    const items = matching.slice(start, start + size);
    return {
      requests: items.map(item => toMessage(item, request.readMask?.includes('steps'))),
      nextPageToken: start + size < matching.length ? items[items.length - 1].id : '',
    };
  }

  #change(
    id: string,
    from: RequestState[],
    state: RequestState,
  ): { request: provisioning.Request } {
    const request = this.#find(id);
    if (!from.includes(request.state)) {
      fail(status.FAILED_PRECONDITION, `request ${id} is ${request.state}`);
    }
    return { request: toMessage(this.move(id, state), true) };
  }

  async #watch(
    call: Stream<provisioning.WatchRequestRequest, provisioning.WatchRequestResponse>,
    gone: AbortSignal,
  ): Promise<void> {
    const { id, follow } = call.request;
    if (id) {
      this.#find(id);
    }
    let after = Number(call.request.afterSequence);
    for (;;) {
      for (const event of this.events.slice(after)) {
        after = event.sequence;
        if (!id || event.requestId === id) {
          call.write({
            event: {
              sequence: BigInt(event.sequence),
              requestId: event.requestId,
              stepId: event.stepId ?? '',
              type: event.type,
              message: event.message,
              dataJson: event.data ? JSON.stringify(event.data) : '',
              at: new Date(event.at),
            },
          });
        }
      }
      if (!follow || gone.aborted || (id && isFinalRequestState(this.#find(id).state))) {
        return;
      }
      await this.#changed(gone);
    }
  }

  async #runAction(
    call: Stream<hosting.RunActionRequest, hosting.RunActionResponse>,
    gone: AbortSignal,
  ): Promise<void> {
    const { id, inputJson, idempotencyKey, user, dryRun } = call.request;
    const action =
      this.#options.actions?.find(({ description }) => description.id === id) ??
      fail(status.NOT_FOUND, `action ${id} is unknown`);
    const cancel = new AbortController();
    this.#cancels.set(idempotencyKey, cancel);
    const input = JSON.parse(inputJson) as JsonObject;
    for await (const message of action.run({
      input,
      idempotencyKey,
      user,
      dryRun,
      cancelled: cancel.signal,
    })) {
      if (gone.aborted) {
        return;
      }
      call.write({
        message:
          message.type === 'log'
            ? { $case: 'log', value: { level: message.level, text: message.text } }
            : {
                $case: 'output',
                value: { name: message.name, valueJson: JSON.stringify(message.value) },
              },
      });
    }
    call.write({ message: { $case: 'done', value: {} } });
  }

  async #refresh(
    call: Stream<hosting.RefreshProviderRequest, hosting.RefreshProviderResponse>,
    gone: AbortSignal,
  ): Promise<void> {
    const provider = this.#provider(call.request.id);
    this.refreshes.push(call.request);
    const [epoch, number] = call.request.position.split('/');
    let full = epoch !== this.#epoch;
    let position = full ? 0 : Number(number);
    const start = position;
    for (;;) {
      const deltas = provider.log.slice(position);
      deltas.forEach((delta, index) => {
        position++;
        const fullEnd = full && index === deltas.length - 1;
        call.write({
          message: {
            $case: 'delta',
            value: {
              upsertsJson: JSON.stringify(delta.upserts),
              removedRefs: delta.removedRefs,
              position: `${this.#epoch}/${position}${full && !fullEnd ? '/full' : ''}`,
              full,
              fullEnd,
            },
          },
        });
      });
      full &&= deltas.length === 0;
      if (!call.request.follow || gone.aborted) {
        break;
      }
      await this.#changed(gone);
    }
    call.write({
      message: {
        $case: 'summary',
        value: {
          read: BigInt(position - start),
          added: BigInt(position - start),
          changed: 0n,
          removed: 0n,
          heldRemovals: 0n,
          dropped: 0n,
        },
      },
    });
  }

  #begin(name: string, metadata: Metadata): void {
    this.calls.push(name);
    this.metadata.push(metadata);
    const failure = this.#failures.shift();
    if (failure) {
      throw failure;
    }
  }

  /** The methods of costs that answer what a test says. */
  #costMeaning() {
    const answers = this.costAnswers;
    const method = <Q extends object, S extends object>(
      name: keyof TestCostAnswers,
      answer: () => S,
    ) =>
      this.#unary<Q, S>(`${name[0].toUpperCase()}${name.slice(1)}`, request => {
        this.costQuestions.push({ method: name, request });
        return answer();
      });
    return {
      topCosts: method<costs.TopCostsRequest, costs.TopCostsResponse>(
        'topCosts',
        () => answers.topCosts ?? { rows: [], rest: [], total: [] },
      ),
      compareCosts: method<costs.CompareCostsRequest, costs.CompareCostsResponse>(
        'compareCosts',
        () => answers.compareCosts ?? { rows: [] },
      ),
      reconcileCosts: method<costs.ReconcileCostsRequest, costs.ReconcileCostsResponse>(
        'reconcileCosts',
        () => answers.reconcileCosts ?? { invoices: [] },
      ),
      explainCosts: method<costs.ExplainCostsRequest, costs.ExplainCostsResponse>(
        'explainCosts',
        () => answers.explainCosts ?? { entityRef: '', rule: '', rules: [], parts: [] },
      ),
      forecastCosts: method<costs.ForecastCostsRequest, costs.ForecastCostsResponse>(
        'forecastCosts',
        () => answers.forecastCosts ?? { forecasts: [], lastDay: '' },
      ),
      listBudgets: method<costs.ListBudgetsRequest, costs.ListBudgetsResponse>(
        'listBudgets',
        () => answers.listBudgets ?? { budgets: [] },
      ),
      listAnomalies: method<costs.ListAnomaliesRequest, costs.ListAnomaliesResponse>(
        'listAnomalies',
        () => answers.listAnomalies ?? { anomalies: [], day: '' },
      ),
      listCostAlerts: this.#unary<costs.ListCostAlertsRequest, costs.ListCostAlertsResponse>(
        'ListCostAlerts',
        ({ afterSequence }) => ({
          alerts: (answers.listCostAlerts?.alerts ?? []).filter(
            ({ sequence }) => sequence > afterSequence,
          ),
        }),
      ),
      estimateCosts: method<costs.EstimateCostsRequest, costs.EstimateCostsResponse>(
        'estimateCosts',
        () =>
          answers.estimateCosts ?? {
            product: '',
            currency: '',
            monthly: '0',
            lines: [],
            observed: [],
          },
      ),
      getCostStatement: method<costs.GetCostStatementRequest, costs.GetCostStatementResponse>(
        'getCostStatement',
        () => answers.getCostStatement ?? { text: '', mediaType: 'text/csv; charset=utf-8' },
      ),
      getUnitCosts: method<costs.GetUnitCostsRequest, costs.GetUnitCostsResponse>(
        'getUnitCosts',
        () => answers.getUnitCosts ?? { months: [] },
      ),
      putCostGraph: this.#unary<costs.PutCostGraphRequest, costs.PutCostGraphResponse>(
        'PutCostGraph',
        request => {
          this.costQuestions.push({ method: 'putCostGraph', request });
          return {};
        },
      ),
      getCostStatus: this.#unary<costs.GetCostStatusRequest, costs.GetCostStatusResponse>(
        'GetCostStatus',
        () => answers.getCostStatus ?? { firstDay: '', lastDay: '', dataVersion: 0n },
      ),
      listCostDeliveries: method<costs.ListCostDeliveriesRequest, costs.ListCostDeliveriesResponse>(
        'listCostDeliveries',
        () => answers.listCostDeliveries ?? { deliveries: [] },
      ),
      diffCosts: method<costs.DiffCostsRequest, costs.DiffCostsResponse>('diffCosts', () => {
        const delivery: costs.CostDelivery = {
          id: 1n,
          source: 'aws',
          billingPeriod: '2026-11-01',
          at: '2026-11-20T00:00:00+00:00',
          sha256: '',
          rows: 0n,
          totals: [],
          current: true,
          comparable: true,
        };
        return answers.diffCosts ?? { before: delivery, after: delivery, changes: [] };
      }),
      listCostSources: method<costs.ListCostSourcesRequest, costs.ListCostSourcesResponse>(
        'listCostSources',
        () => answers.listCostSources ?? { sources: [] },
      ),
      fetchCosts: method<costs.FetchCostsRequest, costs.FetchCostsResponse>(
        'fetchCosts',
        () => answers.fetchCosts ?? { source: undefined },
      ),
    };
  }

  #unary<Q, S>(name: string, handler: (request: Q) => S) {
    return (call: ServerUnaryCall<Q, S>, callback: sendUnaryData<S>) => {
      try {
        this.#begin(name, call.metadata);
        callback(null, handler(call.request));
      } catch (error) {
        callback(statusOf(error));
      }
    };
  }

  #streaming<Q, S>(
    name: string,
    handler: (call: Stream<Q, S>, gone: AbortSignal) => Promise<void>,
  ) {
    return (call: Stream<Q, S>) => {
      const gone = new AbortController();
      const end = { end: () => gone.abort() };
      this.#open.add(end);
      call.on('cancelled', () => gone.abort());
      const run = async () => {
        this.#begin(name, call.metadata);
        await handler(call, gone.signal);
      };
      run()
        .then(
          () => call.end(),
          error => call.emit('error', statusOf(error)),
        )
        .finally(() => this.#open.delete(end));
    };
  }

  #addServices(server: Server): void {
    server.addService(provisioning.ProvisioningServiceService, {
      createRequest: this.#unary('CreateRequest', request => ({
        request: toMessage(this.#create(request), true),
      })),
      getRequest: this.#unary('GetRequest', ({ id }) => ({
        request: toMessage(this.#find(id), true),
      })),
      listRequests: this.#unary('ListRequests', request => this.#list(request)),
      watchRequest: this.#streaming('WatchRequest', (call, gone) => this.#watch(call, gone)),
      approveRequest: this.#unary('ApproveRequest', ({ id }) =>
        this.#change(id, ['waiting-approval'], 'running'),
      ),
      cancelRequest: this.#unary('CancelRequest', ({ id }) =>
        this.#change(id, ['waiting-approval', 'running', 'waiting'], 'cancelled'),
      ),
      retryRequest: this.#unary('RetryRequest', ({ id }) =>
        this.#change(id, ['failed', 'needs-operator'], 'running'),
      ),
      rejectRequest: this.#unary('RejectRequest', ({ id }) =>
        this.#change(id, ['waiting-approval'], 'cancelled'),
      ),
      settleStep: this.#unary('SettleStep', request => {
        this.holdings.asked.push({ method: 'SettleStep', request });
        return { request: toMessage(this.#find(request.id), true) };
      }),
      deliverMessage: this.#unary('DeliverMessage', request => this.holdings.deliver(request)),
      getHolding: this.#unary('GetHolding', ({ id }) => ({ holding: this.holdings.find(id) })),
      listHoldings: this.#unary('ListHoldings', request => this.holdings.list(request)),
      controlHolding: this.#unary('ControlHolding', request => this.holdings.control(request)),
      listOrphans: this.#unary('ListOrphans', () => ({
        orphans: this.holdings.orphans,
        nextPageToken: '',
      })),
      forgetOrphan: this.#unary('ForgetOrphan', request => this.holdings.forgetOrphan(request)),
      listDecisions: this.#unary('ListDecisions', () => ({ decisions: this.holdings.decisions })),
      verifyAudit: this.#unary('VerifyAudit', () => ({
        events: BigInt(this.requests.length),
        fault: this.holdings.auditFault,
        forgotten: 0n,
      })),
      getBlueprint: this.#unary('GetBlueprint', ({ nameOrHash }) => ({
        bodyJson: JSON.stringify({ metadata: { name: nameOrHash } }),
      })),
      checkBlueprint: this.#unary('CheckBlueprint', () => ({ faults: [] })),
      listBlueprints: this.#unary('ListBlueprints', ({ pageSize, pageToken }) => {
        const start = Number(pageToken || 0);
        const end = start + (pageSize || 100);
        const all = this.#options.blueprints ?? [];
        return {
          blueprints: all.slice(start, end).map(blueprint => ({
            name: blueprint.name,
            title: blueprint.title,
            description: blueprint.description,
            hash: blueprint.hash,
            parametersSchemaJson: JSON.stringify(blueprint.parametersSchema),
            stepIds: blueprint.stepIds,
          })),
          nextPageToken: end < all.length ? String(end) : '',
        };
      }),
    } satisfies provisioning.ProvisioningServiceServer);
    server.addService(inventory.InventoryServiceService, {
      listResources: this.#unary('ListResources', ({ entityRef }) => ({
        resources: this.resources
          .filter(resource => resource.entityRef === entityRef)
          .map(({ attributes, ...resource }) => ({
            ...resource,
            attributesJson: JSON.stringify(attributes),
          })),
        nextPageToken: '',
      })),
      streamEntities: this.#streaming('StreamEntities', async () => undefined),
    } satisfies inventory.InventoryServiceServer);
    server.addService(costs.CostServiceService, {
      ingestCosts: this.#unary('IngestCosts', request => {
        this.ingested.push(request);
        return {
          unchanged: false,
          rowsRead: 2n,
          rowsStored: 2n,
          rowsQuarantined: 0n,
          roundedNumbers: 0n,
          totals: [],
          quarantinePath: '',
          problems: [],
        };
      }),
      queryCosts: this.#unary('QueryCosts', request => {
        this.costQuestions.push({ method: 'queryCosts', request });
        return {
          rows: this.costAnswers.queryCosts?.(request) ?? this.costRows,
          nextPageToken: '',
        };
      }),
      getEntityCosts: this.#unary(
        'GetEntityCosts',
        ({ entityRef }) =>
          this.entityCosts.get(entityRef) ?? { entityRef, fromDay: '', toDay: '', costs: [] },
      ),
      ...this.#costMeaning(),
    } satisfies costs.CostServiceServer);
    server.addService(hosting.ActionServiceService, {
      listActions: this.#unary('ListActions', () => ({
        actionsJson: (this.#options.actions ?? []).map(({ description }) =>
          JSON.stringify(description),
        ),
      })),
      runAction: this.#streaming('RunAction', (call, gone) => this.#runAction(call, gone)),
      cancelAction: this.#unary('CancelAction', ({ idempotencyKey }) => {
        const running = this.#cancels.get(idempotencyKey);
        running?.abort();
        return { cancelled: running ? 1 : 0 };
      }),
    } satisfies hosting.ActionServiceServer);
    server.addService(hosting.ProviderServiceService, {
      listProviders: this.#unary('ListProviders', () => ({
        providersJson: (this.#options.providers ?? []).map(({ description }) =>
          JSON.stringify(description),
        ),
      })),
      refreshProvider: this.#streaming('RefreshProvider', (call, gone) =>
        this.#refresh(call, gone),
      ),
    } satisfies hosting.ProviderServiceServer);
    server.addService(catalog.CatalogServiceService, {
      listSources: this.#unary('ListSources', () => ({ sources: this.sources })),
      getSource: this.#unary('GetSource', ({ name }) => ({
        source: this.#source(name),
        heldRefs: ['component:default/held'],
        collisions: [{ ref: 'component:default/shared', owner: 'kubernetes/other' }],
        degradedParts: [{ name: 'cluster-b', error: 'refused' }],
      })),
      controlSource: this.#unary('ControlSource', request => {
        this.#source(request.name).paused = request.verb === 'pause';
        this.controlled.push(request);
        return { released: request.verb === 'confirm' ? 7n : 0n };
      }),
      adoptEntities: this.#unary('AdoptEntities', request => {
        this.adopted.push(request);
        return {};
      }),
      reportSource: this.#unary('ReportSource', request => {
        this.reported.push(request);
        const orders = { paused: false, resync: false, confirm: false, ...this.orders };
        if (!request.round) {
          this.orders.confirm = false;
        }
        return orders;
      }),
    } satisfies catalog.CatalogServiceServer);
    server.addService(
      {
        check: {
          path: HEALTH_CHECK_PATH,
          requestStream: false,
          responseStream: false,
          requestSerialize: (value: Buffer) => value,
          requestDeserialize: (value: Buffer) => value,
          responseSerialize: (value: Buffer) => value,
          responseDeserialize: (value: Buffer) => value,
        },
      },
      // HealthCheckResponse { status: SERVING }
      { check: this.#unary<Buffer, Buffer>('Check', () => Buffer.from([8, 1])) },
    );
  }
}

function statusOf(error: unknown): { code: status; details: string } {
  return error instanceof TestStatus
    ? { code: error.code, details: error.details }
    : { code: status.INTERNAL, details: String(error) };
}

const fromRequestKind = (number: provisioning.RequestKind) => requestKinds[Math.max(number, 1) - 1];

function toMessage(request: PurserRequest, withSteps = false): provisioning.Request {
  return {
    id: request.id,
    runId: request.runId,
    blueprint: request.blueprint,
    blueprintHash: request.blueprintHash,
    idempotencyKey: request.idempotencyKey,
    requester: request.requester,
    owner: request.owner,
    entityRef: request.entityRef ?? '',
    parametersJson: JSON.stringify(request.parameters),
    state: toRequestStateNumber(request.state),
    message: request.message,
    outputsJson: JSON.stringify(request.outputs),
    steps: withSteps
      ? (request.steps ?? []).map(step => ({
          id: step.id,
          uses: step.uses,
          state: provisioning.StepState.STEP_STATE_PENDING,
          attempts: step.attempts,
          message: step.message,
          outputsJson: '',
          startedAt: undefined,
          endedAt: undefined,
        }))
      : [],
    createdAt: new Date(request.createdAt),
    updatedAt: new Date(request.updatedAt),
    sequence: BigInt(request.sequence),
    kind: toRequestKindNumber(request.kind),
    holdingId: request.holdingId ?? '',
    planJson: request.plan ? JSON.stringify(request.plan) : '',
    planHash: request.planHash ?? '',
    approvals: [],
  };
}

/** Resolves when `condition` holds; looks again after every macrotask for at most `timeout` ms. */
export async function until(condition: () => boolean, timeout = 10_000): Promise<void> {
  const end = Date.now() + timeout;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(`did not happen within ${timeout} ms: ${condition}`);
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** SHA-256 in hexadecimal, as blueprints carry it. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A blueprint for tests: one required parameter `name`. */
export function testBlueprint(name: string, overrides: Partial<PurserBlueprint> = {}) {
  return {
    name,
    title: `The ${name}`,
    description: `Makes a ${name}.`,
    hash: sha256(name),
    parametersSchema: {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, owner: { type: 'string' } },
    },
    stepIds: ['first', 'second'],
    ...overrides,
  } satisfies PurserBlueprint;
}

export { status as grpcStatus };
