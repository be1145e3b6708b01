/**
 * Keeps the workspaces of running scaffolder tasks in an S3-compatible store.
 *
 * @packageDocumentation
 */
export { workspaceS3Module as default } from './module';
