import { costDimensions, requestStates } from '@purser/plugin-purser-common';
import { costSchemas } from './costSchemas';
import { holdingSchemas, requestOptional, requestProperties } from './holdingSchemas';

const text = (description: string, extra: object = {}) => ({
  type: 'string',
  description,
  ...extra,
});
const time = (description: string) => text(description, { format: 'date-time' });
const day = { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}$', examples: ['2026-11-20'] };
const decimal = (description: string) =>
  text(`${description}; an exact decimal text.`, { pattern: '^-?\\d+(\\.\\d+)?$' });
const count = (description: string) => ({ type: 'integer', minimum: 0, description });
const anyObject = (description: string) => ({ type: 'object', description });

/** An object whose properties are all required but those named. */
function object(properties: Record<string, object>, optional: string[] = []) {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter(name => !optional.includes(name)),
    additionalProperties: false,
  };
}

export const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** A page of things. */
export const pageOf = (name: string) =>
  object(
    {
      items: { type: 'array', items: ref(name) },
      nextPageToken: text('For the next page; absent on the last one.'),
    },
    ['nextPageToken'],
  );

/** Entity refs as the sidecar takes them. */
export const entityRefSchema = {
  type: 'string',
  maxLength: 512,
  pattern: '^[a-z0-9-]+:[a-z0-9._-]+/[a-z0-9._-]+$',
  examples: ['group:default/analytics'],
};

export { day as daySchema };

const sourceProperties = {
  name: text('"<provider id>/<instance>".'),
  feed: { type: 'string', enum: ['snapshot', 'watch', 'log'] },
  host: { type: 'string', enum: ['sidecar', 'portal'], description: 'Where it is read.' },
  priority: {
    type: 'integer',
    description: 'Of two that have an entity, the higher one shows it.',
  },
  active: { type: 'boolean', description: 'Runs now, or would if it were not paused.' },
  paused: { type: 'boolean' },
  followers: count('Streams of portals.'),
  entities: count('Entities it shows in the catalog, held ones included.'),
  heldRemovals: count('Removals that the guard holds back.'),
  collisions: count('Entities that are not shown: another source had their ref first.'),
  freshAt: time('When it last answered well; absent: never.'),
  failedAt: time('When it last failed.'),
  error: text('Why it fails; absent when it is well.'),
  rounds: count('Rounds since the sidecar started it.'),
  failures: count('Failed ones of them.'),
  added: count('Entities added since the sidecar started it.'),
  changed: count('Entities changed.'),
  removed: count('Entities removed.'),
  dropped: count('Items of the last round that did not become entities.'),
  nextRoundAt: time('When it is looked at again; absent while it is looked at.'),
};
const sourceOptional = ['freshAt', 'failedAt', 'error', 'nextRoundAt'];
const list = (items: object) => ({ type: 'array', items });

