import type { BackstageCredentials, PermissionsService } from '@backstage/backend-plugin-api';
import { NotAllowedError } from '@backstage/errors';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
import { createConditionAuthorizer } from '@backstage/plugin-permission-node';
import {
  purserCostReadAllPermission,
  purserCostReadPermission,
} from '@purser/plugin-purser-common';
import type { EntityOwners } from './entityOwners';
import { type OwnedCosts, purserCostsRules } from './rules';

const satisfies = createConditionAuthorizer<OwnedCosts>({
  getRuleByName: name => {
    const rule = Object.values(purserCostsRules).find(other => other.name === name);
    if (!rule) {
      throw new NotAllowedError(`there is no rule ${name} of costs`);
    }
    return rule;
  },
});

/**
 * Throws unless the caller may see all costs, or those of the entities, which must be named: owned
 * by the caller, or as the permission policy's conditions say.
 */
export async function authorizeCosts(
  deps: { permissions: PermissionsService; owners: EntityOwners },
  entityRefs: string[],
  credentials: BackstageCredentials,
): Promise<void> {
  const { permissions, owners } = deps;
  const [[all], [own]] = await Promise.all([
    permissions.authorize([{ permission: purserCostReadAllPermission }], { credentials }),
    permissions.authorizeConditional([{ permission: purserCostReadPermission }], { credentials }),
  ]);
  if (all.result === AuthorizeResult.ALLOW) {
    return;
  }
  if (own.result === AuthorizeResult.DENY) {
    throw new NotAllowedError(`the permission ${purserCostReadPermission.name} is missing`);
  }
  const why = `the permission ${purserCostReadAllPermission.name} is missing`;
  if (entityRefs.length === 0) {
    throw new NotAllowedError(`${why}: filter by entities that you own (filter=entity=…)`);
  }
  const foreign =
    own.result === AuthorizeResult.ALLOW
      ? await owners.notOwned(entityRefs, credentials)
      : (await owners.ownedCostsOf(entityRefs, credentials))
          .filter(costs => !satisfies(own, costs))
          .map(({ entityRef }) => entityRef);
  if (foreign.length > 0) {
    throw new NotAllowedError(`${why}, and you do not own ${foreign.join(', ')}`);
  }
}
