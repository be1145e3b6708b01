import type {
  AllocatedCost,
  ComparedCost,
  CostAlert,
  CostAnomaly,
  CostBudget,
  CostDimension,
  CostEstimate,
  CostForecast,
  CostGraphEntity,
  CostMeasure,
  CostStatus,
  ReconciledInvoice,
  TopCosts,
  UnitCost,
} from '@purser/plugin-purser-common';
import { randomUUID } from 'node:crypto';
import type { CostServiceClient } from '../generated/purser/v1/costs';
import type { CallOptions } from '../types';
import type { SidecarChannel } from './channel';
import { fromCostRow, parseJsonObject } from './convert';

/** Entities in one message of a graph: far below what a message may hold. */
const GRAPH_PART = 5_000;
// Rolling a large history up anew takes longer than other calls.
const GRAPH_DEADLINE_MS = 5 * 60_000;

/** A filter: any of the values. */
export interface CostFilterOption {
  dimension: CostDimension;
  values: string[];
}

export interface TopCostsOptions {
  fromDay: string;
  toDay: string;
  dimension: CostDimension;
  measure?: CostMeasure;
  limit?: number;
  filters?: CostFilterOption[];
  currency?: string;
}

export interface CompareCostsOptions {
  fromDay: string;
  toDay: string;
  /** As many days right before when absent. */
  beforeFromDay?: string;
  beforeToDay?: string;
  dimension: CostDimension;
  filters?: CostFilterOption[];
  currency?: string;
}

export interface ForecastCostsOptions {
  filters?: CostFilterOption[];
  measure?: CostMeasure;
  days?: number;
  currency?: string;
}

/** What costs mean, over gRPC. */
export interface CostsClient {
  top(options: TopCostsOptions, call?: CallOptions): Promise<TopCosts>;
  compare(options: CompareCostsOptions, call?: CallOptions): Promise<ComparedCost[]>;
  reconcile(
    options: { fromDay: string; toDay: string },
    call?: CallOptions,
  ): Promise<ReconciledInvoice[]>;
  explainCharge(
    columns: Record<string, string>,
    call?: CallOptions,
  ): Promise<{
    entityRef: string;
    rule: string;
    rules: Array<{ rule: string; matched: boolean; why: string }>;
  }>;
  explainEntity(
    options: { entityRef: string; month: string },
    call?: CallOptions,
  ): Promise<AllocatedCost[]>;
  forecast(
    options: ForecastCostsOptions,
    call?: CallOptions,
  ): Promise<{ lastDay: string; forecasts: CostForecast[] }>;
  budgets(
    options: { asOf?: string; of?: string; owners?: string[] },
    call?: CallOptions,
  ): Promise<CostBudget[]>;
  anomalies(
    options: { day?: string; dimension?: CostDimension; of?: string },
    call?: CallOptions,
  ): Promise<{ day: string; anomalies: CostAnomaly[] }>;
  alerts(
    options: { afterSequence: number; limit?: number },
    call?: CallOptions,
  ): Promise<CostAlert[]>;
  estimate(
    options: { product: string; parameters: object },
    call?: CallOptions,
  ): Promise<CostEstimate>;
  statement(
    options: { owner: string; fromDay: string; toDay: string; currency?: string; format?: string },
    call?: CallOptions,
  ): Promise<{ text: string; mediaType: string }>;
  unitCosts(
    options: {
      metric: string;
      entityRef: string;
      fromDay: string;
      toDay: string;
      currency?: string;
    },
    call?: CallOptions,
  ): Promise<UnitCost[]>;
  /** Replaces what costs roll up along. */
  putGraph(entities: CostGraphEntity[], call?: CallOptions): Promise<void>;
  status(call?: CallOptions): Promise<CostStatus>;
}

