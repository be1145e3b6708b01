import { Alert, Button, Skeleton } from '@backstage/ui';
import type { ReactNode } from 'react';

const FORBIDDEN = 403;

/** Something that is being asked for, came, or did not. */
export interface LoadState<T> {
  value?: T;
  error?: Error;
  retry?: () => void;
}

/** What the server said, where it said something. */
const messageOf = ({ cause, message }: Error) => (cause instanceof Error ? cause.message : message);

/** What is said of an answer that did not come. */
export function Failed({ error, retry }: { error: Error; retry?: () => void }) {
  const isForbidden = 'statusCode' in error && error.statusCode === FORBIDDEN;
  return (
    <Alert
      role="alert"
      status={isForbidden ? 'info' : 'danger'}
      icon
      title={isForbidden ? 'You may not see these costs' : 'The costs could not be read'}
      description={
        isForbidden
          ? 'They are shown to owners, and to people who may see all costs.'
          : messageOf(error)
      }
      customActions={
        retry &&
        !isForbidden && (
          <Button size="small" variant="secondary" onPress={retry}>
            Try again
          </Button>
        )
      }
    />
  );
}

/** Shows what was asked for, that it is being read, or why there is none. */
export function Loaded<T>(props: { state: LoadState<T>; children: (value: T) => ReactNode }) {
  const { state, children } = props;
  if (state.error) {
    return <Failed error={state.error} retry={state.retry} />;
  }
  if (state.value === undefined) {
    return (
      <div role="status" aria-label="Reading costs">
        <Skeleton width="100%" height={96} />
      </div>
    );
  }
  return <>{children(state.value)}</>;
}
