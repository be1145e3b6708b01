import { useApi } from '@backstage/frontend-plugin-api';
import { Alert, Container, Flex, Text } from '@backstage/ui';
import type { CostStatus } from '@purser/plugin-purser-common';
import useAsyncRetry from 'react-use/esm/useAsyncRetry';
import { type CostAccess, useCostAccess } from '../access';
import { costsApiRef } from '../costsApi';
import { Anomalies } from './Anomalies';
import { Budgets } from './Budgets';
import { Coverage } from './Coverage';
import { Failed, Loaded } from './Loaded';
import { TopEntities } from './TopEntities';
import { Year } from './Year';

function Sections({ access, status }: { access: CostAccess; status: CostStatus }) {
  if (!status.lastDay) {
    return (
      <Alert
        status="info"
        icon
        title="No bill has been read yet"
        description="Costs are shown here as soon as purserd has read one (purser costs ingest)."
      />
    );
  }
  return (
    <Flex direction="column" gap="4">
      <Text as="p" color="secondary">
        {access.owners ? 'What you and your groups own.' : 'Everything that was billed.'} Bills have
        been read from {status.firstDay} to {status.lastDay} (UTC).
      </Text>
      <Year access={access} status={status} />
      <Budgets access={access} />
      <Anomalies access={access} status={status} />
      <TopEntities access={access} status={status} />
      {!access.owners && <Coverage status={status} />}
    </Flex>
  );
}

/** What a year cost, who pays for it, and what is unusual: of everybody, or of what one owns. */
export function CostsPage() {
  const client = useApi(costsApiRef);
  const { access, error } = useCostAccess();
  const status = useAsyncRetry(() => client.status(), [client]);
  return (
    <Container mt="4" mb="8">
      {error ? (
        <Failed error={error} />
      ) : (
        <Loaded state={status}>
          {value => access && <Sections access={access} status={value} />}
        </Loaded>
      )}
    </Container>
  );
}
