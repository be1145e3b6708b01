import type { JsonObject } from '@backstage/types';
import { status } from '@grpc/grpc-js';
import {
  type PurserBlueprint,
  type PurserEvent,
  type PurserRequest,
  isFinalRequestState,
  type RequestState,
  requestKinds,
} from '@purser/plugin-purser-common';
import * as provisioning from '../generated/purser/v1/provisioning';
import {
  fromRequestStateNumber,
  toRequestKindNumber,
  toRequestStateNumber,
} from '../sidecar/convert';
import { fail, type TestCalls, type TestStream } from './testCalls';
import { TestHoldings } from './testHoldings';

/** Requests of a test sidecar, their events, and what comes of them. */
export class TestRequests {
  readonly requests: PurserRequest[] = [];
  readonly events: PurserEvent[] = [];
  readonly holdings = new TestHoldings();
  readonly #calls: TestCalls;
  readonly #blueprints: PurserBlueprint[];
  readonly #needsApproval: string[];
  readonly #inputs = new Map<string, string>();

  constructor(calls: TestCalls, blueprints: PurserBlueprint[], needsApproval: string[]) {
    this.#calls = calls;
    this.#blueprints = blueprints;
    this.#needsApproval = needsApproval;
  }

  /** Begins anew with an empty store, as after a lost disk: sequence numbers start again. */
  wipe(): void {
    this.requests.length = 0;
    this.events.length = 0;
    this.#inputs.clear();
    this.#calls.wake();
  }

  /** Appends an event, as the engine does with every change. */
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
    this.#calls.wake();
  }

  /** Moves a request to a state and tells it as the engine does. */
  move(id: string, state: RequestState, message = ''): PurserRequest {
    const request = this.#find(id);
    request.state = state;
    request.message = message;
    this.emit(id, `request.${state}`, message);
    return request;
  }

  service(): provisioning.ProvisioningServiceServer {
    return {
      createRequest: this.#calls.unary('CreateRequest', request => ({
        request: toMessage(this.#create(request), true),
      })),
      getRequest: this.#calls.unary('GetRequest', ({ id }) => ({
        request: toMessage(this.#find(id), true),
      })),
      listRequests: this.#calls.unary('ListRequests', request => this.#list(request)),
      watchRequest: this.#calls.streaming('WatchRequest', (call, gone) => this.#watch(call, gone)),
      approveRequest: this.#calls.unary('ApproveRequest', ({ id }) =>
        this.#change(id, ['waiting-approval'], 'running'),
      ),
      cancelRequest: this.#calls.unary('CancelRequest', ({ id }) =>
        this.#change(id, ['waiting-approval', 'running', 'waiting'], 'cancelled'),
      ),
      retryRequest: this.#calls.unary('RetryRequest', ({ id }) =>
        this.#change(id, ['failed', 'needs-operator'], 'running'),
      ),
      rejectRequest: this.#calls.unary('RejectRequest', ({ id }) =>
        this.#change(id, ['waiting-approval'], 'cancelled'),
      ),
      settleStep: this.#calls.unary('SettleStep', request => {
        this.holdings.asked.push({ method: 'SettleStep', request });
        return { request: toMessage(this.#find(request.id), true) };
      }),
      deliverMessage: this.#calls.unary('DeliverMessage', request =>
        this.holdings.deliver(request),
      ),
      getHolding: this.#calls.unary('GetHolding', ({ id }) => ({
        holding: this.holdings.find(id),
      })),
      listHoldings: this.#calls.unary('ListHoldings', request => this.holdings.list(request)),
      controlHolding: this.#calls.unary('ControlHolding', request =>
        this.holdings.control(request),
      ),
      listOrphans: this.#calls.unary('ListOrphans', () => ({
        orphans: this.holdings.orphans,
        nextPageToken: '',
      })),
      forgetOrphan: this.#calls.unary('ForgetOrphan', request =>
        this.holdings.forgetOrphan(request),
      ),
      listDecisions: this.#calls.unary('ListDecisions', () => ({
        decisions: this.holdings.decisions,
      })),
      verifyAudit: this.#calls.unary('VerifyAudit', () => ({
        events: BigInt(this.requests.length),
        fault: this.holdings.auditFault,
        forgotten: 0n,
      })),
      getBlueprint: this.#calls.unary('GetBlueprint', ({ nameOrHash }) => ({
        bodyJson: JSON.stringify({ metadata: { name: nameOrHash } }),
      })),
      checkBlueprint: this.#calls.unary('CheckBlueprint', () => ({ faults: [] })),
      listBlueprints: this.#calls.unary('ListBlueprints', ({ pageSize, pageToken }) => {
        const start = Number(pageToken || 0);
        const end = start + (pageSize || 100);
        const all = this.#blueprints;
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
    };
  }

  #find(id: string): PurserRequest {
    return (
      this.requests.find(request => request.id === id) ??
      fail(status.NOT_FOUND, `request ${id} is unknown`)
    );
  }

  #create(request: provisioning.CreateRequestRequest): PurserRequest {
    const blueprint =
      this.#blueprints.find(
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
      state: this.#needsApproval.includes(blueprint.name) ? 'waiting-approval' : 'running',
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
    call: TestStream<provisioning.WatchRequestRequest, provisioning.WatchRequestResponse>,
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
      await this.#calls.changed(gone);
    }
  }
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
