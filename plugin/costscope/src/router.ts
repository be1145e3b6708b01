import { InputError } from '@backstage/errors';
import type { CostDimension } from '@purser/plugin-purser-common';
import {
  addDays,
  allCosts,
  type CostFilterOption,
  costsInOneCurrency,
  type CostSurfaceContext,
  countDays,
  filterOf,
  inOneCurrency,
  refOf,
  toNumber,
} from '@purser/plugin-purser-node';
import type { Request, Router } from 'express';
import PromiseRouter from 'express-promise-router';

/** What may be broken down by; its pages say FOCUS's names of columns, too. */
const DIMENSIONS: Record<string, CostDimension> = {
  service: 'service',
  servicename: 'service',
  // Categories of services are not kept: services are nearest.
  servicecategory: 'service',
  provider: 'source',
  providername: 'source',
  serviceprovidername: 'source',
  region: 'region',
  regionid: 'region',
  regionname: 'region',
  account: 'account',
  subaccountid: 'account',
  subaccountname: 'account',
  category: 'charge_category',
  chargecategory: 'charge_category',
  skuid: 'sku',
  project: 'system',
  team: 'owner',
  entity: 'entity',
};

const textOf = (req: Request, name: string) => {
  const value = req.query[name];
  return typeof value === 'string' ? value : '';
};

/** "7d", "30d", "P30D", "2026-11" or "2026-11-01/2026-11-20" up to the last day with data. */
export function parsePeriod(period: string, lastDay: string): { from: string; to: string } {
  const days = /^P?(\d{1,3})d$/i.exec(period || '30d');
  if (days && Number(days[1]) > 0) {
    return { from: addDays(lastDay, 1 - Number(days[1])), to: lastDay };
  }
  if (/^\d{4}-\d{2}$/.test(period)) {
    const next = addDays(`${period}-28`, 4).slice(0, 7);
    return { from: `${period}-01`, to: addDays(`${next}-01`, -1) };
  }
  const range = /^(\d{4}-\d{2}-\d{2})[/,](\d{4}-\d{2}-\d{2})$/.exec(period);
  if (range && range[1] <= range[2]) {
    return { from: range[1], to: range[2] };
  }
  throw new InputError(`period: '${period}' is not like 30d, 2026-11 or 2026-11-01/2026-11-20`);
}

/** A project is an entity, or the name of a system. */
const projectFilters = (project: string): CostFilterOption[] =>
  project ? [filterOf(refOf(project, 'system'))] : [];

const percent = (change: number, before: number) =>
  before === 0 ? 0 : Math.round((change / before) * 10_000) / 100;