/** `components.schemas` of the document. */
export const schemas = {
  RequestState: { type: 'string', enum: requestStates },
  Step: object(
    {
      id: text('Id within the blueprint.'),
      uses: text('"connector/operation".'),
      state: {
        type: 'string',
        enum: ['pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'compensated'],
      },
      attempts: count('Calls made so far.'),
      message: text('Last progress or error.'),
      outputs: anyObject('Of a completed step.'),
      startedAt: time('First call.'),
      endedAt: time('End.'),
    },
    ['outputs', 'startedAt', 'endedAt'],
  ),
  Request: object(
    {
      id: text('Id, "req_…".'),
      runId: text('The durable run that carries it out.'),
      blueprint: text('Name of the blueprint.'),
      blueprintHash: text('SHA-256 of the definition pinned at creation.'),
      idempotencyKey: text('The key it was created with.'),
      requester: text('Entity ref of who asked.'),
      owner: text('Entity ref of the owner.'),
      entityRef: text('What it makes in the catalog.'),
      parameters: anyObject('With defaults filled in.'),
      state: ref('RequestState'),
      message: text('Why it stands there.'),
      outputs: anyObject('Of the blueprint; empty until succeeded.'),
      steps: { type: 'array', items: ref('Step'), description: 'Absent in lists.' },
      createdAt: time('Creation.'),
      updatedAt: time('Last change.'),
      sequence: count('Of its last event.'),
      ...requestProperties,
    },
    ['entityRef', 'steps', ...requestOptional],
  ),
  Event: object(
    {
      sequence: { type: 'integer', minimum: 1, description: 'Ordered and without gaps.' },
      requestId: text('The request.'),
      stepId: text('The step; absent when it is about the request.'),
      type: text('"request.created", "step.started", ….'),
      message: text('For people.'),
      data: anyObject('Details.'),
      at: time('When.'),
    },
    ['stepId', 'data'],
  ),
  Blueprint: object({
    name: text('As requests say it.'),
    title: text('For people.'),
    description: text('Markdown.'),
    hash: text('SHA-256 of the definition.'),
    parametersSchema: anyObject('JSON Schema of the parameters.'),
    stepIds: { type: 'array', items: { type: 'string' } },
  }),
  Resource: object({
    id: text("The outside system's own id, as billing files name it."),
    connector: text('What made it.'),
    type: text('Kind of thing.'),
    name: text('For people.'),
    entityRef: text('The catalog entity it belongs to.'),
    owner: text("Owner's entity ref."),
    requestId: text('The request that made it.'),
    state: text('"active" or "deleted".'),
    attributes: anyObject('Links, regions and the like.'),
  }),
  CostRow: object({
    keys: { type: 'array', items: { type: 'string' }, description: 'In the order of groupBy.' },
    currency: text('ISO 4217.'),
    billedCost: decimal('Sum of BilledCost'),
    effectiveCost: decimal('Sum of EffectiveCost'),
    charges: count('Charges summed.'),
    listCost: decimal('Sum of ListCost'),
    contractedCost: decimal('Sum of ContractedCost'),
  }),
  EntityCosts: object({
    entityRef: text('The entity.'),
    fromDay: text('First day; empty when there is no data.'),
    toDay: text('Last day; empty when there is no data.'),
    costs: {
      type: 'array',
      description: 'One per currency; none when nothing was allocated to the entity.',
      items: object({
        currency: text('ISO 4217.'),
        billedCost: decimal('Sum of BilledCost'),
        effectiveCost: decimal('Sum of EffectiveCost'),
        byDay: { type: 'array', items: ref('CostRow') },
        byService: { type: 'array', items: ref('CostRow') },
      }),
    },
  }),
  IngestResult: object(
    {
      unchanged: { type: 'boolean', description: 'The same content was stored before.' },
      rowsRead: count('Rows in the file.'),
      rowsStored: count('Rows that count now.'),
      rowsQuarantined: count('Rows set aside.'),
      roundedNumbers: count('Numbers with more than 18 digits behind the point.'),
      totals: {
        type: 'array',
        items: object({
          billingPeriod: text('First day of the period.'),
          currency: text('ISO 4217.'),
          billedCost: decimal('Sum of BilledCost'),
          effectiveCost: decimal('Sum of EffectiveCost'),
          allocatedBilledCost: decimal('Part of it that was allocated to entities'),
        }),
      },
      quarantinePath: text('File with the rows set aside.'),
      problems: { type: 'array', items: { type: 'string' }, description: 'The first ones.' },
      quarantinedMoney: {
        type: 'array',
        items: object({
          currency: text('As in the file.'),
          billedCost: decimal('Sum of BilledCost of rows set aside'),
        }),
      },
      quarantinedWithoutMoney: count('Rows set aside whose cost could not be read.'),
    },
    ['quarantinePath'],
  ),
  Health: object({
    status: { type: 'string', enum: ['ok', 'degraded'] },
    sidecar: object(
      {
        reachable: { type: 'boolean' },
        latencyMs: { type: 'number', minimum: 0, description: 'Of one health call.' },
        message: text('What is wrong.'),
      },
      ['latencyMs', 'message'],
    ),
    addon: object(
      {
        loaded: { type: 'boolean' },
        version: text('Its version.'),
        message: text('What is wrong.'),
      },
      ['version', 'message'],
    ),
  }),
  Error: {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['name', 'message'],
        properties: { name: { type: 'string' }, message: { type: 'string' } },
      },
    },
  },
  CreateRequest: object(
    {
      blueprint: text('Name of the blueprint.', { minLength: 1, maxLength: 128 }),
      parameters: anyObject("Must satisfy the blueprint's schema; at most 1 MiB of JSON."),
      owner: { ...entityRefSchema, description: 'Absent when the blueprint derives it.' },
      requester: { ...entityRefSchema, description: 'Only for services, and required for them.' },
      idempotencyKey: text('A repeat with the same key and input gives the same request.', {
        minLength: 1,
        maxLength: 200,
      }),
      validateOnly: { type: 'boolean', description: 'Plan only, store nothing.' },
    },
    ['parameters', 'owner', 'requester', 'idempotencyKey', 'validateOnly'],
  ),
  CatalogSource: object(
    { ...sourceProperties, released: count('Removals let go; of confirmRemovals only.') },
    [...sourceOptional, 'released'],
  ),
  CatalogSources: object({ items: list(ref('CatalogSource')) }),
  CatalogSourceDetails: object(
    {
      ...sourceProperties,
      heldRefs: list(text('Entity ref that the guard keeps; at most 1,000 are shown.')),
      collidingRefs: list(
        object({
          ref: text('Entity ref.'),
          owner: text('Source that shows it; empty when it has just let go of it.'),
        }),
      ),
      degradedParts: list(
        object({
          name: text('A cluster, a file, a repository.'),
          error: text('Why it could not be read.'),
        }),
      ),
    },
    sourceOptional,
  ),
  Change: object({ reason: text('For the audit trail.', { maxLength: 1024 }) }, ['reason']),
  IngestCosts: object(
    {
      source: text(
        'Name of the source; of one with several bills for the same periods, NAME/SCOPE.',
        {
          pattern: '^[a-z0-9-]{1,63}(/[A-Za-z0-9._=/-]{1,200})?$',
        },
      ),
      path: text("Below one of the sidecar's billing folders.", { minLength: 1, maxLength: 4096 }),
      badRows: {
        type: 'string',
        enum: ['refuse', 'quarantine'],
        description: 'Rows that cannot be read: refuse the file (default) or set them aside.',
      },
      columns: {
        type: 'object',
        maxProperties: 200,
        additionalProperties: { type: 'string', maxLength: 1024 },
        description:
          'Of a bill of another kind: FOCUS column to what stands for it, "Cost + Tax", "=EUR".',
      },
    },
    ['badRows', 'columns'],
  ),
  CostDimension: { type: 'string', enum: costDimensions },
  ...costSchemas,
  ...holdingSchemas,
};
