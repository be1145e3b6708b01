/**
 * For tests of packages that use the purser service: a sidecar in memory behind real gRPC.
 *
 * @packageDocumentation
 */
export * from './testing/testSidecar';
export type { TestCalls } from './testing/testCalls';
export type { TestCostAnswers, TestCosts } from './testing/testCosts';
export * from './testing/testData';
export type {
  TestAction,
  TestActionContext,
  TestDelta,
  TestHosting,
  TestProvider,
} from './testing/testHosting';
export type { TestRequests } from './testing/testRequests';
export { testSource, type TestSources } from './testing/testSources';
export { TestStatus } from './testing/testStatus';
export { CostSurfaceBackend } from './testing/costSurface';
export { TestHoldings } from './testing/testHoldings';
