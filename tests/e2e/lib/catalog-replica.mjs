// One replica of a portal, as small as it can be: Backstage's catalog with its own scheduler and Purser's
// module, on the database that all replicas share. Runs until it is killed.
//
//   node catalog-replica.mjs <configuration as JSON>
import { createRequire } from 'node:module';
import { at } from '../../tools/lib/repo.mjs';

const require = createRequire(at('plugin/catalog-module/package.json'));
const { createBackend } = createRequire(at('examples/portal/packages/backend/package.json'))(
  '@backstage/backend-defaults',
);
const { mockServices } = require('@backstage/backend-test-utils');

const backend = createBackend();
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(require(at('plugin/catalog-module/dist/index.js')));
backend.add(mockServices.rootConfig.factory({ data: JSON.parse(process.argv[2]) }));
backend.add(mockServices.rootLogger.factory({ level: process.env.PURSER_TEST_LOG ?? 'none' }));
await backend.start();
