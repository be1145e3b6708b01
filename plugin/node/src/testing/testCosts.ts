import * as costs from '../generated/purser/v1/costs';
import type { TestCalls } from './testCalls';

/** Answers of the methods of costs beyond reading and summing, by method; empty ones when absent. */
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
  /** The parts of the sets' texts. */
  sumAllocations?: costs.SumAllocationsResponse[];
  /** Instead of the rows: by the question. */
  queryCosts?(request: costs.QueryCostsRequest): costs.CostRow[];
}

/** Costs of a test sidecar: it answers what a test says. */
export class TestCosts {
  readonly rows: costs.CostRow[] = [];
  readonly ofEntities = new Map<string, costs.GetEntityCostsResponse>();
  readonly ingested: costs.IngestCostsRequest[] = [];
  readonly answers: TestCostAnswers = {};
  /** What the methods were asked, in order. */
  readonly questions: Array<{ method: string; request: object }> = [];
  readonly #calls: TestCalls;

  constructor(calls: TestCalls) {
    this.#calls = calls;
  }

  /** All but the method that only the command line calls. */
  service(): Omit<costs.CostServiceServer, 'streamIngest'> {
    return {
      ingestCosts: this.#calls.unary('IngestCosts', request => {
        this.ingested.push(request);
        return {
          unchanged: false,
          rowsRead: 4n,
          rowsStored: 2n,
          rowsQuarantined: 2n,
          roundedNumbers: 0n,
          totals: [],
          quarantinePath: '',
          problems: [],
          quarantinedMoney: [{ currency: 'USD', billedCost: '7.5' }],
          quarantinedWithoutMoney: 1n,
        };
      }),
      queryCosts: this.#calls.unary('QueryCosts', request => {
        this.questions.push({ method: 'queryCosts', request });
        return {
          rows: this.answers.queryCosts?.(request) ?? this.rows,
          nextPageToken: '',
        };
      }),
      getEntityCosts: this.#calls.unary(
        'GetEntityCosts',
        ({ entityRef }) =>
          this.ofEntities.get(entityRef) ?? { entityRef, fromDay: '', toDay: '', costs: [] },
      ),
      ...this.#meaning(),
    };
  }

  /** The methods of costs that answer what a test says. */
  #meaning() {
    const answers = this.answers;
    const method = <Q extends object, S extends object>(
      name: keyof TestCostAnswers,
      answer: (request: Q) => S,
    ) =>
      this.#calls.unary<Q, S>(`${name[0].toUpperCase()}${name.slice(1)}`, request => {
        this.questions.push({ method: name, request });
        return answer(request);
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
        ({ pageSize, pageToken }) => {
          const all = answers.listAnomalies ?? { anomalies: [], day: '', nextPageToken: '' };
          const first = Number(pageToken);
          const end = first + (pageSize || all.anomalies.length);
          return {
            ...all,
            anomalies: all.anomalies.slice(first, end),
            nextPageToken: end < all.anomalies.length ? `${end}` : all.nextPageToken,
          };
        },
      ),
      listCostAlerts: this.#calls.unary<costs.ListCostAlertsRequest, costs.ListCostAlertsResponse>(
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
      putCostGraph: this.#calls.unary<costs.PutCostGraphRequest, costs.PutCostGraphResponse>(
        'PutCostGraph',
        request => {
          this.questions.push({ method: 'putCostGraph', request });
          return {};
        },
      ),
      getCostStatus: this.#calls.unary<costs.GetCostStatusRequest, costs.GetCostStatusResponse>(
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
      sumAllocations: this.#calls.streaming<
        costs.SumAllocationsRequest,
        costs.SumAllocationsResponse
      >('SumAllocations', async call => {
        this.questions.push({ method: 'sumAllocations', request: call.request });
        for (const part of answers.sumAllocations ?? []) {
          call.write(part);
        }
      }),
    };
  }
}
