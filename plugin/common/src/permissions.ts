import { createPermission } from '@backstage/plugin-permission-common';

/** Resource type of requests in permission decisions. */
export const RESOURCE_TYPE_PURSER_REQUEST = 'purser-request';

const HOLDING_RESOURCE_PREFIX = 'holding:';

/**
 * What a permission of {@link RESOURCE_TYPE_PURSER_REQUEST} is asked about when it is about a holding:
 * judged by its owner of now.
 */
export const holdingResourceRef = (id: string) => `${HOLDING_RESOURCE_PREFIX}${id}`;

/** The holding that a resource ref is about; undefined: it is about a request. */
export const holdingOfResourceRef = (ref: string): string | undefined =>
  ref.startsWith(HOLDING_RESOURCE_PREFIX) ? ref.slice(HOLDING_RESOURCE_PREFIX.length) : undefined;

/** May ask for products and see which there are. */
export const purserRequestCreatePermission = createPermission({
  name: 'purser.request.create',
  attributes: { action: 'create' },
});

/** May see a request, its events and the resources it made. */
export const purserRequestReadPermission = createPermission({
  name: 'purser.request.read',
  attributes: { action: 'read' },
  resourceType: RESOURCE_TYPE_PURSER_REQUEST,
});

/** May stop a request. */
export const purserRequestCancelPermission = createPermission({
  name: 'purser.request.cancel',
  attributes: { action: 'update' },
  resourceType: RESOURCE_TYPE_PURSER_REQUEST,
});

/** May let a request that waits for approval start. */
export const purserRequestApprovePermission = createPermission({
  name: 'purser.request.approve',
  attributes: { action: 'update' },
  resourceType: RESOURCE_TYPE_PURSER_REQUEST,
});

/** May make the unfinished steps of a failed or parked request due again. */
export const purserRequestRetryPermission = createPermission({
  name: 'purser.request.retry',
  attributes: { action: 'update' },
  resourceType: RESOURCE_TYPE_PURSER_REQUEST,
});

/** May change, renew, transfer, park and delete what a request made. */
export const purserHoldingManagePermission = createPermission({
  name: 'purser.holding.manage',
  attributes: { action: 'update' },
  resourceType: RESOURCE_TYPE_PURSER_REQUEST,
});

/** May settle single steps and orphans, and look into policy's decisions and the audit trail. */
export const purserOperatePermission = createPermission({
  name: 'purser.operate',
  attributes: { action: 'update' },
});

/** What something costs, in permission decisions; its ref is the entity's. */
export const RESOURCE_TYPE_PURSER_COSTS = 'purser-costs';

/** May see what entities cost: those one owns, or those that a policy's conditions name. */
export const purserCostReadPermission = createPermission({
  name: 'purser.cost.read',
  attributes: { action: 'read' },
  resourceType: RESOURCE_TYPE_PURSER_COSTS,
});

/** May see all costs: of every entity, and of what belongs to none. */
export const purserCostReadAllPermission = createPermission({
  name: 'purser.cost.read.all',
  attributes: { action: 'read' },
});

/** May have billing files read. */
export const purserCostIngestPermission = createPermission({
  name: 'purser.cost.ingest',
  attributes: { action: 'create' },
});

/** May see the sources of the catalog and how they are. */
export const purserCatalogReadPermission = createPermission({
  name: 'purser.catalog.read',
  attributes: { action: 'read' },
});

/** May pause, resume and resync sources of the catalog, and let go of held removals. */
export const purserCatalogManagePermission = createPermission({
  name: 'purser.catalog.manage',
  attributes: { action: 'update' },
});

/** All permissions of the plugin. */
export const purserPermissions = [
  purserRequestCreatePermission,
  purserRequestReadPermission,
  purserRequestCancelPermission,
  purserRequestApprovePermission,
  purserRequestRetryPermission,
  purserHoldingManagePermission,
  purserOperatePermission,
  purserCostReadPermission,
  purserCostReadAllPermission,
  purserCostIngestPermission,
  purserCatalogReadPermission,
  purserCatalogManagePermission,
];
