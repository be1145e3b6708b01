/**
 * Purser's actions for Backstage templates.
 *
 * @packageDocumentation
 */
export { scaffolderModulePurser as default } from './module';
export {
  purserTemplatingExtensionPoint,
  type PurserTemplatingExtensionPoint,
} from './templating/portalTemplating';
