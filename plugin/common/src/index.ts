/**
 * What Purser's packages and their users share: types, permissions and annotation names.
 *
 * @packageDocumentation
 */
export * from './annotations';
export * from './costs';
export * from './holdings';
export * from './permissions';
export * from './types';
