import { useApi } from '@backstage/frontend-plugin-api';
import { catalogApiRef } from '@backstage/plugin-catalog-react';
import type { ComparedCost, CostStatus } from '@purser/plugin-purser-common';
import useAsyncRetry from 'react-use/esm/useAsyncRetry';
import { type CostAccess, ownerFilters } from '../access';
import { costsApiRef } from '../costsApi';
import { money, percent } from '../format';
import { addMonths, daysOf, lastCompleteMonth, monthTitle } from '../months';
import { FigureSection } from './FigureSection';
import type { FigureColumn } from './FigureTable';
import { findKnown, SubjectLink } from './Subject';

const SHOWN = 10;

const columnsOf = (known: Set<string>, before: string): Array<FigureColumn<ComparedCost>> => [
  { title: 'Entity', cell: ({ key }) => <SubjectLink value={key} known={known} /> },
  { title: 'Billed', isNumber: true, cell: row => money(row.after, row.currency) },
  { title: monthTitle(before), isNumber: true, cell: row => money(row.before, row.currency) },
  {
    title: 'Change',
    isNumber: true,
    cell: row =>
      Number(row.before) === 0
        ? 'new'
        : `${row.change.startsWith('-') ? '' : '+'}${percent(row.changePercent)}`,
  },
];

/** The entities that cost most in the last complete month, beside the month before. */
export function TopEntities({ access, status }: { access: CostAccess; status: CostStatus }) {
  const client = useApi(costsApiRef);
  const catalogApi = useApi(catalogApiRef);
  const month = lastCompleteMonth(status.lastDay);
  const before = addMonths(month, -1);
  const state = useAsyncRetry(async () => {
    const filter = ownerFilters(access);
    const top = await client.top(daysOf(month), 'entity', SHOWN, filter);
    const refs = [...new Set(top.rows.map(({ keys }) => keys[0]))];
    if (refs.length === 0) {
      return { rows: [] };
    }
    const [compared, known] = await Promise.all([
      client.compare(daysOf(month), daysOf(before), 'entity', [
        ...filter,
        ...refs.map(ref => `entity=${ref}`),
      ]),
      findKnown(catalogApi, refs),
    ]);
    const rows = top.rows.flatMap(({ keys: [key], currency }) =>
      compared.filter(row => row.key === key && row.currency === currency),
    );
    return { rows, known };
  }, [client, catalogApi, access, month, before]);
  return (
    <FigureSection
      title={`Largest entities of ${monthTitle(month)}`}
      state={state}
      columns={known => columnsOf(known, before)}
      idOf={({ key, currency }) => `${key} ${currency}`}
      empty="Nothing was charged in this month."
    />
  );
}
