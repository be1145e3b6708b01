/**
 * For tests of packages that use the purser service: a sidecar in memory behind real gRPC.
 *
 * @packageDocumentation
 */
export * from './testing/testSidecar';
export { CostSurfaceBackend } from './testing/costSurface';
export { TestHoldings } from './testing/testHoldings';
