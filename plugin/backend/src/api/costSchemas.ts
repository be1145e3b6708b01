/** Schemas of what costs mean; amounts are exact decimal texts. */

const text = (description: string) => ({ type: 'string', description });
const count = (description: string) => ({ type: 'integer', minimum: 0, description });
const list = (items: object) => ({ type: 'array', items });

function object(properties: Record<string, object>, optional: Record<string, object> = {}) {
  return {
    type: 'object',
    properties: { ...properties, ...optional },
    required: Object.keys(properties),
    additionalProperties: false,
  };
}

/** An object of texts. */
const texts = (
  fields: Record<string, string>,
  more: Record<string, object> = {},
  optional: Record<string, object> = {},
) =>
  object(
    {
      ...Object.fromEntries(Object.entries(fields).map(([name, about]) => [name, text(about)])),
      ...more,
    },
    optional,
  );

const items = (schema: object) => object({ items: list(schema) });

const delivery = texts(
  { source: 'Name of the bill.', billingPeriod: 'First day.', at: 'When it was stored.' },
  {
    id: count('Larger is later.'),
    rows: count('Stored, of all its billing periods.'),
    totals: list(
      texts({ currency: 'ISO 4217.', billedCost: 'Billed.', effectiveCost: 'Effective.' }),
    ),
    current: { type: 'boolean', description: 'Its data is what is stored now.' },
    comparable: { type: 'boolean', description: 'It can be compared with the one before.' },
  },
);

const ranked = texts(
  { currency: 'ISO 4217.', billedCost: 'Billed.', effectiveCost: 'Effective.' },
  { keys: list({ type: 'string' }) },
  {
    listCost: text('When it is what they are ranked by.'),
    contractedCost: text('When it is what they are ranked by.'),
  },
);

