import {
  createConditionExports,
  createPermissionResourceRef,
  createPermissionRule,
} from '@backstage/plugin-permission-node';
import { RESOURCE_TYPE_PURSER_COSTS } from '@purser/plugin-purser-common';
import { z } from 'zod';

/** What an entity costs, as permission rules see it. */
export interface OwnedCosts {
  entityRef: string;
  /** Entity refs of the entity's owners. */
  owners: string[];
}

/** Costs in permission decisions. They are asked for by entity, never listed: nothing is queried. */
export const purserCostsResourceRef = createPermissionResourceRef<
  OwnedCosts,
  { claims: string[] }
>().with({ pluginId: 'purser', resourceType: RESOURCE_TYPE_PURSER_COSTS });

/** Costs of what one of the claims owns, or is. */
const isOwner = createPermissionRule({
  name: 'isOwner',
  description: 'Allow costs of entities that are owned by, or are, one of the given entities',
  resourceRef: purserCostsResourceRef,
  paramsSchema: z.object({
    claims: z
      .array(z.string())
      .describe('Entity refs, as the ownership claims of a user: the user and its groups'),
  }),
  apply: ({ entityRef, owners }, { claims }) =>
    [entityRef, ...owners].some(ref => claims.includes(ref)),
  toQuery: ({ claims }) => ({ claims }),
});

/** All rules of costs. */
export const purserCostsRules = { isOwner };

/** For permission policies: `purserCostsConditions.isOwner({ claims })`. */
export const {
  conditions: purserCostsConditions,
  createConditionalDecision: createPurserCostsConditionalDecision,
} = createConditionExports({ resourceRef: purserCostsResourceRef, rules: purserCostsRules });
