import type { ActionsRegistryService } from '@backstage/backend-plugin-api/alpha';
import {
  costDimensions,
  type CostDimension,
  type CostMeasure,
  costMeasures,
} from '@purser/plugin-purser-common';
import type { Performer } from '../operations';

const READ = { readOnly: true, idempotent: true, destructive: false };

/** What agents may ask about costs beyond sums; permissions are the operations' own. */
export function registerCostActions(registry: ActionsRegistryService, performer: Performer): void {
  registry.register({
    name: 'top-costs',
    title: 'Find the largest costs',
    description:
      'Gives the largest values of a dimension (entity, owner, group, system, service, region, account …) in a period, with the rest and the total per currency. Amounts are exact decimal texts. Without the permission to see all costs, filter by something you own, e.g. group=group:default/web.',
    attributes: READ,
    schema: {
      input: z =>
        z.object({
          from: z.string().describe('First day, YYYY-MM-DD'),
          to: z.string().describe('Last day, inclusive'),
          dimension: z.enum(costDimensions).describe('What to rank'),
          measure: z.enum(costMeasures).optional().describe('billed when absent'),
          limit: z.number().int().min(1).max(1000).optional().describe('20 when absent'),
          filter: z.array(z.string()).optional().describe('dimension=value'),
        }),
      output: z => z.object({}).passthrough().describe('rows, rest and total'),
    },
    action: async ({ input, credentials }) => ({
      output: {
        ...(await performer.perform(
          'topCosts',
          {
            ...input,
            dimension: input.dimension as CostDimension,
            measure: input.measure as CostMeasure | undefined,
          },
          { credentials },
        )),
      },
    }),
  });

  registry.register({
    name: 'explain-cost',
    title: 'Explain the cost of an entity',
    description:
      'Says which allocation rules gave a catalog entity its cost in a month, with the amount per rule, shares of shared cost included.',
    attributes: READ,
    schema: {
      input: z =>
        z.object({
          entityRef: z.string().max(512).describe('e.g. component:default/shop'),
          month: z
            .string()
            .regex(/^\d{4}-\d{2}$/)
            .describe('e.g. 2026-11'),
        }),
      output: z => z.object({}).passthrough().describe('items: rule, currency, amounts'),
    },
    action: async ({ input, credentials }) => ({
      output: {
        ...(await performer.perform(
          'explainEntityCosts',
          { ...input, entityRef: input.entityRef.toLowerCase() },
          { credentials },
        )),
      },
    }),
  });

  registry.register({
    name: 'get-budget',
    title: 'Get budgets',
    description:
      'Gives the budgets of an entity, group, product or environment: amount, what is spent, the forecast for the end of the period and the thresholds crossed. Without `of` all budgets, which needs the permission to see all costs.',
    attributes: READ,
    schema: {
      input: z =>
        z.object({
          of: z.string().max(512).optional().describe('e.g. group:default/web'),
          asOf: z.string().optional().describe('A day of the period, YYYY-MM-DD'),
        }),
      output: z => z.object({}).passthrough().describe('items: budgets'),
    },
    action: async ({ input, credentials }) => ({
      output: { ...(await performer.perform('listBudgets', input, { credentials })) },
    }),
  });
}
