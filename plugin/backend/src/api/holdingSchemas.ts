import { requestKinds } from '@purser/plugin-purser-common';

const text = (description: string, extra: object = {}) => ({
  type: 'string',
  description,
  ...extra,
});
const time = (description: string) => text(description, { format: 'date-time' });
const anyObject = (description: string) => ({ type: 'object', description });
const list = (items: object) => ({ type: 'array', items });

/** An object whose properties are all required but those named. */
function object(properties: Record<string, object>, optional: string[] = []) {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter(name => !optional.includes(name)),
    additionalProperties: false,
  };
}

const idempotencyKey = text('A repeat with the same key and input gives the same request.', {
  minLength: 1,
  maxLength: 200,
});
const reason = text('For the audit trail.', { maxLength: 1024 });
const validateOnly = { type: 'boolean', description: 'Plan only, store nothing.' };

/** What requests carry beyond the first ones. */
export const requestProperties = {
  kind: { type: 'string', enum: requestKinds, description: 'What it wants.' },
  holdingId: text('Of what it makes or changes.'),
  plan: anyObject(
    'Worked out before it began: changes, steps, quote, decisions, approval, expiresAfter, leaves.',
  ),
  planHash: text('What approvals are bound to.'),
  approvals: list(
    object(
      {
        stepId: text('The step; absent when it is about the request.'),
        actor: text('Entity ref.'),
        planHash: text('Of what was approved.'),
        approved: { type: 'boolean', description: 'False: rejected.' },
        reason: text('Why.'),
        at: time('When.'),
      },
      ['stepId'],
    ),
  ),
};
export const requestOptional = ['holdingId', 'plan', 'planHash', 'approvals'];

/** Parts of `components.schemas` about holdings, operators and policy. */
export const holdingSchemas = {
  Approve: object(
    {
      reason,
      step: text('The step that waits for approval; absent: the request.', { maxLength: 128 }),
      planHash: text('What was seen; refused when it is not what stands there.', {
        maxLength: 128,
      }),
    },
    ['reason', 'step', 'planHash'],
  ),
  Holding: object(
    {
      id: text('Id of the request that made it.'),
      blueprint: text('Name of the blueprint.'),
      owner: text('Entity ref of the owner.'),
      entityRef: text('Entity ref in the catalog.'),
      state: { type: 'string', enum: ['pending', 'active', 'suspended', 'deleted'] },
      currentRequest: text('The last request that succeeded.'),
      openRequest: text('The request that works on it now.'),
      environment: text('As the blueprint names it.'),
      protected: { type: 'boolean', description: 'Deleting is refused.' },
      expiresAt: time('Absent: it stays until it is deleted.'),
      parameters: anyObject('Of the current request.'),
      drift: anyObject('What the last look outside found: drifted, steps.'),
      lookedAt: time('When that was.'),
      stepIds: list(text('What deleting would undo, in that order.')),
      createdAt: time('Creation.'),
      updatedAt: time('Last change.'),
    },
    [
      'entityRef',
      'currentRequest',
      'openRequest',
      'environment',
      'expiresAt',
      'drift',
      'lookedAt',
      'stepIds',
    ],
  ),
  ChangeHolding: object(
    {
      parameters: anyObject('Merged into what it has (JSON merge patch).'),
      idempotencyKey,
      validateOnly,
    },
    ['parameters', 'idempotencyKey', 'validateOnly'],
  ),
  TransferHolding: object(
    {
      owner: text('Entity ref of the new owner.', { minLength: 1, maxLength: 512 }),
      idempotencyKey,
      validateOnly,
    },
    ['idempotencyKey', 'validateOnly'],
  ),
  AskOfHolding: object({ idempotencyKey, validateOnly }, ['idempotencyKey', 'validateOnly']),
  RenewHolding: object(
    { until: time('As long as the blueprint gives when absent.'), reason, idempotencyKey },
    ['until', 'reason', 'idempotencyKey'],
  ),
  ImportHolding: object(
    {
      blueprint: text('Name of the blueprint.', { minLength: 1, maxLength: 128 }),
      parameters: anyObject("Must satisfy the blueprint's schema."),
      imported: anyObject('Outputs of steps, as their calls would have given them, by step id.'),
      owner: text('Entity ref; absent when the blueprint derives it.', { maxLength: 512 }),
      idempotencyKey,
      validateOnly,
    },
    ['parameters', 'imported', 'owner', 'idempotencyKey', 'validateOnly'],
  ),
  StepDone: object({ outputs: anyObject('What the step gave.'), reason }, ['outputs', 'reason']),
  ForkRequest: object({ idempotencyKey, reason }, ['idempotencyKey', 'reason']),
  Orphan: object({
    holdingId: text('The holding.'),
    requestId: text('The request whose step made it.'),
    stepId: text('The step.'),
    undo: text('"connector/operation" that would take it away.'),
    outputs: anyObject('Its input.'),
    resourceIds: list(text('Id outside.')),
    owner: text('Entity ref of the owner.'),
    blueprint: text('Name of the blueprint.'),
    message: text('Why the request stands where it stands.'),
  }),
  Forgotten: object({ id: text('The holding.') }),
  Decisions: object({
    items: list(
      object(
        {
          id: text('Sorts by time.'),
          requestId: text('Absent when it was refused.'),
          requester: text('Entity ref.'),
          blueprint: text('Name of the blueprint.'),
          kind: text('What was asked.'),
          verdict: { type: 'string', enum: ['allowed', 'approval', 'refused'] },
          rules: list(anyObject('policy, rule, effect, reason.')),
          at: time('When.'),
        },
        ['requestId'],
      ),
    ),
  }),
  AuditReport: object(
    {
      events: { type: 'integer', minimum: 0, description: 'How many the trail has.' },
      forgotten: {
        type: 'integer',
        minimum: 0,
        description:
          'Rows of requests that are not kept any more: of these only the hashes are left.',
      },
      fault: text('The first row that is not as it was written; absent when all are.'),
    },
    ['fault'],
  ),
};
