import {
  AuthorizeResult,
  isPermission,
  isResourcePermission,
  type PolicyDecision,
} from '@backstage/plugin-permission-common';
import type {
  PermissionPolicy,
  PolicyQuery,
  PolicyQueryUser,
} from '@backstage/plugin-permission-node';
import {
  createPurserRequestConditionalDecision,
  purserRequestConditions,
} from '@purser/plugin-purser-backend';
import {
  purserCostReadAllPermission,
  purserRequestApprovePermission,
  purserRequestCreatePermission,
  RESOURCE_TYPE_PURSER_REQUEST,
} from '@purser/plugin-purser-common';

/** Members of this group run the platform: they approve, repair and read everything. */
export const PLATFORM_GROUP = 'group:default/platform';

/** What a signed-in user may change besides reading; whatever is not named is refused. */
const USER_MAY = new Set([
  purserRequestCreatePermission.name,
  'catalog.entity.refresh',
  'catalog.entity.validate',
  'catalog.location.analyze',
  'scaffolder.action.execute',
  'scaffolder.task.create',
  'scaffolder.task.cancel',
  'scaffolder.template.dry-run',
]);

const ALLOW: PolicyDecision = { result: AuthorizeResult.ALLOW };
const DENY: PolicyDecision = { result: AuthorizeResult.DENY };

/**
 * The demo portal's permission policy: users read the catalog and the costs of what they own, order products, and see and
 * change the requests that they or their groups own; the platform group does everything, and only it
 * approves. A query without a user gets nothing.
 */
export class PortalPolicy implements PermissionPolicy {
  async handle(request: PolicyQuery, user?: PolicyQueryUser): Promise<PolicyDecision> {
    const { permission } = request;
    if (!user) {
      return DENY;
    }
    if (user.info.ownershipEntityRefs.includes(PLATFORM_GROUP)) {
      return ALLOW;
    }
    // What own entities cost is `purser.cost.read`, which every user has.
    if (isPermission(permission, purserCostReadAllPermission)) {
      return DENY;
    }
    // Four eyes: the owner of a request is the last who may approve it.
    if (isPermission(permission, purserRequestApprovePermission)) {
      return DENY;
    }
    if (isResourcePermission(permission, RESOURCE_TYPE_PURSER_REQUEST)) {
      const claims = user.info.ownershipEntityRefs;
      return createPurserRequestConditionalDecision(
        permission,
        purserRequestConditions.isOwner({ claims }),
      );
    }
    if (permission.attributes.action === 'read' || USER_MAY.has(permission.name)) {
      return ALLOW;
    }
    return DENY;
  }
}