export const costSchemas = {
  CostDeliveries: items(delivery),
  CostDiff: object({
    before: delivery,
    after: delivery,
    changes: list(
      texts(
        { currency: 'ISO 4217.', billed: 'After less before.', effective: 'After less before.' },
        {
          keys: list({ type: 'string' }),
          charges: { type: 'integer', description: 'After less before.' },
          changedSums: count('Stored sums that differ.'),
        },
      ),
    ),
  }),
  CostSources: items(
    texts(
      {
        name: 'Name of the bill.',
        type: 's3, http, folder, kubernetes or metrics.',
        lookedAt: 'Empty: not since the start.',
        failure: 'Empty when the last round went well.',
      },
      {
        intervalSeconds: count('Between two rounds.'),
        deliveries: list(
          texts(
            {
              name: 'Its period, as the source calls it.',
              result: 'stored, unchanged, waiting, refused or failed.',
              detail: 'Why it waits, was refused or failed.',
              at: 'When.',
            },
            { rows: count('Stored.') },
          ),
        ),
      },
    ),
  ),
  TopCosts: object({ rows: list(ranked), rest: list(ranked), total: list(ranked) }),
  ComparedCosts: items(
    texts({
      key: 'Value of the dimension.',
      currency: 'ISO 4217.',
      before: 'Billed before.',
      after: 'Billed after.',
      change: 'after - before.',
      changePercent: 'Of before.',
    }),
  ),
  ReconciledInvoices: items(
    texts({
      source: 'Name of the bill.',
      billingPeriod: 'First day.',
      invoice: 'InvoiceId; empty where the bill names none.',
      currency: 'ISO 4217.',
      billed: 'Summed from what was read.',
      entities: 'What entities got, shares included.',
      shared: 'What pools could not give away, idle included.',
      unallocated: 'What no rule took.',
      difference: 'billed less the three.',
      coveragePercent: 'entities in percent of billed.',
    }),
  ),
  AllocatedCosts: items(
    texts(
      {
        rule: 'Its name, or "share of <pool>".',
        currency: 'ISO 4217.',
        billedCost: 'Billed.',
        effectiveCost: 'Effective.',
        resourceId: 'Of the largest charge.',
      },
      { subjects: count('Different resources.') },
    ),
  ),
  ExplainedCharge: texts(
    { entityRef: 'Where it goes.', rule: 'By which rule; empty when unallocated.' },
    {
      rules: list(
        texts({ rule: 'Its name.', why: 'For people.' }, { matched: { type: 'boolean' } }),
      ),
    },
  ),
  ExplainCharge: object({
    columns: {
      type: 'object',
      maxProperties: 200,
      additionalProperties: { type: 'string', maxLength: 65_536 },
      description: 'FOCUS columns and their values; Tags as JSON.',
    },
  }),
  CostForecasts: texts(
    { lastDay: 'The last day with data.' },
    {
      forecasts: list(
        texts(
          {
            currency: 'ISO 4217.',
            method: 'seasonal-naive or holt-winters.',
            total: 'Sum of what is expected.',
          },
          {
            errorPercent: { type: 'number', description: 'Mean error on days held back.' },
            otherErrorPercent: { type: 'number', description: 'Of the method not chosen.' },
            days: list(
              texts({
                day: 'The day.',
                expected: 'Expected.',
                low: 'Not below.',
                high: 'Not above.',
              }),
            ),
          },
        ),
      ),
    },
  ),
  CostBudgets: items(
    texts(
      {
        name: 'Unique.',
        dimension: 'entity, owner, group, system, domain, product, environment.',
        of: 'Of what.',
        owner: 'Entity ref; empty when unknown.',
        amount: 'May be spent.',
        currency: 'ISO 4217.',
        period: 'month, quarter, year.',
        fromDay: 'First day of the period.',
        toDay: 'Last day of the period.',
        spent: 'Is spent; empty when there is a problem, as is the percent.',
        spentPercent: 'Of the amount.',
        forecast: "At the period's end; empty when there is too little history.",
        forecastMethod: 'How it was made.',
        measure: 'billed, effective, list, contracted.',
        problem: 'Why it is not known what is spent; empty when it is.',
      },
      { thresholds: list(count('Percent.')), crossed: count('The highest one reached; 0: none.') },
    ),
  ),
  CostAnomalies: texts(
    { day: 'The last day looked at; empty when there are no costs yet.' },
    {
      items: list(
        texts(
          {
            id: 'The same for the same day and value.',
            dimension: 'entity, owner, group, system, domain, product, environment.',
            of: 'Of what.',
            owner: 'Entity ref; empty when unknown.',
            day: 'The day.',
            currency: 'ISO 4217.',
            cost: 'Cost of the day.',
            expected: 'Rounded to two digits.',
            difference: 'cost - expected.',
            service: 'What differs most.',
            sku: 'What differs most.',
            region: 'What differs most.',
            causeDifference: 'By how much.',
          },
          { score: { type: 'number', description: 'Robust z-score.' } },
        ),
      ),
    },
    { nextPageToken: text('For the next page; absent on the last one.') },
  ),
  EstimateCosts: {
    type: 'object',
    properties: {
      product: { type: 'string', minLength: 1, maxLength: 128, description: "Blueprint's name." },
      parameters: { type: 'object', description: 'As a request would have them.' },
    },
    required: ['product'],
    additionalProperties: false,
  },
  CostEstimate: texts(
    {
      product: 'The product.',
      currency: 'ISO 4217; empty when the price book does not have it.',
      monthly: 'A month.',
    },
    {
      lines: list(texts({ what: 'For people.', monthly: 'A month.' })),
      observed: list(
        texts(
          {
            currency: 'ISO 4217.',
            medianMonthly: 'Of like things.',
            highestMonthly: 'Of like things.',
            fromDay: 'First day.',
            toDay: 'Last day.',
          },
          { entities: count('How many like things.') },
        ),
      ),
    },
  ),
  UnitCosts: items(
    texts({
      month: '2026-11.',
      currency: 'ISO 4217.',
      cost: 'Effective cost.',
      units: "The metric's sum.",
      unitCost: 'cost / units; empty when there were none.',
    }),
  ),
  CostStatus: texts(
    { firstDay: 'First day with data; empty when there is none.', lastDay: 'Last day with data.' },
    { dataVersion: count('Changes whenever answers may.') },
  ),
};
