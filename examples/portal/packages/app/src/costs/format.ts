import { monthTitle } from './months';
import type { MonthCost } from './year';

/** Two digits of an exact decimal text, rounded without a floating number in between. */
export function money(amount: string, currency: string): string {
  const format = new Intl.NumberFormat(undefined, {
    style: 'currency',
    currency,
    currencyDisplay: 'code',
  });
  return format.format(amount as `${number}`);
}

/** "12.34" as "12.3 %". */
export const percent = (value: string): string => `${Number(value).toFixed(1)} %`;

/** For scales of drawings: "1,200", "0.5". */
export const tick = (value: number): string =>
  new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 }).format(value);

/** A month in words, for who cannot see it drawn. */
export const monthText = ({ month, billed, missing }: MonthCost, currency: string): string =>
  [monthTitle(month), billed && money(billed, currency), missing].filter(Boolean).join(' ');
