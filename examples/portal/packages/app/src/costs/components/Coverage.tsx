import { useApi } from '@backstage/frontend-plugin-api';
import type { CostStatus, ReconciledInvoice } from '@purser/plugin-purser-common';
import useAsyncRetry from 'react-use/esm/useAsyncRetry';
import { costsApiRef } from '../costsApi';
import { money, percent } from '../format';
import { daysOf, lastCompleteMonth, monthTitle } from '../months';
import { FigureSection } from './FigureSection';
import type { FigureColumn } from './FigureTable';

const amount = (
  title: string,
  member: 'billed' | 'entities' | 'shared' | 'unallocated',
): FigureColumn<ReconciledInvoice> => ({
  title,
  isNumber: true,
  cell: row => money(row[member], row.currency),
});

const columns: Array<FigureColumn<ReconciledInvoice>> = [
  { title: 'Invoice', cell: ({ invoice, source }) => `${invoice || 'no number'} (${source})` },
  { title: 'Month', cell: ({ billingPeriod }) => monthTitle(billingPeriod.slice(0, 7)) },
  amount('Billed', 'billed'),
  amount('To entities', 'entities'),
  amount('Shared', 'shared'),
  amount('Unallocated', 'unallocated'),
  {
    title: 'Allocated',
    isNumber: true,
    cell: ({ coveragePercent }) => percent(coveragePercent),
  },
];

/** Where the invoices of the last complete month and of the one since went. */
export function Coverage({ status }: { status: CostStatus }) {
  const client = useApi(costsApiRef);
  const { from } = daysOf(lastCompleteMonth(status.lastDay));
  const state = useAsyncRetry(
    async () => ({ rows: await client.invoices({ from, to: status.lastDay }) }),
    [client, from, status],
  );
  return (
    <FigureSection
      title="Where the invoices went"
      state={state}
      columns={() => columns}
      idOf={row => [row.source, row.billingPeriod, row.invoice, row.currency].join(' ')}
      empty="There are no invoices of the last complete month."
    />
  );
}
