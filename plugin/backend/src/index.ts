/**
 * Purser's backend plugin, and what permission policies need of it.
 *
 * @packageDocumentation
 */
export { purserPlugin as default } from './plugin';
export {
  createPurserRequestConditionalDecision,
  purserRequestConditions,
  purserRequestResourceRef,
  purserRequestRules,
} from './requests/rules';
export {
  createPurserCostsConditionalDecision,
  purserCostsConditions,
  purserCostsResourceRef,
  purserCostsRules,
} from '@purser/plugin-purser-node';
