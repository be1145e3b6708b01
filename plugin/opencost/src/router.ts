import { InputError } from '@backstage/errors';
import type { CostDimension, CostRow } from '@purser/plugin-purser-common';
import {
  addDays,
  costsInOneCurrency,
  type CostSurfaceContext,
  countDays,
  dayOf,
  toNumber,
} from '@purser/plugin-purser-node';
import type { Request, Router } from 'express';
import PromiseRouter from 'express-promise-router';

const MAX_DAYS = 400;

/** What OpenCost's aggregations are here; pods and containers are not kept apart from what owns them. */
const DIMENSIONS: Record<string, CostDimension> = {
  cluster: 'source',
  node: 'account',
  namespace: 'system',
  controllerKind: 'kind',
  controller: 'entity',
  service: 'service',
  pod: 'entity',
  container: 'entity',
};

/** First and last day of "today", "7d", "lastmonth", "2026-11-01T00:00:00Z,2026-11-08T00:00:00Z" … */
export function parseWindow(window: string, today: string): { from: string; to: string } {
  const weekday = new Date(`${today}T00:00:00Z`).getUTCDay();
  const monday = addDays(today, -((weekday + 6) % 7));
  const month = `${today.slice(0, 7)}-01`;
  switch (window) {
    case 'today':
      return { from: today, to: today };
    case 'yesterday':
      return { from: addDays(today, -1), to: addDays(today, -1) };
    case 'week':
      return { from: monday, to: today };
    case 'month':
      return { from: month, to: today };
    case 'lastweek':
      return { from: addDays(monday, -7), to: addDays(monday, -1) };
    case 'lastmonth':
      return { from: `${addDays(month, -1).slice(0, 7)}-01`, to: addDays(month, -1) };
    default:
  }
  const days = /^(\d{1,3})d$/.exec(window);
  if (days) {
    // OpenCost's windows of days reach back from now: 6d are today and the six days before.
    return { from: addDays(today, -Number(days[1])), to: today };
  }
  const [start, end] = window
    .split(',')
    .map(text => (/^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text)));
  if (Number.isFinite(start) && Number.isFinite(end) && end > start) {
    // The end is the moment after the last one.
    return { from: dayOf(start), to: dayOf(end - 1) };
  }
  throw new InputError(`window: '${window}' is not one of OpenCost's`);
}

/** OpenCost's names of what belongs to nobody. */
function nameOf(key: string): string {
  if (key === '' || key === 'unallocated') {
    return '__unallocated__';
  }
  return key.startsWith('idle:') ? '__idle__' : key;
}

interface Sum {
  total: number;
  shared: number;
}

function allocation(name: string, from: string, to: string, sum: Sum) {
  const start = `${from}T00:00:00Z`;
  const end = `${addDays(to, 1)}T00:00:00Z`;
  return {
    name,
    properties: {},
    window: { start, end },
    start,
    end,
    minutes: countDays(from, to) * 24 * 60,
    cpuCost: 0,
    gpuCost: 0,
    ramCost: 0,
    pvCost: 0,
    networkCost: 0,
    loadBalancerCost: 0,
    sharedCost: sum.shared,
    // Bills say what was paid, not for which part of a machine.
    externalCost: sum.total - sum.shared,
    totalCost: sum.total,
    totalEfficiency: 0,
    cpuEfficiency: 0,
    ramEfficiency: 0,
  };
}

/** Rows by day, value and pool as OpenCost's list of sets. */
export function toSets(rows: CostRow[], from: string, to: string, accumulate: boolean) {
  const days = new Map<string, Map<string, Sum>>();
  for (const {
    keys: [day, key, pool],
    effectiveCost,
  } of rows) {
    const set = days.get(accumulate ? from : day) ?? new Map<string, Sum>();
    days.set(accumulate ? from : day, set);
    const sum = set.get(nameOf(key)) ?? { total: 0, shared: 0 };
    set.set(nameOf(key), sum);
    sum.total += toNumber(effectiveCost);
    sum.shared += pool ? toNumber(effectiveCost) : 0;
  }
  const first = accumulate
    ? [from]
    : Array.from({ length: countDays(from, to) }, (_, i) => addDays(from, i));
  return first.map(day =>
    Object.fromEntries(
      [...(days.get(day) ?? [])].map(([name, sum]) => [
        name,
        allocation(name, day, accumulate ? to : day, sum),
      ]),
    ),
  );
}

export function createRouter(
  { sidecar, authorize }: CostSurfaceContext<Request>,
  now: () => number = Date.now,
): Router {
  const router = PromiseRouter();
  router.get('/health', (_, res) => {
    res.json({ status: 'ok' });
  });
  const compute = async (req: Request) => {
    await authorize(req);
    const { window = '', aggregate = 'namespace', accumulate = 'false' } = req.query;
    const { from, to } = parseWindow(String(window), dayOf(now()));
    if (countDays(from, to) > MAX_DAYS) {
      throw new InputError(`window: more than ${MAX_DAYS} days`);
    }
    const dimension = DIMENSIONS[String(aggregate)];
    if (!dimension) {
      throw new InputError(`aggregate: must be one of ${Object.keys(DIMENSIONS).join(', ')}`);
    }
    const { rows } = await costsInOneCurrency(sidecar, {
      fromDay: from,
      toDay: to,
      groupBy: ['day', dimension, 'pool'],
    });
    return { code: 200, data: toSets(rows, from, to, String(accumulate) === 'true') };
  };
  for (const path of ['/allocation/compute', '/allocation']) {
    router.get(path, async (req, res) => {
      res.json(await compute(req));
    });
  }
  return router;
}
