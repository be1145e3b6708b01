// The data of the demo organisation is what its README says: read by the addon, taken by slapd.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { generate } from '../../examples/organisation/generate.mjs';
import { load, shippedPath } from './load.mjs';

const SLAPADD = '/usr/sbin/slapadd';
const folder = mkdtempSync(join(tmpdir(), 'purser-organisation-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const counts = generate(folder);

test('it has 5,000 entities of four kinds of sources', () => {
  assert.equal(Object.keys(counts).length, 4);
  assert.ok(Object.values(counts).reduce((sum, count) => sum + count, 0) >= 5_000);
});

test('its checkouts are entities without a fault', async () => {
  const addon = load(shippedPath());
  const seen = new Set();
  const summary = JSON.parse(
    await addon.refreshProvider(
      'source-tree',
      JSON.stringify({
        config: { root: join(folder, 'checkouts') },
        instance: 'organisation',
        statePath: join(folder, 'state'),
      }),
      {
        log() {},
        chunk: upserts =>
          JSON.parse(upserts).forEach(({ kind, metadata }) => seen.add(`${kind}/${metadata.name}`)),
      },
    ),
  );
  assert.equal(summary.added, counts['source-tree']);
  assert.equal(summary.dropped, 0);
  assert.equal(seen.size, counts['source-tree']);
});

test('its directory is taken by slapd', { skip: !existsSync(SLAPADD) && 'SKIP slapd is not installed' }, () => {
  const directory = join(folder, 'directory');
  execFileSync(SLAPADD, ['-q', '-f', join(directory, 'slapd.conf'), '-l', join(directory, 'organisation.ldif')], {
    stdio: 'pipe',
  });
  const ldif = readFileSync(join(directory, 'organisation.ldif'), 'utf8');
  const names = [...ldif.matchAll(/^dn: (?:uid|cn)=([^,]+),/gm)].map(match => match[1]);
  assert.equal(new Set(names).size, counts.ldap);
});

test('its infrastructure has a main.tf in each root and module', () => {
  const roots = readdirSync(join(folder, 'infrastructure'), { recursive: true }).filter(name =>
    name.endsWith('main.tf'),
  );
  const inEnvironments = roots.filter(name => name.startsWith('environments/')).length;
  assert.equal(2 * inEnvironments + (roots.length - inEnvironments), counts.terraform);
});
