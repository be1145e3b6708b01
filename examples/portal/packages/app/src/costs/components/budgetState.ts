import type { TextColorStatus } from '@backstage/ui';
import type { CostBudget } from '@purser/plugin-purser-common';
import { percent } from '../format';

/** How a budget stands, for people: the worst that can be said of it. */
export function budgetState(budget: CostBudget): { text: string; color: TextColorStatus } {
  const { amount, crossed, forecast, problem, spent, spentPercent } = budget;
  if (problem) {
    return { text: `not known: ${problem}`, color: 'warning' };
  }
  const used = `${percent(spentPercent)} used`;
  if (Number(spent) > Number(amount)) {
    return { text: `exceeded: ${used}`, color: 'danger' };
  }
  if (forecast && Number(forecast) > Number(amount)) {
    return { text: `will be exceeded: ${used}`, color: 'warning' };
  }
  if (crossed > 0) {
    return { text: `${crossed} % reached: ${used}`, color: 'warning' };
  }
  return { text: `in budget: ${used}`, color: 'success' };
}
