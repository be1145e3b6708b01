import {
  type AuditReport,
  type Page,
  type PolicyDecision,
  purserHoldingManagePermission,
  purserOperatePermission,
  purserRequestCreatePermission,
  purserRequestReadPermission,
  type PurserHolding,
  type PurserOrphan,
  type PurserRequest,
  type RequestKind,
} from '@purser/plugin-purser-common';
import type { ListHoldingsOptions } from '@purser/plugin-purser-node';
import type { JsonObject } from '@backstage/types';
import { randomUUID } from 'node:crypto';
import type { Access, Operation, OperationContext } from '../operations';

export interface HoldingInput {
  id: string;
}

/** What somebody wants of a holding; `kind` comes from the path. */
export interface HoldingRequestInput extends HoldingInput {
  parameters?: JsonObject;
  owner?: string;
  idempotencyKey?: string;
  validateOnly?: boolean;
}

export interface RenewInput extends HoldingInput {
  until?: string;
  reason?: string;
  idempotencyKey?: string;
}

export interface StepInput {
  id: string;
  step: string;
  reason?: string;
  outputs?: JsonObject;
  idempotencyKey?: string;
}

export interface ImportInput {
  blueprint: string;
  parameters?: JsonObject;
  imported?: JsonObject;
  owner?: string;
  idempotencyKey?: string;
  validateOnly?: boolean;
}

// The audit trail of the sidecar must name somebody, also when a service acts.
const SERVICE_ACTOR = 'component:default/backstage';

const onHolding = (
  permission: typeof purserHoldingManagePermission | typeof purserRequestReadPermission,
): Access => ({ kind: 'holding', permission });
const operate: Access = { kind: 'permission', permission: purserOperatePermission };

function operation<TInput, TOutput>(definition: Operation<TInput, TOutput>) {
  return definition;
}

/** A request about a holding. */
const asks = (kind: RequestKind, severity: 'medium' | 'high') =>
  operation<HoldingRequestInput, PurserRequest>({
    access: onHolding(purserHoldingManagePermission),
    audit: { severity },
    run: ({ purser, user = SERVICE_ACTOR, signal }, input) =>
      purser.sidecar.createRequest(
        {
          kind,
          holdingId: input.id,
          blueprint: '',
          parameters: input.parameters ?? {},
          owner: input.owner,
          requester: user,
          idempotencyKey: input.idempotencyKey ?? `rest/${randomUUID()}`,
          validateOnly: input.validateOnly,
        },
        { signal },
      ),
  });

const controls = (verb: 'renew' | 'protect' | 'unprotect' | 'inspect') =>
  operation<RenewInput, PurserHolding>({
    access: onHolding(purserHoldingManagePermission),
    audit: { severity: verb === 'unprotect' ? 'high' : 'medium' },
    run: ({ purser, user = SERVICE_ACTOR, signal }, input) =>
      purser.sidecar.holdings.control({ ...input, verb, actor: user }, { signal }),
  });

const settles = (verb: 'skip' | 'done' | 'fork') =>
  operation<StepInput, PurserRequest>({
    access: operate,
    audit: { severity: 'high' },
    run: ({ purser, user = SERVICE_ACTOR }, { id, step, ...rest }) =>
      purser.sidecar.holdings.settleStep({ id, stepId: step, verb, actor: user, ...rest }),
  });

/** A request that stands for a holding where a rule of the permission framework judges. */
export function standsFor(holding: PurserHolding): PurserRequest {
  return {
    id: holding.currentRequest ?? holding.id,
    holdingId: holding.id,
    runId: '',
    blueprint: holding.blueprint,
    blueprintHash: '',
    idempotencyKey: '',
    // Who asked for it once has no say when it belongs to others now.
    requester: '',
    owner: holding.owner,
    kind: 'create',
    parameters: holding.parameters,
    state: 'succeeded',
    message: '',
    outputs: {},
    createdAt: holding.createdAt,
    updatedAt: holding.updatedAt,
    sequence: 0,
  };
}

/** What owners do with what they have, and operators with what went wrong. */
export const holdingOperations = {
  listHoldings: operation<ListHoldingsOptions, Page<PurserHolding>>({
    access: { kind: 'filtered', permission: purserRequestReadPermission },
    run: async ({ purser, signal, isVisible }: OperationContext, input) => {
      const page = await purser.sidecar.holdings.list(input, { signal });
      return { ...page, items: page.items.filter(holding => isVisible(standsFor(holding))) };
    },
  }),
  getHolding: operation<HoldingInput, PurserHolding>({
    access: onHolding(purserRequestReadPermission),
    run: ({ purser, signal }, { id }) => purser.sidecar.holdings.get(id, { signal }),
  }),
  changeHolding: asks('change', 'medium'),
  transferHolding: asks('transfer', 'high'),
  suspendHolding: asks('suspend', 'medium'),
  resumeHolding: asks('resume', 'medium'),
  repairHolding: asks('repair', 'medium'),
  deleteHolding: asks('delete', 'high'),
  importHolding: operation<ImportInput, PurserRequest>({
    access: { kind: 'permission', permission: purserRequestCreatePermission },
    audit: { severity: 'medium' },
    run: ({ purser, user = SERVICE_ACTOR, signal }, input) =>
      purser.sidecar.createRequest(
        {
          kind: 'import',
          blueprint: input.blueprint,
          parameters: input.parameters ?? {},
          imported: input.imported,
          owner: input.owner,
          requester: user,
          idempotencyKey: input.idempotencyKey ?? `rest/${randomUUID()}`,
          validateOnly: input.validateOnly,
        },
        { signal },
      ),
  }),
  renewHolding: controls('renew'),
  protectHolding: controls('protect'),
  unprotectHolding: controls('unprotect'),
  inspectHolding: controls('inspect'),

  skipStep: settles('skip'),
  markStepDone: settles('done'),
  forkRequest: settles('fork'),
  listOrphans: operation<{ pageSize?: number; pageToken?: string }, Page<PurserOrphan>>({
    access: operate,
    run: ({ purser, signal }, input) => purser.sidecar.holdings.listOrphans(input, { signal }),
  }),
  forgetOrphan: operation<StepInput, { id: string }>({
    access: operate,
    audit: { severity: 'high' },
    run: async ({ purser, user = SERVICE_ACTOR }, { id, step, reason }) => {
      await purser.sidecar.holdings.forgetOrphan({
        holdingId: id,
        stepId: step,
        reason,
        actor: user,
      });
      return { id };
    },
  }),
  listDecisions: operation<{ limit?: number }, { items: PolicyDecision[] }>({
    access: operate,
    run: async ({ purser, signal }, input) => ({
      items: await purser.sidecar.holdings.listDecisions(input, { signal }),
    }),
  }),
  verifyAudit: operation<object, AuditReport>({
    access: operate,
    run: ({ purser, signal }) => purser.sidecar.holdings.verifyAudit({ signal }),
  }),
};
