import { InputError } from '@backstage/errors';
import {
  addDays,
  allCosts,
  costsInOneCurrency,
  type CostSurfaceContext,
  countDays,
  dayOf,
  filterOf,
  inOneCurrency,
  refOf,
  toNumber,
} from '@purser/plugin-purser-node';
import type { Request, Router } from 'express';
import PromiseRouter from 'express-promise-router';
import { parseIntervals, type Periods } from './intervals';
import type { ChangeStatistic, Cost, CostAlertData, NamedRef, ProductInsight } from './types';

type Point = { date: string; amount: number };

function changeOf(before: number, after: number): ChangeStatistic {
  const amount = after - before;
  return before === 0 ? { amount } : { ratio: amount / before, amount };
}

/** Least squares over the days. */
function trendOf(points: Point[]): { slope: number; intercept: number } {
  const xs = points.map(({ date }) => Date.parse(date) / 1000);
  const meanX = xs.reduce((sum, x) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, { amount }) => sum + amount, 0) / points.length;
  let products = 0;
  let squares = 0;
  points.forEach(({ amount }, i) => {
    products += (xs[i] - meanX) * (amount - meanY);
    squares += (xs[i] - meanX) ** 2;
  });
  const slope = squares === 0 ? 0 : products / squares;
  return { slope, intercept: meanY - slope * meanX };
}

/** A series over all days of both periods. */
export function toCost(id: string, amounts: Map<string, number>, periods: Periods): Cost {
  const aggregation = Array.from({ length: countDays(periods.from, periods.to) }, (_, i) => {
    const date = addDays(periods.from, i);
    return { date, amount: amounts.get(date) ?? 0 };
  });
  const sum = (later: boolean) =>
    aggregation
      .filter(({ date }) => date >= periods.middle === later)
      .reduce((total, { amount }) => total + amount, 0);
  return {
    id,
    aggregation,
    change: changeOf(sum(false), sum(true)),
    trendline: trendOf(aggregation),
  };
}

