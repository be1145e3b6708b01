import { identityApiRef, useApi } from '@backstage/frontend-plugin-api';
import { usePermission } from '@backstage/plugin-permission-react';
import { purserCostReadAllPermission } from '@purser/plugin-purser-common';
import { useMemo } from 'react';
import useAsync from 'react-use/esm/useAsync';
import type { Filters } from './costsApi';

/** Whose costs the signed-in user sees. */
export interface CostAccess {
  /** The user and the groups it is in; undefined: everybody's. */
  owners?: string[];
}

/** Filters that narrow a question to what may be seen; without them Purser refuses it. */
export const ownerFilters = ({ owners }: CostAccess): Filters =>
  owners?.map(ref => `owner=${ref}`) ?? [];

/** Asks once for all, or once for each owner. */
export async function forOwners<T>(
  { owners }: CostAccess,
  ask: (owner?: string) => Promise<T[]>,
): Promise<T[]> {
  return owners ? (await Promise.all(owners.map(owner => ask(owner)))).flat() : ask();
}

/** Knows whose costs to ask for; undefined while that is being found out. */
export function useCostAccess(): { access?: CostAccess; error?: Error } {
  const identityApi = useApi(identityApiRef);
  const all = usePermission({ permission: purserCostReadAllPermission });
  const identity = useAsync(() => identityApi.getBackstageIdentity(), [identityApi]);
  const owners = identity.value?.ownershipEntityRefs;
  return useMemo(() => {
    if (all.loading || !owners) {
      return { error: all.error ?? identity.error };
    }
    return { access: all.allowed ? {} : { owners }, error: all.error };
  }, [all.loading, all.allowed, all.error, owners, identity.error]);
}
