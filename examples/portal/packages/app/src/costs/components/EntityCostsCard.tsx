import { stringifyEntityRef } from '@backstage/catalog-model';
import { useApi, useRouteRef } from '@backstage/frontend-plugin-api';
import { EntityInfoCard, useEntity } from '@backstage/plugin-catalog-react';
import { Flex, Link, Text } from '@backstage/ui';
import type { CostBudget } from '@purser/plugin-purser-common';
import useAsyncRetry from 'react-use/esm/useAsyncRetry';
import { costsApiRef } from '../costsApi';
import { money } from '../format';
import { lastCompleteMonth, monthsUntil, monthTitle } from '../months';
import { rootRouteRef } from '../routes';
import { loadMonths, type MonthCost } from '../year';
import { budgetState } from './budgetState';
import { Loaded } from './Loaded';
import { Trend } from './Trend';

/** What a page of a kind shows: systems and groups with all that belongs to them. */
const DIMENSIONS: Record<string, string> = { system: 'system', group: 'group' };

function LastMonth({ currency, months }: { currency: string; months: MonthCost[] }) {
  const { month, billed, missing } = months[months.length - 1];
  return (
    <div>
      <Text as="p" variant="body-small" color="secondary">
        Billed in {monthTitle(month)}
      </Text>
      <Text as="p" variant="title-small" weight="bold">
        {billed ? money(billed, currency) : missing}
      </Text>
      <Trend currency={currency} months={months} />
    </div>
  );
}

function BudgetLine({ budget }: { budget: CostBudget }) {
  const { text, color } = budgetState(budget);
  return (
    <Text as="p" variant="body-small">
      Budget {budget.name}: {budget.spent ? `${money(budget.spent, budget.currency)} of ` : ''}
      {money(budget.amount, budget.currency)},{' '}
      <Text as="span" variant="body-small" color={color}>
        {text}
      </Text>
    </Text>
  );
}

/** What an entity cost in the last complete month and the year before, and its budgets. */
export function EntityCostsCard() {
  const client = useApi(costsApiRef);
  const { entity } = useEntity();
  const costsPage = useRouteRef(rootRouteRef);
  const ref = stringifyEntityRef(entity);
  const dimension = DIMENSIONS[entity.kind.toLowerCase()] ?? 'entity';
  const state = useAsyncRetry(async () => {
    const status = await client.status();
    if (!status.lastDay) {
      return { years: [], budgets: [] };
    }
    const months = monthsUntil(lastCompleteMonth(status.lastDay), 12);
    const [years, budgets] = await Promise.all([
      loadMonths(client, status, months, [`${dimension}=${ref}`]),
      client.budgets(ref),
    ]);
    return { years, budgets };
  }, [client, ref, dimension]);
  return (
    <EntityInfoCard
      title="Costs"
      footerActions={costsPage && <Link href={costsPage()}>Costs page</Link>}
    >
      <Loaded state={state}>
        {({ years, budgets }) => (
          <Flex direction="column" gap="3">
            {years.length === 0 && (
              <Text as="p">No complete month of the last year has costs.</Text>
            )}
            {years.map(year => (
              <LastMonth key={year.currency} {...year} />
            ))}
            {budgets.map(budget => (
              <BudgetLine key={budget.name} budget={budget} />
            ))}
          </Flex>
        )}
      </Loaded>
    </EntityInfoCard>
  );
}
