import {
  AuthorizeResult,
  type PolicyDecision,
} from '@backstage/plugin-permission-common';
import type {
  PermissionPolicy,
  PolicyQuery,
  PolicyQueryUser,
} from '@backstage/plugin-permission-node';

/** Members of this group run the platform: they approve, repair and read everything. */
export const PLATFORM_GROUP = 'group:default/platform';

/** What a signed-in user may change besides reading; whatever is not named is refused. */
const USER_MAY = new Set([
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
 * The demo portal's permission policy: users read, order and cancel what their groups own; the
 * platform group does everything. A request without a user gets nothing.
 */
export class PortalPolicy implements PermissionPolicy {
  async handle(request: PolicyQuery, user?: PolicyQueryUser): Promise<PolicyDecision> {
    if (!user) {
      return DENY;
    }
    if (user.info.ownershipEntityRefs.includes(PLATFORM_GROUP)) {
      return ALLOW;
    }
    if (request.permission.attributes.action === 'read' || USER_MAY.has(request.permission.name)) {
      return ALLOW;
    }
    return DENY;
  }
}
