/** Days as costs name them, "2026-11-20", UTC. */

const DAY_MS = 24 * 60 * 60 * 1000;

export const dayOf = (time: number | Date): string => new Date(time).toISOString().slice(0, 10);

export const addDays = (day: string, count: number): string =>
  dayOf(Date.parse(`${day}T00:00:00Z`) + count * DAY_MS);

/** Days from one to the other, both counted. */
export const countDays = (from: string, to: string): number =>
  Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS) + 1;

/** Sums numbers of decimal texts, for surfaces whose contract is numbers. */
export const toNumber = (decimal: string): number => Number(decimal);
