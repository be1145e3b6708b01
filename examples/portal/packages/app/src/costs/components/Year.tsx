import { useApi } from '@backstage/frontend-plugin-api';
import { Flex, Select, Text } from '@backstage/ui';
import type { CostDimension, CostStatus } from '@purser/plugin-purser-common';
import { useState } from 'react';
import useAsyncRetry from 'react-use/esm/useAsyncRetry';
import type { CostAccess } from '../access';
import { costsApiRef } from '../costsApi';
import { loadYear, type YearInCurrency } from '../year';
import { Loaded } from './Loaded';
import { MonthlyChart } from './MonthlyChart';
import { Legend, MonthlyFigures } from './MonthlyFigures';
import { Section } from './Section';

/** What a year may be split by, and what the charges without it are called. */
const SPLITS: Array<{ id: CostDimension; label: string; none: string }> = [
  { id: 'owner', label: 'owner', none: 'no owner' },
  { id: 'system', label: 'system', none: 'no system' },
  { id: 'product', label: 'product', none: 'no product' },
  { id: 'environment', label: 'environment', none: 'no environment' },
  { id: 'service', label: 'service of the bill', none: 'no service' },
];

function YearView({ years, none }: { years: YearInCurrency[]; none: string }) {
  const [wanted, setWanted] = useState<string>();
  const year = years.find(({ currency }) => currency === wanted) ?? years[0];
  if (!year) {
    return <Text as="p">Nothing was charged in this year.</Text>;
  }
  return (
    <Flex direction="column" gap="3">
      {years.length > 1 && (
        <Select
          label="Currency"
          className="costs-choice"
          options={years.map(({ currency }) => ({ id: currency, label: currency }))}
          value={year.currency}
          onChange={key => setWanted(String(key))}
        />
      )}
      <div className="costs-drawing">
        <MonthlyChart year={year} label={`Costs by month in ${year.currency}`} />
      </div>
      <Legend year={year} none={none} />
      <MonthlyFigures year={year} none={none} />
    </Flex>
  );
}

/** A year of costs by month, split by what one chooses. */
export function Year({ access, status }: { access: CostAccess; status: CostStatus }) {
  const client = useApi(costsApiRef);
  const [split, setSplit] = useState(SPLITS[0]);
  const years = useAsyncRetry(
    () => loadYear(client, access, status, split.id),
    [client, access, status, split],
  );
  return (
    <Section
      title="Costs by month"
      actions={
        <Select
          aria-label="Split by"
          className="costs-choice"
          options={SPLITS.map(({ id, label }) => ({ id, label: `by ${label}` }))}
          value={split.id}
          onChange={key => setSplit(SPLITS.find(({ id }) => id === key) ?? split)}
        />
      }
    >
      <Loaded state={years}>{value => <YearView years={value} none={split.none} />}</Loaded>
    </Section>
  );
}
