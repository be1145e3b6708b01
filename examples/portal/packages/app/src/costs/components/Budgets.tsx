import { useApi } from '@backstage/frontend-plugin-api';
import { Text } from '@backstage/ui';
import { catalogApiRef } from '@backstage/plugin-catalog-react';
import type { CostBudget } from '@purser/plugin-purser-common';
import useAsyncRetry from 'react-use/esm/useAsyncRetry';
import { type CostAccess, forOwners } from '../access';
import { costsApiRef } from '../costsApi';
import { money } from '../format';
import { budgetState } from './budgetState';
import { FigureSection } from './FigureSection';
import type { FigureColumn } from './FigureTable';
import { findKnown, SubjectLink } from './Subject';

function State({ budget }: { budget: CostBudget }) {
  const { text, color } = budgetState(budget);
  return (
    <>
      <meter
        className="costs-meter"
        aria-label={`${budget.name}: ${text}`}
        max={100}
        low={80}
        high={99.99}
        optimum={0}
        value={Math.min(100, Number(budget.spentPercent))}
      />
      <Text variant="body-small" color={color}>
        {text}
      </Text>
    </>
  );
}

const columnsOf = (known: Set<string>): Array<FigureColumn<CostBudget>> => [
  { title: 'Budget', cell: ({ name }) => name },
  { title: 'Of', cell: ({ of }) => <SubjectLink value={of} known={known} /> },
  { title: 'Period', cell: ({ period, toDay }) => `${period} until ${toDay}` },
  { title: 'Amount', isNumber: true, cell: ({ amount, currency }) => money(amount, currency) },
  {
    title: 'Spent',
    isNumber: true,
    cell: ({ spent, currency }) => (spent ? money(spent, currency) : 'not known'),
  },
  {
    title: 'Forecast',
    isNumber: true,
    cell: ({ forecast, currency, problem }) =>
      forecast ? money(forecast, currency) : problem ? 'not known' : 'too little history',
  },
  { title: 'State', cell: budget => <State budget={budget} /> },
];

/** Budgets and how far they are spent. */
export function Budgets({ access }: { access: CostAccess }) {
  const client = useApi(costsApiRef);
  const catalogApi = useApi(catalogApiRef);
  const state = useAsyncRetry(async () => {
    const rows = await forOwners(access, owner => client.budgets(owner));
    const known = await findKnown(
      catalogApi,
      rows.map(({ of }) => of),
    );
    return { rows, known };
  }, [client, catalogApi, access]);
  return (
    <FigureSection
      title="Budgets"
      state={state}
      columns={columnsOf}
      idOf={({ name }) => name}
      empty="There are none."
    />
  );
}
