import {
  createConditionExports,
  createPermissionResourceRef,
  createPermissionRule,
} from '@backstage/plugin-permission-node';
import { type PurserRequest, RESOURCE_TYPE_PURSER_REQUEST } from '@purser/plugin-purser-common';
import { z } from 'zod';

/** What the sidecar's lists can be narrowed by. */
export interface RequestFilter {
  owner?: string;
  requester?: string;
}

/** Requests in permission decisions. */
export const purserRequestResourceRef = createPermissionResourceRef<
  PurserRequest,
  RequestFilter
>().with({ pluginId: 'purser', resourceType: RESOURCE_TYPE_PURSER_REQUEST });

/** Requests that one of the claims owns or made. */
export const isOwner = createPermissionRule({
  name: 'isOwner',
  description: 'Allow requests that are owned or were made by one of the given entities',
  resourceRef: purserRequestResourceRef,
  paramsSchema: z.object({
    claims: z
      .array(z.string())
      .describe('Entity refs, as the ownership claims of a user: the user and its groups'),
  }),
  apply: (request, { claims }) =>
    claims.includes(request.owner) || claims.includes(request.requester),
  toQuery: ({ claims }) =>
    claims.length === 0
      ? { not: {} }
      : {
          anyOf: claims.flatMap(claim => [{ owner: claim }, { requester: claim }]) as [
            RequestFilter,
            ...RequestFilter[],
          ],
        },
});

/** All rules of requests. */
export const purserRequestRules = { isOwner };

/** For permission policies: `purserRequestConditions.isOwner({ claims })`. */
export const {
  conditions: purserRequestConditions,
  createConditionalDecision: createPurserRequestConditionalDecision,
} = createConditionExports({
  resourceRef: purserRequestResourceRef,
  rules: purserRequestRules,
});
