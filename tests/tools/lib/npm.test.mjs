import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sameVersions } from './npm.mjs';

const lock = {
  '': { name: 'root' },
  'plugin/common': { version: '0.1.0' },
  'node_modules/@x/common': { link: true, resolved: 'plugin/common' },
  'node_modules/a': { version: '1.0.0' },
  'node_modules/a/node_modules/b': { version: '2.0.0' },
  'node_modules/other-platform': { version: '3.0.0', optional: true },
};

test('an installed lock file is up to date without the packages of other platforms', () => {
  assert.ok(
    sameVersions(lock, {
      'node_modules/a': { version: '1.0.0' },
      'node_modules/a/node_modules/b': { version: '2.0.0' },
    }),
  );
});

test('another version, a missing package or a stale optional one is not up to date', () => {
  const a = { 'node_modules/a': { version: '1.0.0' } };
  const b = { 'node_modules/a/node_modules/b': { version: '2.0.0' } };
  assert.ok(!sameVersions(lock, a));
  assert.ok(!sameVersions(lock, { ...b, 'node_modules/a': { version: '1.0.1' } }));
  assert.ok(
    !sameVersions(lock, { ...a, ...b, 'node_modules/other-platform': { version: '2.9.0' } }),
  );
});
