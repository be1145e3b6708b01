import type {
  AllocatedCost,
  ComparedCost,
  CostAlert,
  CostAnomaly,
  CostBudget,
  CostDelivery,
  CostDiff,
  CostDimension,
  CostEstimate,
  CostForecast,
  CostGraphEntity,
  CostMeasure,
  CostSource,
  CostStatus,
  ReconciledInvoice,
  TopCosts,
  UnitCost,
} from '@purser/plugin-purser-common';
import { randomUUID } from 'node:crypto';
import {
  type CostDelivery as Delivery,
  type CostServiceClient,
  IdleCost,
} from '../generated/purser/v1/costs';
import type { CallOptions } from '../types';
import type { SidecarChannel } from './channel';
import { fromRankedCost, parseJsonObject } from './convert';

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

export interface DiffCostsOptions {
  source: string;
  /** First day. */
  billingPeriod: string;
  /** Ids of deliveries; absent: the current one, and the one before `after`. */
  before?: number;
  after?: number;
  groupBy?: CostDimension[];
}

export interface ForecastCostsOptions {
  filters?: CostFilterOption[];
  measure?: CostMeasure;
  days?: number;
  currency?: string;
}

export interface AnomaliesOptions {
  /** One day, instead of a range; without either the last one with data. */
  day?: string;
  fromDay?: string;
  toDay?: string;
  /** entity when absent. */
  dimension?: CostDimension;
  of?: string;
  /** Of the costs that are compared. */
  filters?: CostFilterOption[];
  pageSize?: number;
  pageToken?: string;
}

export interface AllocationsOptions {
  fromDay: string;
  toDay: string;
  /** cluster, node, namespace, controllerKind, controller, service, pod, label:NAME; none: pods. */
  aggregate: string[];
  /** Days of a set; 0: all in one. */
  stepDays: number;
  /** As OpenCost writes it. */
  filter: string;
  idle: 'show' | 'hide' | 'share';
  idleByNode: boolean;
  shareNamespaces: string[];
}

const IDLE = {
  show: IdleCost.IDLE_COST_UNSPECIFIED,
  hide: IdleCost.IDLE_COST_HIDE,
  share: IdleCost.IDLE_COST_SHARE,
};

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
    options: AnomaliesOptions,
    call?: CallOptions,
  ): Promise<{ day: string; anomalies: CostAnomaly[]; nextPageToken: string }>;
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
  /** What was delivered, the latest first; of all sources when none is named. */
  deliveries(
    options: { source?: string; limit?: number },
    call?: CallOptions,
  ): Promise<CostDelivery[]>;
  diff(options: DiffCostsOptions, call?: CallOptions): Promise<CostDiff>;
  sources(call?: CallOptions): Promise<CostSource[]>;
  /** What clusters cost: a JSON text per set of allocations by name; none without any cluster. */
  allocations(options: AllocationsOptions, call?: CallOptions): Promise<string[]>;
}

// What a message without a field would mean does not come up: purserd sets both.
function fromDelivery(delivery?: Delivery): CostDelivery {
  if (!delivery) {
    throw new Error('purserd answered without a delivery');
  }
  const { id, source, billingPeriod, at, rows, totals, current, comparable } = delivery;
  return {
    id: Number(id),
    source,
    billingPeriod,
    at,
    rows: Number(rows),
    totals: totals.map(({ currency, billedCost, effectiveCost }) => ({
      currency,
      billedCost,
      effectiveCost,
    })),
    current,
    comparable,
  };
}

export function createCostsClient(
  bind: () => {
    costs: CostServiceClient;
    unary: SidecarChannel['unary'];
    stream: SidecarChannel['stream'];
  },
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
        rows: rows.map(fromRankedCost),
        rest: rest.map(fromRankedCost),
        total: total.map(fromRankedCost),
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
        {
          day: '',
          fromDay: '',
          toDay: '',
          dimension: '',
          of: '',
          filters: [],
          pageSize: 0,
          pageToken: '',
          ...given,
        },
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
    async deliveries(given, call) {
      const { costs, unary } = bind();
      const { deliveries } = await unary(
        costs.listCostDeliveries.bind(costs),
        { source: '', limit: 0, ...given },
        options(call),
      );
      return deliveries.map(fromDelivery);
    },
    async diff({ source, billingPeriod, before = 0, after = 0, groupBy = [] }, call) {
      const { costs, unary } = bind();
      const diff = await unary(
        costs.diffCosts.bind(costs),
        { source, billingPeriod, before: BigInt(before), after: BigInt(after), groupBy },
        options(call),
      );
      return {
        before: fromDelivery(diff.before),
        after: fromDelivery(diff.after),
        changes: diff.changes.map(({ charges, changedSums, ...change }) => ({
          ...change,
          charges: Number(charges),
          changedSums: Number(changedSums),
        })),
      };
    },
    async sources(call) {
      const { costs, unary } = bind();
      const { sources } = await unary(costs.listCostSources.bind(costs), {}, options(call));
      return sources.map(({ intervalSeconds, deliveries, ...source }) => ({
        ...source,
        intervalSeconds: Number(intervalSeconds),
        deliveries: deliveries.map(({ rows, ...delivery }) => ({
          ...delivery,
          rows: Number(rows),
        })),
      }));
    },
    async allocations({ idle, ...given }, call) {
      const { costs, stream } = bind();
      const sets: string[] = [];
      const parts = stream(
        costs.sumAllocations.bind(costs),
        { idle: IDLE[idle], ...given },
        call?.signal,
      );
      for await (const { set, text } of parts) {
        sets[set] = (sets[set] ?? '') + text;
      }
      return sets;
    },
  };
}
