import { InputError } from '@backstage/errors';
import type { CostDimension, CostRow } from '@purser/plugin-purser-common';
import {
  addDays,
  type AllocationsOptions,
  costsInOneCurrency,
  type CostSurfaceContext,
  countDays,
  toNumber,
} from '@purser/plugin-purser-node';
import type { Request, Router } from 'express';
import PromiseRouter from 'express-promise-router';
import { parseQuestion } from './question';

/** What OpenCost's aggregations are in bills. */
const DIMENSIONS: Record<string, CostDimension> = {
  cluster: 'source',
  node: 'account',
  namespace: 'system',
  controllerKind: 'kind',
  controller: 'entity',
  service: 'service',
  pod: 'entity',
};

const IDLE = '__idle__';

/** OpenCost's names of what belongs to nobody. */
function nameOf(key: string): string {
  if (key === '' || key === 'unallocated') {
    return '__unallocated__';
  }
  return key.startsWith('idle:') ? IDLE : key;
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
export function toSets(
  rows: CostRow[],
  { fromDay: from, toDay: to, stepDays, idle }: AllocationsOptions,
) {
  const step = stepDays || countDays(from, to);
  const sets = Array.from(
    { length: Math.ceil(countDays(from, to) / step) },
    () => new Map<string, Sum>(),
  );
  for (const {
    keys: [day, key, pool],
    effectiveCost,
  } of rows) {
    const name = nameOf(key);
    if (name === IDLE && idle === 'hide') {
      continue;
    }
    const set = sets[Math.floor((countDays(from, day) - 1) / step)];
    const sum = set.get(name) ?? { total: 0, shared: 0 };
    set.set(name, sum);
    sum.total += toNumber(effectiveCost);
    sum.shared += pool ? toNumber(effectiveCost) : 0;
  }
  return sets.map((set, i) => {
    const first = addDays(from, i * step);
    const last = addDays(first, step - 1);
    return Object.fromEntries(
      [...set].map(([name, sum]) => [name, allocation(name, first, last < to ? last : to, sum)]),
    );
  });
}

export function createRouter(
  { sidecar, authorize }: CostSurfaceContext<Request>,
  now: () => number = Date.now,
): Router {
  const router = PromiseRouter();
  router.get('/health', (_, res) => {
    res.json({ status: 'ok' });
  });
  /** Without any cluster: what bills cost, by the one thing asked for. */
  const ofBills = async (question: AllocationsOptions) => {
    const { fromDay, toDay, aggregate, filter, idle, shareNamespaces } = question;
    if (filter || idle === 'share' || shareNamespaces.length > 0 || aggregate.length > 1) {
      throw new InputError(
        'filters, sharing and several aggregations need a source of the type kubernetes in purserd',
      );
    }
    const [name = 'namespace'] = aggregate;
    const dimension = Object.hasOwn(DIMENSIONS, name) ? DIMENSIONS[name] : undefined;
    if (!dimension) {
      throw new InputError(`aggregate: must be one of ${Object.keys(DIMENSIONS).join(', ')}`);
    }
    const { rows } = await costsInOneCurrency(sidecar, {
      fromDay,
      toDay,
      groupBy: ['day', dimension, 'pool'],
    });
    return toSets(rows, question);
  };
  router.get(['/allocation/compute', '/allocation'], async (req, res) => {
    await authorize(req);
    const question = parseQuestion(req.query, now());
    const sets = await sidecar.costs.allocations(question);
    if (sets.length > 0) {
      // As purserd wrote them: exact, and not read here.
      res.type('application/json').send(`{"code":200,"data":[${sets.join(',')}]}`);
      return;
    }
    res.json({ code: 200, data: await ofBills(question) });
  });
  return router;
}