export function createRouter({ sidecar, authorize }: CostSurfaceContext<Request>): Router {
  const router = PromiseRouter();
  router.use((req, res, next) => {
    const id = req.header('x-correlation-id');
    if (id && /^[\w-]{1,128}$/.test(id)) {
      res.setHeader('x-correlation-id', id);
    }
    next();
  });
  router.get(['/health', '/healthz'], (_, res) => {
    res.json({ status: 'ok' });
  });

  /** What is asked, after the check of who asks. */
  const question = async (req: Request) => {
    const filters = projectFilters(textOf(req, 'project'));
    await authorize(
      req,
      filters.flatMap(({ values }) => values),
    );
    const { firstDay, lastDay } = await sidecar.costs.status();
    return { filters, firstDay, lastDay };
  };

  const compared = (
    fromDay: string,
    toDay: string,
    dimension: CostDimension,
    filters: CostFilterOption[],
  ) =>
    inOneCurrency(sidecar, currency =>
      sidecar.costs.compare({ fromDay, toDay, dimension, filters, currency }),
    );

  router.get('/providers', async (req, res) => {
    const { filters, firstDay, lastDay } = await question(req);
    if (!firstDay) {
      res.json([]);
      return;
    }
    const rows = await allCosts(sidecar, {
      fromDay: firstDay,
      toDay: lastDay,
      groupBy: ['source', 'service'],
      filters,
    });
    const services = new Map<string, Set<string>>();
    for (const {
      keys: [source, service],
    } of rows) {
      services.set(source, (services.get(source) ?? new Set()).add(service));
    }
    res.json(
      [...services].map(([id, names]) => ({
        id,
        // Its contract says displayName, its panel shows name.
        name: id,
        displayName: id,
        status: 'connected',
        services: names.size,
        lastUpdated: `${lastDay}T00:00:00Z`,
      })),
    );
  });

  const datasets = async (req: Request) => {
    const { filters, firstDay, lastDay } = await question(req);
    if (!firstDay) {
      return [];
    }
    const rows = await allCosts(sidecar, {
      fromDay: firstDay,
      toDay: lastDay,
      groupBy: ['source', 'billing_period'],
      filters,
    });
    const found = new Map<string, { [field: string]: string | number; records: number }>();
    for (const {
      keys: [provider, period],
      charges,
    } of rows) {
      const id = `${provider}-${period}`;
      const { to } = parsePeriod(period.slice(0, 7), lastDay);
      const records = (found.get(id)?.records ?? 0) + charges;
      found.set(id, {
        id,
        provider,
        project: textOf(req, 'project') || 'all',
        status: 'ready',
        records,
        periodStart: period,
        periodEnd: to,
      });
    }
    return [...found.values()];
  };
  router.get(['/datasets', '/datasets/search'], async (req, res) => {
    const limit = textOf(req, 'limit');
    if (!/^\d{0,9}$/.test(limit)) {
      throw new InputError(`limit: '${limit}' is no count`);
    }
    const found = await datasets(req);
    res.json(limit ? found.slice(0, Number(limit)) : found);
  });

  router.get('/costs/summary', async (req, res) => {
    const { filters, lastDay } = await question(req);
    const period = textOf(req, 'period') || '30d';
    const answer = { period, project: textOf(req, 'project') || 'all' };
    if (!lastDay) {
      res.json({ ...answer, totalCost: 0, previousTotalCost: 0, deltaPct: 0, currency: 'USD' });
      return;
    }
    const { from, to } = parsePeriod(period, lastDay);
    const { currency, rows } = await compared(from, to, 'source', filters);
    const sum = { before: 0, after: 0 };
    for (const { before, after } of rows) {
      sum.before += toNumber(before);
      sum.after += toNumber(after);
    }
    res.json({
      ...answer,
      totalCost: sum.after,
      previousTotalCost: sum.before,
      deltaPct: percent(sum.after - sum.before, sum.before),
      currency,
    });
  });

  router.get('/costs/daily', async (req, res) => {
    const { filters, lastDay } = await question(req);
    if (!lastDay) {
      res.json([]);
      return;
    }
    const { from, to } = parsePeriod(textOf(req, 'period'), lastDay);
    const { rows } = await costsInOneCurrency(sidecar, {
      fromDay: from,
      toDay: to,
      groupBy: ['day'],
      filters,
    });
    const days = new Map(rows.map(({ keys: [day], billedCost }) => [day, toNumber(billedCost)]));
    res.json(
      Array.from({ length: countDays(from, to) }, (_, i) => addDays(from, i)).map(date => ({
        date,
        cost: days.get(date) ?? 0,
      })),
    );
  });

  router.get('/breakdown', async (req, res) => {
    const by = textOf(req, 'by') || 'service';
    const name = by.toLowerCase();
    const dimension = Object.hasOwn(DIMENSIONS, name) ? DIMENSIONS[name] : undefined;
    if (!dimension) {
      throw new InputError(`by: must be one of ${Object.keys(DIMENSIONS).join(', ')}`);
    }
    const { filters, lastDay } = await question(req);
    if (!lastDay) {
      res.json([]);
      return;
    }
    const { from, to } = parsePeriod(textOf(req, 'period'), lastDay);
    const { rows } = await compared(from, to, dimension, filters);
    res.json(
      rows
        .map(({ key, after, changePercent }) => ({
          dim: key || 'unknown',
          cost: toNumber(after),
          deltaPct: toNumber(changePercent),
        }))
        .sort((a, b) => b.cost - a.cost),
    );
  });

  router.get('/alerts', async (req, res) => {
    const { filters } = await question(req);
    const of = filters[0]?.values[0] ?? '';
    const [budgets, { anomalies }] = await Promise.all([
      sidecar.costs.budgets({ of }),
      sidecar.costs.anomalies({ filters }),
    ]);
    res.json([
      ...budgets
        .filter(({ crossed }) => crossed > 0)
        .map(({ name, crossed, spentPercent }) => ({
          id: `budget-${name}`,
          severity: crossed >= 100 ? 'critical' : 'warn',
          message: `Budget ${name} is spent to ${spentPercent} %`,
        })),
      ...anomalies.map(anomaly => ({
        id: `anomaly-${anomaly.id}`,
        severity: 'info',
        message: `${anomaly.of} cost ${anomaly.cost} ${anomaly.currency} on ${anomaly.day} instead of ${anomaly.expected}`,
      })),
    ]);
  });
  return router;
}
