import { InputError } from '@backstage/errors';
import { addDays, type AllocationsOptions, countDays, dayOf } from '@purser/plugin-purser-node';

const MAX_DAYS = 400;
const DAY_MINUTES = 24 * 60;
const MINUTES = { m: 1, h: 60, d: DAY_MINUTES, w: 7 * DAY_MINUTES } as const;

function minutesOf(text: string): number | undefined {
  const match = /^(\d{1,6})([mhdw])$/.exec(text);
  return match ? Number(match[1]) * MINUTES[match[2] as keyof typeof MINUTES] : undefined;
}

/** First and last day of "today", "7d", "lastmonth", "2026-11-01T00:00:00Z,2026-11-08T00:00:00Z" … */
export function parseWindow(window: string, now: number): { from: string; to: string } {
  const today = dayOf(now);
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
  // OpenCost's windows reach back from now: 6d are today and the six days before.
  const minutes = minutesOf(window);
  if (minutes) {
    return { from: dayOf(now - minutes * 60_000), to: today };
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

function parseStep(step: string, accumulate: string): number {
  if (/^(true|t|1|all)$/i.test(accumulate)) {
    return 0;
  }
  if (accumulate === 'day') {
    return 1;
  }
  if (accumulate === 'week') {
    return 7;
  }
  if (!/^(false|f|0|none)?$/i.test(accumulate)) {
    throw new InputError(`accumulate: '${accumulate}' is not true, false, day or week`);
  }
  // Without a step OpenCost makes one set of the window.
  const minutes = step === '' ? 0 : minutesOf(step);
  if (minutes === undefined || minutes % DAY_MINUTES !== 0) {
    throw new InputError(`step: '${step}' is not whole days, like 1d`);
  }
  return minutes / DAY_MINUTES;
}

/** The parameters of OpenCost's /allocation/compute; those that only say how it computes count nothing. */
export function parseQuestion(query: Record<string, unknown>, now: number): AllocationsOptions {
  const textOf = (name: string) => {
    const value = query[name];
    return typeof value === 'string' ? value : '';
  };
  const listOf = (name: string) =>
    textOf(name)
      .split(',')
      .map(part => part.trim())
      .filter(Boolean);
  const isTrue = (name: string) => /^(true|t|1|weighted)$/i.test(textOf(name));
  const isFalse = (name: string) => /^(false|f|0)$/i.test(textOf(name));
  const old = Object.keys(query).find(name => /^filter[A-Z]/.test(name));
  if (old) {
    throw new InputError(`${old}: say filter=, e.g. filter=namespace:"web"`);
  }
  if (textOf('shareSplit') === 'even') {
    throw new InputError('shareSplit: what is shared is shared in proportion to cost (weighted)');
  }
  const { from, to } = parseWindow(textOf('window'), now);
  if (countDays(from, to) > MAX_DAYS) {
    throw new InputError(`window: more than ${MAX_DAYS} days`);
  }
  const hidden = isFalse('includeIdle') || isFalse('idle');
  return {
    fromDay: from,
    toDay: to,
    aggregate: listOf('aggregate').map(field => (field === 'container' ? 'pod' : field)),
    stepDays: parseStep(textOf('step'), textOf('accumulateBy') || textOf('accumulate')),
    filter: textOf('filter'),
    idle: isTrue('shareIdle') ? 'share' : hidden ? 'hide' : 'show',
    idleByNode: isTrue('idleByNode'),
    shareNamespaces: listOf('shareNamespaces'),
  };
}
