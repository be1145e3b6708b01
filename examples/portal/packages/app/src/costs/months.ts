import type { CostStatus } from '@purser/plugin-purser-common';
import type { Days } from './costsApi';

/** Months are named like "2026-11", UTC. */

const monthOf = (time: Date): string => time.toISOString().slice(0, 7);

const startOf = (month: string): Date => new Date(`${month}-01T00:00:00Z`);

/** The month so many months later. */
export function addMonths(month: string, count: number): string {
  const time = startOf(month);
  time.setUTCMonth(time.getUTCMonth() + count);
  return monthOf(time);
}

/** The day so many days later. */
export function addDays(day: string, count: number): string {
  const time = new Date(`${day}T00:00:00Z`);
  time.setUTCDate(time.getUTCDate() + count);
  return time.toISOString().slice(0, 10);
}

/** First and last day of a month, or of all from one to another. */
export const daysOf = (first: string, last = first): Days => ({
  from: `${first}-01`,
  to: addDays(`${addMonths(last, 1)}-01`, -1),
});

/** The last month whose last day has data; as Purser names it on entities. */
export const lastCompleteMonth = (lastDay: string): string =>
  addMonths(addDays(lastDay, 1).slice(0, 7), -1);

/** `count` months, the last of them at the end. */
export const monthsUntil = (last: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => addMonths(last, i - count + 1));

/** "Nov 2026" */
export const monthTitle = (month: string): string =>
  startOf(month).toLocaleDateString(undefined, {
    month: 'short',
    year: 'numeric',
    timeZone: 'UTC',
  });

/** How much of a month was delivered, for people; undefined: all of it. */
export function whatIsMissing(
  month: string,
  status: CostStatus,
  isDelivered: boolean,
): string | undefined {
  const { from, to } = daysOf(month);
  if (!isDelivered || to < status.firstDay || from > status.lastDay) {
    return 'not delivered';
  }
  if (to > status.lastDay) {
    return `until ${status.lastDay}`;
  }
  return from < status.firstDay ? `from ${status.firstDay}` : undefined;
}