export function createCostsClient(
  bind: () => { costs: CostServiceClient; unary: SidecarChannel['unary'] },
): CostsClient {
  const options = (call?: CallOptions) => ({ idempotent: true, ...call });
  return {
    async top(given, call) {
      const { costs, unary } = bind();
      const { rows, rest, total } = await unary(
        costs.topCosts.bind(costs),
        { measure: '', limit: 0, filters: [], currency: '', ...given },
        options(call),
      );
      return {
        rows: rows.map(fromCostRow),
        rest: rest.map(fromCostRow),
        total: total.map(fromCostRow),
      };
    },
    async compare(given, call) {
      const { costs, unary } = bind();
      const { rows } = await unary(
        costs.compareCosts.bind(costs),
        { beforeFromDay: '', beforeToDay: '', filters: [], currency: '', ...given },
        options(call),
      );
      return rows;
    },
    async reconcile(given, call) {
      const { costs, unary } = bind();
      return (await unary(costs.reconcileCosts.bind(costs), given, options(call))).invoices;
    },
    async explainCharge(columns, call) {
      const { costs, unary } = bind();
      const { entityRef, rule, rules } = await unary(
        costs.explainCosts.bind(costs),
        { columns, entityRef: '', month: '' },
        options(call),
      );
      return { entityRef, rule, rules };
    },
    async explainEntity(given, call) {
      const { costs, unary } = bind();
      const { parts } = await unary(
        costs.explainCosts.bind(costs),
        { columns: {}, ...given },
        options(call),
      );
      return parts.map(part => ({ ...part, subjects: Number(part.subjects) }));
    },
    async forecast(given, call) {
      const { costs, unary } = bind();
      return unary(
        costs.forecastCosts.bind(costs),
        { filters: [], measure: '', days: 0, currency: '', ...given },
        options(call),
      );
    },
    async budgets(given, call) {
      const { costs, unary } = bind();
      const { budgets } = await unary(
        costs.listBudgets.bind(costs),
        { asOf: '', of: '', owners: [], ...given },
        options(call),
      );
      return budgets;
    },
    async anomalies(given, call) {
      const { costs, unary } = bind();
      return unary(
        costs.listAnomalies.bind(costs),
        { day: '', dimension: '', of: '', ...given },
        options(call),
      );
    },
    async alerts({ afterSequence, limit = 0 }, call) {
      const { costs, unary } = bind();
      const { alerts } = await unary(
        costs.listCostAlerts.bind(costs),
        { afterSequence: BigInt(afterSequence), limit },
        options(call),
      );
      return alerts.map(({ detailJson, sequence, ...alert }) => ({
        ...alert,
        sequence: Number(sequence),
        detail: parseJsonObject(detailJson, 'detail'),
      }));
    },
    async estimate({ product, parameters }, call) {
      const { costs, unary } = bind();
      const estimate = await unary(
        costs.estimateCosts.bind(costs),
        { product, parametersJson: JSON.stringify(parameters) },
        options(call),
      );
      return {
        ...estimate,
        observed: estimate.observed.map(one => ({ ...one, entities: Number(one.entities) })),
      };
    },
    async statement(given, call) {
      const { costs, unary } = bind();
      return unary(
        costs.getCostStatement.bind(costs),
        { currency: '', format: '', ...given },
        options(call),
      );
    },
    async unitCosts(given, call) {
      const { costs, unary } = bind();
      const { months } = await unary(
        costs.getUnitCosts.bind(costs),
        { currency: '', ...given },
        options(call),
      );
      return months;
    },
    async putGraph(entities, call) {
      const { costs, unary } = bind();
      const transfer = randomUUID();
      for (let at = 0; at === 0 || at < entities.length; at += GRAPH_PART) {
        const part = entities.slice(at, at + GRAPH_PART);
        const more = at + GRAPH_PART < entities.length;
        // Not repeated by itself: a part that came twice would be twice in the graph.
        await unary(
          costs.putCostGraph.bind(costs),
          {
            entities: part.map(entity => ({
              owner: '',
              system: '',
              domain: '',
              parent: '',
              product: '',
              environment: '',
              ...entity,
            })),
            more,
            transfer,
          },
          { idempotent: false, deadline: GRAPH_DEADLINE_MS, ...call },
        );
      }
    },
    async status(call) {
      const { costs, unary } = bind();
      const status = await unary(costs.getCostStatus.bind(costs), {}, options(call));
      return { ...status, dataVersion: Number(status.dataVersion) };
    },
  };
}