export function createRouter(context: CostSurfaceContext<Request>): Router {
  const { sidecar, authorize, groupsOf } = context;
  const router = PromiseRouter();
  router.get('/health', (_, res) => {
    res.json({ status: 'ok' });
  });

  /** Daily cost with one series per service. */
  const dailyCost = async (req: Request, ref: string, intervals: string): Promise<Cost> => {
    const periods = parseIntervals(intervals);
    await authorize(req, [ref]);
    const { rows } = await costsInOneCurrency(sidecar, {
      fromDay: periods.from,
      toDay: periods.to,
      groupBy: ['day', 'service'],
      filters: [filterOf(ref)],
    });
    const all = new Map<string, number>();
    const services = new Map<string, Map<string, number>>();
    for (const {
      keys: [day, service],
      billedCost,
    } of rows) {
      const amount = toNumber(billedCost);
      all.set(day, (all.get(day) ?? 0) + amount);
      const days = services.get(service) ?? new Map<string, number>();
      services.set(service, days);
      days.set(day, (days.get(day) ?? 0) + amount);
    }
    return {
      ...toCost(ref, all, periods),
      groupedCosts: {
        service: [...services].map(([service, days]) => toCost(service, days, periods)),
      },
    };
  };

  // The contract of the AWS backend.
  router.get('/v1/entity/:namespace/:kind/:name/:intervals', async (req, res) => {
    const { namespace, kind, name, intervals } = req.params;
    const cost = await dailyCost(req, `${kind}:${namespace}/${name}`.toLowerCase(), intervals);
    res.json({ ...cost, id: name });
  });

  // What CostInsightsClient asks.
  router.get('/v1/last-complete-billing-date', async (req, res) => {
    await context.credentials(req);
    const { lastDay } = await sidecar.costs.status();
    const yesterday = addDays(dayOf(Date.now()), -1);
    res.json({ date: lastDay && lastDay < yesterday ? lastDay : yesterday });
  });

  router.get('/v1/groups', async (req, res) => {
    const groups: NamedRef[] = (await groupsOf(req)).map(id => ({ id, name: id.split('/')[1] }));
    res.json(groups);
  });

  router.get('/v1/groups/:group/projects', async (req, res) => {
    const group = refOf(req.params.group, 'group');
    await authorize(req, [group]);
    const { firstDay, lastDay } = await sidecar.costs.status();
    if (!firstDay) {
      res.json([]);
      return;
    }
    const rows = await allCosts(sidecar, {
      fromDay: addDays(lastDay, -89),
      toDay: lastDay,
      groupBy: ['system'],
      filters: [{ dimension: 'group', values: [group] }],
    });
    const ids = [...new Set(rows.map(({ keys }) => keys[0]).filter(Boolean))];
    res.json(ids.map((id): NamedRef => ({ id, name: id.split('/')[1] })));
  });

  router.get('/v1/groups/:group/costs/:intervals', async (req, res) => {
    res.json(await dailyCost(req, refOf(req.params.group, 'group'), req.params.intervals));
  });

  router.get('/v1/projects/:project/costs/:intervals', async (req, res) => {
    res.json(await dailyCost(req, refOf(req.params.project, 'system'), req.params.intervals));
  });

  router.get('/v1/metrics/:metric/:intervals', async (req, res) => {
    const [metric, entity] = req.params.metric.split('@');
    if (!entity) {
      throw new InputError('metric: must be NAME@ENTITY, e.g. orders@component:default/shop');
    }
    const entityRef = refOf(entity, 'component');
    const periods = parseIntervals(req.params.intervals);
    await authorize(req, [entityRef]);
    const months = await sidecar.costs.unitCosts({
      metric,
      entityRef,
      fromDay: periods.from,
      toDay: periods.to,
    });
    const units = new Map(months.map(({ month, units: count }) => [month, toNumber(count)]));
    const aggregation = [...units].map(([month, amount]) => ({ date: `${month}-01`, amount }));
    const half = periods.middle.slice(0, 7);
    const sum = (later: boolean) =>
      aggregation
        .filter(({ date }) => date.slice(0, 7) >= half === later)
        .reduce((total, { amount }) => total + amount, 0);
    res.json({
      id: req.params.metric,
      format: 'number',
      aggregation,
      change: changeOf(sum(false), sum(true)),
    });
  });

  router.get('/v1/products/:product/insights', async (req, res) => {
    const { group = '', project = '', intervals = '' } = req.query;
    const ref = project ? refOf(String(project), 'system') : refOf(String(group), 'group');
    const periods = parseIntervals(String(intervals));
    await authorize(req, [ref]);
    const { product } = req.params;
    const { rows } = await inOneCurrency(sidecar, currency =>
      sidecar.costs.compare({
        fromDay: periods.middle,
        toDay: periods.to,
        beforeFromDay: periods.from,
        beforeToDay: addDays(periods.middle, -1),
        dimension: 'entity',
        filters: [filterOf(ref), { dimension: 'service', values: [product] }],
        currency,
      }),
    );
    const entities = rows.map(({ key, before, after }): ProductInsight => {
      const aggregation: [number, number] = [toNumber(before), toNumber(after)];
      return { id: key, aggregation, entities: {}, change: changeOf(...aggregation) };
    });
    const total = entities.reduce<[number, number]>(
      ([before, after], { aggregation }) => [before + aggregation[0], after + aggregation[1]],
      [0, 0],
    );
    const answer: ProductInsight = {
      id: product,
      aggregation: total,
      entities: { entity: entities },
      change: changeOf(...total),
    };
    res.json(answer);
  });

  router.get('/v1/groups/:group/alerts', async (req, res) => {
    const group = refOf(req.params.group, 'group');
    await authorize(req, [group]);
    const [budgets, { anomalies }] = await Promise.all([
      sidecar.costs.budgets({ owners: [group] }),
      sidecar.costs.anomalies({ filters: [filterOf(group)] }),
    ]);
    const alerts: CostAlertData[] = [
      ...budgets
        .filter(({ crossed }) => crossed > 0)
        .map(budget => ({
          title: `Budget ${budget.name} is spent to ${budget.spentPercent} %`,
          subtitle: `${budget.spent} of ${budget.amount} ${budget.currency} from ${budget.fromDay} to ${budget.toDay}`,
        })),
      ...anomalies.map(anomaly => ({
        title: `Unusual cost of ${anomaly.of}`,
        subtitle: `${anomaly.cost} ${anomaly.currency} on ${anomaly.day} instead of ${anomaly.expected}`,
      })),
    ];
    res.json(alerts);
  });
  return router;
}
