/**
 * The one package that knows the native addon and the sidecar's wire format.
 *
 * @packageDocumentation
 */
export { authorizeCosts } from './costs/access';
export { EntityOwners } from './costs/entityOwners';
export {
  createPurserCostsConditionalDecision,
  type OwnedCosts,
  purserCostsConditions,
  purserCostsResourceRef,
  purserCostsRules,
} from './costs/rules';
export { type CostSurfaceContext, createCostSurface } from './costs/surface';
export { addDays, countDays, dayOf, toNumber } from './costs/periods';
export {
  allCosts,
  costsInOneCurrency,
  filterOf,
  inOneCurrency,
  mainCurrency,
  refOf,
} from './costs/surfaceQueries';
export { readSidecarConfig, type SidecarConfig } from './config';
export { CancelledError, isCancelled, isUnavailable, UnavailableError } from './errors';
export { createPurserService, type DefaultPurserService, purserServiceRef } from './service';
export { backoff, pause } from './sidecar/channel';
export type {
  AllocationsOptions,
  CompareCostsOptions,
  CostFilterOption,
  CostsClient,
  ForecastCostsOptions,
  TopCostsOptions,
} from './sidecar/costs';
export type {
  ControlHoldingOptions,
  DeliverMessageOptions,
  HoldingsClient,
  ListHoldingsOptions,
  SettleStepOptions,
} from './sidecar/holdings';
export type * from './types';
