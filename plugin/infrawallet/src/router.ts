import { InputError, NotAllowedError, NotFoundError } from '@backstage/errors';
import type { CostRow } from '@purser/plugin-purser-common';
import {
  costsInOneCurrency,
  type CostSurfaceContext,
  dayOf,
  mainCurrency,
  toNumber,
} from '@purser/plugin-purser-node';
import type { Request, Response, Router } from 'express';
import PromiseRouter from 'express-promise-router';
import { NO_PROJECT, parseFilters } from './filters';

/** One line of InfraWallet's report. */
export interface Report {
  id: string;
  account: string;
  service: string;
  category: string;
  provider: string;
  providerType: 'Integration';
  /** Its card shows nothing of what has no project. */
  project: string;
  reports: { [period: string]: number };
}

// Entities of an InfraWallet card are named without their kind.
const KINDS = ['component', 'resource', 'system', 'api'];
const WALLET = 'default';
const READ_ONLY = 'budgets, custom costs and metrics come from the files of purserd';

function timeOf(request: Request, name: 'startTime' | 'endTime'): string {
  const time = Number(request.query[name]);
  if (!Number.isFinite(time) || Math.abs(time) > 8.64e15) {
    throw new InputError(`${name}: milliseconds since 1970 are expected`);
  }
  return dayOf(time);
}

const textOf = (request: Request, name: string): string => {
  const value = request.query[name];
  return typeof value === 'string' ? value : '';
};

/** Rows by period, account, service, category, source and system as InfraWallet's reports. */
export function toReports(rows: CostRow[]): Report[] {
  const reports = new Map<string, Report>();
  for (const { keys, billedCost } of rows) {
    const [period, account, service, category, source, system] = keys;
    const id = [source, account, service, category, system].join('->');
    const report = reports.get(id) ?? {
      id,
      account: `${source}/${account}`,
      service: `${source}/${service}`,
      category,
      provider: source,
      providerType: 'Integration' as const,
      project: system || NO_PROJECT,
      reports: {},
    };
    report.reports[period] = (report.reports[period] ?? 0) + toNumber(billedCost);
    reports.set(id, report);
  }
  return [...reports.values()];
}

export function createRouter(context: CostSurfaceContext<Request>): Router {
  const { sidecar, authorize } = context;
  const router = PromiseRouter();

  /** Those of the entities whose costs the caller may see; an error when there are none. */
  const visibleOf = async (req: Request, entities: string[]): Promise<string[]> => {
    const answers = await Promise.all(
      entities.map(ref =>
        authorize(req, [ref]).then(
          () => undefined,
          (error: Error) => error,
        ),
      ),
    );
    const visible = entities.filter((_, i) => !answers[i]);
    if (visible.length === 0) {
      throw answers[0];
    }
    return visible;
  };

  router.get('/health', (_, res) => {
    res.json({ status: 'ok' });
  });

  router.get('/reports', async (req, res) => {
    const monthly = textOf(req, 'granularity') !== 'daily';
    const filters = parseFilters(textOf(req, 'filters'));
    const entityName = textOf(req, 'entityName');
    const entities = entityName ? KINDS.map(kind => `${kind}:${entityName}`.toLowerCase()) : [];
    if (entityName) {
      if (!/^[^/:]+\/[^/:]+$/.test(entityName)) {
        throw new InputError('entityName: namespace/name is expected');
      }
      filters.push({ dimension: 'entity', values: await visibleOf(req, entities) });
    } else {
      // A project is a system, which somebody owns; what belongs to none is everybody's.
      const systems = filters.find(({ dimension }) => dimension === 'system')?.values ?? [];
      await authorize(req, systems.includes('') ? [] : systems);
    }
    // Its pages say "()" for none.
    if (!/^(\(\s*\))?$/.test(textOf(req, 'tags').trim())) {
      res.status(207).json({
        data: [],
        errors: [
          { provider: 'purser', name: 'tags', error: 'sums are kept by entity, not by tag' },
        ],
        status: 207,
      });
      return;
    }
    const { rows } = await costsInOneCurrency(sidecar, {
      fromDay: timeOf(req, 'startTime'),
      toDay: timeOf(req, 'endTime'),
      groupBy: [
        monthly ? 'month' : 'day',
        'account',
        'service',
        'charge_category',
        'source',
        'system',
      ],
      filters,
    });
    res.json({ data: toReports(rows), errors: [], status: 200 });
  });

  for (const path of ['/tag-keys', '/tag-values']) {
    router.get(path, async (req, res) => {
      await authorize(req);
      res.json({ data: [], errors: [], status: 200 });
    });
  }

  router.get('/custom-costs', async (req, res) => {
    await authorize(req);
    res.json({ data: [], status: 200 });
  });
  router.get('/metric/metric-configs', async (req, res) => {
    await authorize(req);
    res.json({ data: [], status: 200 });
  });

  const refuse = async (req: Request, _: Response) => {
    await authorize(req);
    throw new NotAllowedError(READ_ONLY);
  };
  router.post('/custom-costs', refuse);
  router.put('/custom-cost', refuse);
  router.delete('/custom-cost', refuse);
  router.put('/:wallet/budgets', refuse);
  router.put('/:wallet/metrics-setting', refuse);
  router.delete('/:wallet/metrics-setting', refuse);
  router.post('/:wallet/delete_cost_items', refuse);
  router.get('/fetch_and_save_costs', refuse);

  const known = (wallet: string) => {
    if (wallet !== WALLET) {
      throw new NotFoundError(`there is no wallet ${wallet}; there is ${WALLET}`);
    }
  };
  router.get('/:wallet/budgets', async (req, res) => {
    await authorize(req);
    known(req.params.wallet);
    const provider = textOf(req, 'provider');
    const budgets = await sidecar.costs.budgets({});
    const data = budgets
      // There a budget is of a year and a provider; ours say what they are of.
      .filter(({ period, of }) => period === 'year' && (!provider || of === provider))
      .map(({ name, of, amount }) => ({ id: name, provider: of, name, amount: toNumber(amount) }));
    res.json({ data, status: 200 });
  });
  router.get('/:wallet/metrics', async (req, res) => {
    await authorize(req);
    known(req.params.wallet);
    res.json({ data: [], errors: [], status: 200 });
  });
  router.get('/:wallet/metrics-setting', async (req, res) => {
    await authorize(req);
    known(req.params.wallet);
    res.json({ data: [], status: 200 });
  });
  router.get('/:wallet', async (req, res) => {
    await authorize(req);
    known(req.params.wallet);
    res.json({
      data: {
        id: WALLET,
        name: WALLET,
        currency: await mainCurrency(sidecar),
        description: "Purser's costs",
      },
      status: 200,
    });
  });
  return router;
}
