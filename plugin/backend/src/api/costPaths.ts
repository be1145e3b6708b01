import { costMeasures } from '@purser/plugin-purser-common';
import type { ApiOperation, ApiParameter } from './document';
import { daySchema, entityRefSchema, ref } from './schemas';

const json = (schema: object) => ({ 'application/json': { schema } });
const answers = (description: string, schema: string) => ({
  200: { description, content: json(ref(schema)) },
  304: { description: 'What If-None-Match names is what there is.' },
  default: { description: 'What went wrong.', content: json(ref('Error')) },
});
const query = (name: string, description: string, schema: object, required = false) =>
  ({ name, in: 'query', required, description, schema }) as ApiParameter;

const days = [
  query('from', 'First day.', daySchema, true),
  query('to', 'Last day, inclusive.', daySchema, true),
];
const currency = query('currency', 'Everything is converted to it.', {
  type: 'string',
  pattern: '^[A-Z]{3}$',
});
const measure = query('measure', 'billed when absent.', { type: 'string', enum: costMeasures });
const dimension = query('dimension', 'What to look at.', ref('CostDimension'), true);
const filter = query('filter', 'dimension=value; values of one dimension are alternatives.', {
  type: 'array',
  items: { type: 'string', pattern: '^[a-z_]+=', maxLength: 1024 },
  maxItems: 100,
});
const of = query('of', 'Only those of this entity, group, product …', {
  type: 'string',
  minLength: 1,
  maxLength: 512,
});
const deliveryId = { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER };
const entity = ['kind', 'namespace', 'name'].map(
  name =>
    ({
      name,
      in: 'path',
      required: true,
      description: `${name[0].toUpperCase()}${name.slice(1)} of the entity.`,
      schema: { type: 'string', minLength: 1, maxLength: 63 },
    }) as ApiParameter,
);

function get(
  operationId: string,
  summary: string,
  parameters: ApiParameter[],
  schema: string,
): { get: ApiOperation } {
  return { get: { operationId, summary, parameters, responses: answers(summary, schema) } };
}

function post(operationId: string, summary: string, input: string, schema: string) {
  return {
    post: {
      operationId,
      summary,
      requestBody: { required: true, content: json(ref(input)) },
      responses: answers(summary, schema),
    } as ApiOperation,
  };
}

/** The routes of what costs mean. */
export const costPaths = {
  '/v1/costs/top': get(
    'topCosts',
    'The largest of a dimension, with the rest and the total.',
    [
      ...days,
      dimension,
      measure,
      query('limit', 'Of each currency; 20 when absent.', {
        type: 'integer',
        minimum: 1,
        maximum: 1_000,
      }),
      filter,
      currency,
    ],
    'TopCosts',
  ),
  '/v1/costs/compare': get(
    'compareCosts',
    'Two ranges of days side by side; without the second one as many days right before.',
    [
      ...days,
      query('beforeFrom', 'First day of the range before.', daySchema),
      query('beforeTo', 'Last day of the range before.', daySchema),
      dimension,
      filter,
      currency,
    ],
    'ComparedCosts',
  ),
  '/v1/costs/reconciliation': get(
    'reconcileCosts',
    'Invoices of billing periods that begin in these days: what was billed and where it went.',
    days,
    'ReconciledInvoices',
  ),
  '/v1/costs/entities/{kind}/{namespace}/{name}/explanation': get(
    'explainEntityCosts',
    'Which rules gave an entity its cost in a month.',
    [
      ...entity,
      query('month', 'Like 2026-11.', { type: 'string', pattern: '^\\d{4}-\\d{2}$' }, true),
    ],
    'AllocatedCosts',
  ),
  '/v1/costs/entities/{kind}/{namespace}/{name}/units': get(
    'getUnitCosts',
    'Cost per unit of a metric, by month.',
    [
      ...entity,
      query('metric', "The metric's name.", { type: 'string', minLength: 1, maxLength: 200 }, true),
      ...days,
      currency,
    ],
    'UnitCosts',
  ),
  '/v1/costs/explain': post(
    'explainCharge',
    'Which rule takes a charge, and why not the ones before.',
    'ExplainCharge',
    'ExplainedCharge',
  ),
  '/v1/costs/forecast': get(
    'forecastCosts',
    'What is expected of the days ahead, per currency.',
    [
      filter,
      measure,
      query('days', '30 when absent.', { type: 'integer', minimum: 1, maximum: 400 }),
      currency,
    ],
    'CostForecasts',
  ),
  '/v1/costs/budgets': get(
    'listBudgets',
    'Budgets and how far they are spent.',
    [of, query('asOf', 'Whose periods; the last day with data when absent.', daySchema)],
    'CostBudgets',
  ),
  '/v1/costs/anomalies': get(
    'listAnomalies',
    'What is unlike the days before, with owner and cause.',
    [
      of,
      query('day', 'One day; the last one with data when no days are named.', daySchema),
      query('from', 'The first of at most 31 days, instead of day.', daySchema),
      query('to', 'Last day, inclusive; the last one with data when absent.', daySchema),
      query('dimension', 'entity when absent.', ref('CostDimension')),
      filter,
      query('pageSize', 'At most 1000; 200 when absent.', {
        type: 'integer',
        minimum: 1,
        maximum: 1_000,
      }),
      query('pageToken', 'From the answer before.', { type: 'string', maxLength: 65_536 }),
    ],
    'CostAnomalies',
  ),
  '/v1/costs/estimate': post(
    'estimateCosts',
    'What a product will cost a month, and what like things cost of late.',
    'EstimateCosts',
    'CostEstimate',
  ),
  '/v1/costs/statement': {
    get: {
      operationId: 'getStatement',
      summary: 'What an owner is shown or charged for a period.',
      parameters: [
        query('owner', 'Entity ref.', entityRefSchema, true),
        ...days,
        query('format', 'csv when absent.', { type: 'string', enum: ['csv', 'json', 'html'] }),
        currency,
      ],
      responses: {
        200: {
          description: 'The statement.',
          content: {
            'text/csv': { schema: { type: 'string' } },
            'application/json': { schema: { type: 'object' } },
            'text/html': { schema: { type: 'string' } },
          },
        },
        default: { description: 'What went wrong.', content: json(ref('Error')) },
      },
    } as ApiOperation,
  },
  '/v1/costs/deliveries': get(
    'listCostDeliveries',
    'What was delivered, the latest first.',
    [query('source', 'Only of this bill.', { type: 'string', maxLength: 264 })],
    'CostDeliveries',
  ),
  '/v1/costs/diff': get(
    'diffCosts',
    'What changed from one delivery of a billing period to another.',
    [
      query('source', 'Name of the bill.', { type: 'string', minLength: 1, maxLength: 264 }, true),
      query(
        'month',
        'Of the billing period, like 2026-11.',
        { type: 'string', pattern: '^\\d{4}-\\d{2}$' },
        true,
      ),
      query('before', 'Id of a delivery; the one before when absent.', deliveryId),
      query('after', 'Id of a delivery; the current one when absent.', deliveryId),
      query('groupBy', 'service, account and charge_category when absent.', {
        type: 'array',
        items: ref('CostDimension'),
        maxItems: 7,
      }),
    ],
    'CostDiff',
  ),
  '/v1/costs/sources': get(
    'listCostSources',
    'Sources that are read on their own, and what came of it.',
    [],
    'CostSources',
  ),
  '/v1/costs/status': get('getCostStatus', 'Which days have data.', [], 'CostStatus'),
};
