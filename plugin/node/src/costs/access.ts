import type { BackstageCredentials, PermissionsService } from '@backstage/backend-plugin-api';
import { NotAllowedError } from '@backstage/errors';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
import {
  purserCostReadAllPermission,
  purserCostReadPermission,
} from '@purser/plugin-purser-common';
import type { EntityOwners } from './entityOwners';

/**
 * Throws unless the caller may see all costs, or those of the entities, which must be named and
 * owned then.
 */
export async function authorizeCosts(
  deps: { permissions: PermissionsService; owners: EntityOwners },
  entityRefs: string[],
  credentials: BackstageCredentials,
): Promise<void> {
  const [all, own] = await deps.permissions.authorize(
    [{ permission: purserCostReadAllPermission }, { permission: purserCostReadPermission }],
    { credentials },
  );
  if (all.result === AuthorizeResult.ALLOW) {
    return;
  }
  if (own.result !== AuthorizeResult.ALLOW) {
    throw new NotAllowedError(`the permission ${purserCostReadPermission.name} is missing`);
  }
  const why = `the permission ${purserCostReadAllPermission.name} is missing`;
  if (entityRefs.length === 0) {
    throw new NotAllowedError(`${why}: filter by entities that you own (filter=entity=…)`);
  }
  const foreign = await deps.owners.notOwned(entityRefs, credentials);
  if (foreign.length > 0) {
    throw new NotAllowedError(`${why}, and you do not own ${foreign.join(', ')}`);
  }
}
