import { useApi } from '@backstage/frontend-plugin-api';
import { catalogApiRef } from '@backstage/plugin-catalog-react';
import type { CostAnomaly, CostStatus } from '@purser/plugin-purser-common';
import useAsyncRetry from 'react-use/esm/useAsyncRetry';
import { type CostAccess, ownerFilters } from '../access';
import { costsApiRef } from '../costsApi';
import { money } from '../format';
import { addDays } from '../months';
import { FigureSection } from './FigureSection';
import type { FigureColumn } from './FigureTable';
import { findKnown, SubjectLink } from './Subject';

/** As many as purserd looks at after each delivery. */
const DAYS = 7;

const columnsOf = (known: Set<string>): Array<FigureColumn<CostAnomaly>> => [
  { title: 'Of', cell: ({ of }) => <SubjectLink value={of} known={known} /> },
  { title: 'Day', cell: ({ day }) => day },
  { title: 'Effective cost', isNumber: true, cell: ({ cost, currency }) => money(cost, currency) },
  {
    title: 'Expected',
    isNumber: true,
    cell: ({ expected, currency }) => money(expected, currency),
  },
  {
    title: 'Main cause',
    isProse: true,
    cell: ({ service, region, sku, causeDifference, currency }) => {
      const cause = [service, region, sku].filter(Boolean).join(', ');
      return cause ? `${cause} (${money(causeDifference, currency)})` : 'not known';
    },
  },
  { title: 'Owner', cell: ({ owner }) => <SubjectLink value={owner} known={known} /> },
];

/** Days of the last week that are unlike those before, each with its cause. */
export function Anomalies({ access, status }: { access: CostAccess; status: CostStatus }) {
  const client = useApi(costsApiRef);
  const catalogApi = useApi(catalogApiRef);
  const state = useAsyncRetry(async () => {
    const days = { from: addDays(status.lastDay, 1 - DAYS), to: status.lastDay };
    const rows = await client.anomalies(days, ownerFilters(access));
    const known = await findKnown(
      catalogApi,
      rows.flatMap(({ of, owner }) => [of, owner]),
    );
    return { rows, known };
  }, [client, catalogApi, access, status]);
  return (
    <FigureSection
      title="Unusual costs of the last week"
      state={state}
      columns={columnsOf}
      idOf={({ id, currency }) => `${id} ${currency}`}
      empty="There are none."
    />
  );
}
