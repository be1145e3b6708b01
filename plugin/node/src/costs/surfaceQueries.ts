import { isError } from '@backstage/errors';
import type { CostRow } from '@purser/plugin-purser-common';
import type { QueryCostsOptions, SidecarClient } from '../types';
import type { CostFilterOption } from '../sidecar/costs';
import { toNumber } from './periods';

const PAGE = 5_000;
const NO_COSTS = 'USD';

/** The currency that most is charged in. */
export async function mainCurrency(sidecar: SidecarClient): Promise<string> {
  const { firstDay, lastDay } = await sidecar.costs.status();
  if (!firstDay) {
    return NO_COSTS;
  }
  const { total } = await sidecar.costs.top({
    fromDay: firstDay,
    toDay: lastDay,
    dimension: 'source',
    limit: 1,
  });
  const [largest] = [...total].sort((a, b) => toNumber(b.billedCost) - toNumber(a.billedCost));
  return largest?.currency ?? NO_COSTS;
}

/**
 * Answers in one currency, for contracts that know but one: that which most is charged in. Others
 * are converted; without rates they are left out, since they cannot be added.
 */
export async function inOneCurrency<TRow extends { currency: string }>(
  sidecar: SidecarClient,
  ask: (currency?: string) => Promise<TRow[]>,
): Promise<{ currency: string; rows: TRow[] }> {
  const [currency, rows] = await Promise.all([mainCurrency(sidecar), ask()]);
  if (rows.every(row => row.currency === currency)) {
    return { currency, rows };
  }
  try {
    return { currency, rows: await ask(currency) };
  } catch (error) {
    // That is how purserd says that it has no rates, or not for these days.
    if (!isError(error) || error.name !== 'ConflictError') {
      throw error;
    }
    return { currency, rows: rows.filter(row => row.currency === currency) };
  }
}

/** All rows of a query, page by page. */
export async function allCosts(
  sidecar: SidecarClient,
  query: Omit<QueryCostsOptions, 'pageSize' | 'pageToken'>,
): Promise<CostRow[]> {
  const rows: CostRow[] = [];
  let pageToken: string | undefined;
  do {
    const page = await sidecar.queryCosts({ ...query, pageSize: PAGE, pageToken });
    rows.push(...page.items);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return rows;
}

/** {@link allCosts} in one currency. */
export function costsInOneCurrency(
  sidecar: SidecarClient,
  query: Omit<QueryCostsOptions, 'pageSize' | 'pageToken' | 'currency'>,
): Promise<{ currency: string; rows: CostRow[] }> {
  return inOneCurrency(sidecar, currency => allCosts(sidecar, { ...query, currency }));
}

/** An entity ref of what other products call by a name alone. */
export const refOf = (text: string, kind: string): string =>
  (text.includes(':')
    ? text
    : `${kind}:${text.includes('/') ? text : `default/${text}`}`
  ).toLowerCase();

/** An entity ref as the filter that gives all that counts for it. */
export function filterOf(ref: string): CostFilterOption {
  const [kind] = ref.split(':');
  const dimension = ({ group: 'group', system: 'system', domain: 'domain' } as const)[kind];
  return { dimension: dimension ?? 'entity', values: [ref] };
}
