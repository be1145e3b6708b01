import { InputError } from '@backstage/errors';
import { addDays } from '@purser/plugin-purser-node';

/** Two periods, one after the other. */
export interface Periods {
  from: string;
  /** First day of the later period. */
  middle: string;
  /** Last day of the later period. */
  to: string;
}

function monthsBefore(day: string, months: number): string {
  const date = new Date(`${day}T00:00:00Z`);
  const month = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - months, 1));
  const last = new Date(Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 1, 0)).getUTCDate();
  month.setUTCDate(Math.min(date.getUTCDate(), last));
  return month.toISOString().slice(0, 10);
}

/** ISO 8601 "R2/P30D/2026-11-20": two periods of 30 days, to the day before. */
export function parseIntervals(text: string): Periods {
  const match = /^R2\/P(\d{1,3})([DM])\/(\d{4}-\d{2}-\d{2})$/.exec(text);
  const count = Number(match?.[1]);
  if (!match || count < 1 || !Number.isFinite(Date.parse(match[3]))) {
    throw new InputError(`intervals: '${text}' is not like R2/P30D/2026-11-20`);
  }
  const back = (day: string) =>
    match[2] === 'D' ? addDays(day, -count) : monthsBefore(day, count);
  const middle = back(match[3]);
  return { from: back(middle), middle, to: addDays(match[3], -1) };
}
