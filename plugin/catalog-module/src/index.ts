/**
 * Brings entities of Purser's native providers into Backstage's catalog.
 *
 * @packageDocumentation
 */
export { catalogModulePurser as default } from './module';
