/**
 * Makes Purser's requests and products searchable.
 *
 * @packageDocumentation
 */
export { searchModulePurser as default } from './module';
export type { PurserProductDocument, PurserRequestDocument } from './collators';
