import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countsOfJunit, countsOfTap, honest } from './suites.mjs';

test('ctest reports are counted, disabled tests as skipped', () => {
  const text =
    '<?xml version="1.0"?>\n<testsuite name="x"\n\ttests="12"\n\tfailures="2"\n\tdisabled="1"\n\t' +
    'skipped="3"\n\thostname="h">\n<testcase name="failures=&quot;9&quot;"/></testsuite>';
  assert.deepEqual(countsOfJunit(text), { passed: 6, failed: 2, skipped: 4 });
});

test('TAP reports are counted, cancelled tests as failed', () => {
  const text = '# tests 9\n# suites 0\n# pass 4\n# fail 1\n# cancelled 2\n# skipped 1\n# todo 1\n';
  assert.deepEqual(countsOfTap(text), { passed: 4, failed: 3, skipped: 2 });
});

test('a run that ends badly without a report is a failure', () => {
  assert.deepEqual(honest(countsOfJunit(''), 8), { passed: 0, failed: 1, skipped: 0 });
  assert.deepEqual(honest(countsOfTap(''), 0), { passed: 0, failed: 0, skipped: 0 });
});
