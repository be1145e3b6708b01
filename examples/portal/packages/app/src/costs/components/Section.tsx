import { Card, CardBody, CardHeader, Flex, Text } from '@backstage/ui';
import { type ReactNode, useId } from 'react';

/** A part of the page under a heading of its own. */
export function Section(props: { title: string; actions?: ReactNode; children: ReactNode }) {
  const { title, actions, children } = props;
  const id = useId();
  return (
    <Card role="region" aria-labelledby={id}>
      <CardHeader>
        <Flex justify="between" align="center">
          <Text as="h2" id={id} variant="title-x-small" weight="bold">
            {title}
          </Text>
          {actions}
        </Flex>
      </CardHeader>
      <CardBody>{children}</CardBody>
    </Card>
  );
}
