/**
 * Answers Costscope's pages from Purser's costs.
 *
 * @packageDocumentation
 */
import { createCostSurface } from '@purser/plugin-purser-node';
import { createRouter } from './router';

export default createCostSurface('costscope', createRouter);
