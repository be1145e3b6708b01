/**
 * Answers Cost Insights, also the one of AWS, from Purser's costs.
 *
 * @packageDocumentation
 */
import { createCostSurface } from '@purser/plugin-purser-node';
import { createRouter } from './router';

export default createCostSurface('cost-insights-aws', createRouter);
export type { Cost, CostAlertData, MetricData, ProductInsight } from './types';
