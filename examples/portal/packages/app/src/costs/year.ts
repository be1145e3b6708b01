import type { CostDimension, CostRow, CostStatus } from '@purser/plugin-purser-common';
import { ownerFilters, type CostAccess } from './access';
import type { CostsClient, Days, Filters } from './costsApi';
import { addMonths, daysOf, lastCompleteMonth, monthsUntil, whatIsMissing } from './months';

/** How many values of a dimension are shown by themselves. */
const LARGEST = 6;

/** What something cost in a month. */
export interface MonthCost {
  month: string;
  /** Exact decimal text; undefined: nothing was charged, or nothing delivered. */
  billed?: string;
  /** For people, of a month that is not there or not whole. */
  missing?: string;
}

/** One of the largest values of a dimension: what it cost, by month. */
export interface Series {
  value: string;
  billed: Map<string, string>;
}

/** A year in one currency. */
export interface YearInCurrency {
  currency: string;
  months: MonthCost[];
  series: Series[];
  /** There are more values than those of the series. */
  hasRest: boolean;
}

/** Billed by month, of rows in one currency whose key at `at` is the month. */
const byMonth = (rows: CostRow[], currency: string, at: number) =>
  new Map(rows.filter(row => row.currency === currency).map(row => [row.keys[at], row.billedCost]));

/** Costs by month of what the filters name; one list for each currency. */
export async function loadMonths(
  client: CostsClient,
  status: CostStatus,
  months: string[],
  filter: Filters,
): Promise<Array<{ currency: string; months: MonthCost[] }>> {
  const rows = await client.query(daysOf(months[0], months[months.length - 1]), ['month'], filter);
  const charged = new Set(rows.map(({ keys: [month] }) => month));
  // A month in which nobody was charged anything is one whose bill did not come.
  const isDelivered = (month: string) => filter.length > 0 || charged.has(month);
  return [...new Set(rows.map(({ currency }) => currency))].map(currency => {
    const billed = byMonth(rows, currency, 0);
    return {
      currency,
      months: months.map(month => ({
        month,
        billed: billed.get(month),
        missing:
          whatIsMissing(month, status, isDelivered(month)) ??
          (billed.has(month) ? undefined : 'no charges'),
      })),
    };
  });
}

/** The twelve months up to the last complete one, and the one that has begun since. */
function monthsOf({ lastDay }: CostStatus): string[] {
  const complete = lastCompleteMonth(lastDay);
  const months = monthsUntil(complete, 12);
  return lastDay > daysOf(complete).to ? [...months, addMonths(complete, 1)] : months;
}

/** A year of costs by the values of a dimension, the largest ones apart. */
export async function loadYear(
  client: CostsClient,
  access: CostAccess,
  status: CostStatus,
  dimension: CostDimension,
): Promise<YearInCurrency[]> {
  const months = monthsOf(status);
  const days: Days = daysOf(months[0], months[months.length - 1]);
  const filter = ownerFilters(access);
  const [totals, top] = await Promise.all([
    loadMonths(client, status, months, filter),
    client.top(days, dimension, LARGEST, filter),
  ]);
  const values = [...new Set(top.rows.map(({ keys }) => keys[0]))];
  // What may be seen is narrowed by owners already, unless these are what is asked for.
  const narrowed = dimension === 'owner' ? [] : filter;
  const rows =
    values.length === 0
      ? []
      : await client.query(
          days,
          [dimension, 'month'],
          [...narrowed, ...values.map(value => `${dimension}=${value}`)],
        );
  return totals.map(({ currency, months: sums }) => ({
    currency,
    months: sums,
    hasRest: top.rest.some(row => row.currency === currency && Number(row.billedCost) !== 0),
    series: top.rows
      .filter(row => row.currency === currency)
      .map(({ keys: [value] }) => ({
        value,
        billed: byMonth(
          rows.filter(row => row.keys[0] === value),
          currency,
          1,
        ),
      })),
  }));
}
