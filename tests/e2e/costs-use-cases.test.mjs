// The questions of FOCUS's library of use cases, answered by `purser costs aggregate` and by DuckDB
// from the same file, group by group to the last digit. Those of one subject ask for other columns,
// not for other arithmetic; each stands here as its conditions, its groups and its sums.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const purser = path.join(root, 'build/release/bin/purser');
const { DuckDBInstance } = createRequire(path.join(root, 'package.json'))('@duckdb/node-api');

let folder;
let instance; // held: a connection does not keep it
let connection;

before(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'purser-use-cases-'));
  instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  connection = await instance.connect();
  await connection.run(`
    CREATE TABLE bill AS SELECT
      ['AWS', 'Microsoft'][1 + i % 2] AS ProviderName,
      CASE WHEN i % 17 = 0 THEN 'Vendor ' || (i % 3) ELSE ['AWS', 'Microsoft'][1 + i % 2] END AS PublisherName,
      'issuer ' || (i % 2) AS InvoiceIssuerName,
      'INV-' || (i % 5) AS InvoiceId,
      'billing ' || (i % 2) AS BillingAccountId,
      'account ' || (i % 7) AS SubAccountId,
      'Account ' || (i % 7) AS SubAccountName,
      ['Compute', 'Storage', 'Databases', 'Networking'][1 + i % 4] AS ServiceCategory,
      'Service ' || (i % 12) AS ServiceName,
      'region-' || (i % 3) AS RegionId,
      CASE WHEN i % 4 = 0 THEN NULL ELSE 'zone-' || (i % 6) END AS AvailabilityZone,
      'resource/' || (i % 211) AS ResourceId,
      ['Machine', 'Disk', 'Bucket'][1 + i % 3] AS ResourceType,
      'SKU' || (i % 31) AS SkuId,
      'PRICE' || (i % 43) AS SkuPriceId,
      ['Usage', 'Usage', 'Usage', 'Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'][1 + i % 8] AS ChargeCategory,
      CASE WHEN i % 97 = 0 THEN 'Correction' END AS ChargeClass,
      ['Usage-Based', 'Recurring', 'One-Time'][1 + i % 3] AS ChargeFrequency,
      ['Standard', 'Committed', 'Dynamic'][1 + i % 3] AS PricingCategory,
      CASE WHEN i % 5 = 0 THEN 'commitment ' || (i % 9) END AS CommitmentDiscountId,
      CASE WHEN i % 5 = 0 THEN ['Savings Plan', 'Reserved'][1 + i % 2] END AS CommitmentDiscountType,
      CASE WHEN i % 5 = 0 THEN ['Used', 'Unused'][1 + i % 2] END AS CommitmentDiscountStatus,
      CASE WHEN i % 19 = 0 THEN 'reservation ' || (i % 4) END AS CapacityReservationId,
      CASE WHEN i % 19 = 0 THEN ['Used', 'Unused'][1 + i % 2] END AS CapacityReservationStatus,
      'USD' AS BillingCurrency,
      TIMESTAMP '2026-09-01 00:00:00' + INTERVAL (i % 3) MONTH AS BillingPeriodStart,
      TIMESTAMP '2026-09-01 00:00:00' + INTERVAL (i % 3) MONTH + INTERVAL (i % 600) HOUR AS ChargePeriodStart,
      'Hours' AS ConsumedUnit,
      CAST(((i * 31) % 1009) || '.' || (i % 1000) AS DECIMAL(38,18)) AS ConsumedQuantity,
      CAST(((i * 31) % 1009) || '.5' AS DECIMAL(38,18)) AS PricingQuantity,
      CAST((i % 700) || '.' || lpad(CAST(i AS VARCHAR), 15, '0') AS DECIMAL(38,18)) AS BilledCost,
      CAST((i % 650) || '.' || lpad(CAST(i AS VARCHAR), 18, '0') AS DECIMAL(38,18)) AS EffectiveCost,
      CAST((i % 900) || '.25' AS DECIMAL(38,18)) AS ListCost,
      CAST((i % 800) || '.125' AS DECIMAL(38,18)) AS ContractedCost,
      CASE WHEN i % 6 = 0 THEN NULL
           ELSE '{"application":"app-' || (i % 8) || '","environment":"' || (['prod', 'dev'][1 + i % 2]) || '"}' END AS Tags
    FROM range(30000) t(i)`);
  await connection.run(`COPY bill TO '${folder}/bill.parquet' (FORMAT parquet, COMPRESSION zstd)`);
  await connection.run(`COPY bill TO '${folder}/bill.csv' (FORMAT csv, HEADER)`);
});

after(() => rmSync(folder, { recursive: true, force: true }));

const is = (column, value) => ({
  column,
  sql: `${column} = '${value}'`,
  holds: found => found === value,
});
const given = column => ({ column, sql: `${column} IS NOT NULL`, holds: found => found !== '' });
const tag = key => ({ by: `tag:${key}`, sql: `json_extract_string(Tags, '$.${key}')` });
const month = { by: 'month', sql: "strftime(ChargePeriodStart, '%Y-%m')" };
const day = { by: 'day', sql: "strftime(ChargePeriodStart, '%Y-%m-%d')" };
const between = (from, to) => ({
  column: 'day',
  sql: `CAST(ChargePeriodStart AS DATE) BETWEEN '${from}' AND '${to}'`,
  holds: found => found >= from && found <= to,
});
const october = between('2026-10-01', '2026-10-31');
const provider = 'ProviderName';
const account = 'SubAccountId';
const service = 'ServiceName';

// [what is asked, conditions, groups, sums]
const useCases = [
  [
    'costs by availability zone of a sub account',
    [is(account, 'account 3'), october],
    [provider, 'RegionId', 'AvailabilityZone'],
    ['BilledCost'],
  ],
  [
    'compute services of a sub account by day',
    [is(account, 'account 2'), is('ServiceCategory', 'Compute')],
    [day, service, 'ResourceType'],
    ['EffectiveCost'],
  ],
  ['costs by service', [october], [provider, service], ['EffectiveCost']],
  ['service costs by region', [october], [day, provider, 'RegionId', service], ['EffectiveCost']],
  [
    'service costs by sub account',
    [is(account, 'account 5')],
    [account, 'SubAccountName', service],
    ['EffectiveCost'],
  ],
  ['service costs month over month', [], [month, provider, service], ['EffectiveCost']],
  [
    'resource usage month over month',
    [is('ChargeCategory', 'Usage')],
    [month, provider, 'ResourceId', 'ConsumedUnit'],
    ['ConsumedQuantity'],
  ],
  [
    'resource costs by SKU',
    [is('SkuId', 'SKU7')],
    [provider, 'ResourceId', 'SkuId', 'SkuPriceId'],
    ['EffectiveCost', 'ConsumedQuantity'],
  ],
  [
    'metered costs of a SKU',
    [is('SkuId', 'SKU3'), october],
    [day, 'SkuPriceId'],
    ['PricingQuantity', 'ListCost', 'EffectiveCost'],
  ],
  [
    'costs of marketplace vendors',
    [october],
    [provider, 'PublisherName', 'InvoiceIssuerName'],
    ['BilledCost', 'EffectiveCost'],
  ],
  ['credits', [is('ChargeCategory', 'Credit')], [month, provider, service], ['BilledCost']],
  [
    'refunds by sub account',
    [is('ChargeClass', 'Correction'), is('ChargeCategory', 'Credit')],
    ['BillingPeriodStart', account],
    ['BilledCost'],
  ],
  [
    'corrections of periods that were invoiced',
    [is('ChargeClass', 'Correction')],
    ['BillingAccountId', month, service],
    ['BilledCost'],
  ],
  [
    'taxes to be reconciled',
    [is('ChargeCategory', 'Tax')],
    [month, 'InvoiceId', 'BillingAccountId'],
    ['BilledCost'],
  ],
  [
    'recurring charges of commitments',
    [is('ChargeFrequency', 'Recurring'), given('CommitmentDiscountId')],
    [month, 'CommitmentDiscountId', 'CommitmentDiscountType'],
    ['BilledCost'],
  ],
  [
    'purchases of commitments',
    [is('ChargeCategory', 'Purchase'), given('CommitmentDiscountId')],
    [provider, 'CommitmentDiscountId', 'ChargeFrequency'],
    ['BilledCost'],
  ],
  [
    'unused commitments',
    [is('CommitmentDiscountStatus', 'Unused')],
    [month, 'CommitmentDiscountId', 'CommitmentDiscountType', service],
    ['EffectiveCost'],
  ],
  [
    'capacity reservations of compute',
    [given('CapacityReservationId')],
    ['CapacityReservationId', 'CapacityReservationStatus'],
    ['BilledCost', 'EffectiveCost'],
  ],
  [
    'unused capacity',
    [is('CapacityReservationStatus', 'Unused'), is('ChargeCategory', 'Usage')],
    [provider, 'CapacityReservationId'],
    ['BilledCost'],
  ],
  [
    'effective savings rate by service',
    [is('ChargeCategory', 'Usage')],
    [provider, service],
    ['ListCost', 'EffectiveCost'],
  ],
  [
    'effective savings rate by commitment',
    [given('CommitmentDiscountId')],
    ['CommitmentDiscountId', 'CommitmentDiscountStatus'],
    ['ListCost', 'EffectiveCost'],
  ],
  [
    'savings by contract',
    [is('ChargeCategory', 'Usage')],
    [month, 'PricingCategory'],
    ['ListCost', 'ContractedCost'],
  ],
  [
    'effective cost of compute',
    [is('ServiceCategory', 'Compute')],
    [month, provider, service, 'SkuId'],
    ['EffectiveCost'],
  ],
  [
    'spending by service category',
    [october],
    [provider, 'ServiceCategory'],
    ['BilledCost', 'EffectiveCost'],
  ],
  [
    'spending across billing periods',
    [],
    [provider, 'BillingPeriodStart', 'ServiceCategory', 'BillingAccountId'],
    ['BilledCost', 'EffectiveCost'],
  ],
  [
    'charges by category and frequency',
    [],
    ['ChargeCategory', 'ChargeFrequency', 'PricingCategory'],
    ['BilledCost', 'EffectiveCost', 'ListCost', 'ContractedCost'],
  ],
  [
    'an invoice to be verified',
    [],
    ['BillingPeriodStart', 'InvoiceId', 'InvoiceIssuerName'],
    ['BilledCost'],
  ],
  [
    'services of an invoice to be verified',
    [is('InvoiceId', 'INV-2')],
    [provider, 'BillingAccountId', 'BillingCurrency', service],
    ['BilledCost'],
  ],
  ['sub account against its budget', [is(account, 'account 1')], [month, account], ['BilledCost']],
  [
    'budgets of applications',
    [is('ServiceCategory', 'Compute')],
    [month, provider, tag('application')],
    ['BilledCost'],
  ],
  ['applications month over month', [], [month, tag('application'), service], ['EffectiveCost']],
  ['how much is tagged', [], [tag('environment'), service], ['EffectiveCost']],
  [
    'usage and rates of the past',
    [is(account, 'account 4'), october],
    [day, 'SkuPriceId', 'ConsumedUnit'],
    ['ConsumedQuantity', 'ListCost', 'ContractedCost', 'EffectiveCost'],
  ],
  [
    'usage of a component',
    [is(service, 'Service 5')],
    [month, 'ResourceType', 'SkuId'],
    ['ConsumedQuantity', 'EffectiveCost'],
  ],
  [
    'what a forecast is made of',
    [between('2026-09-01', '2026-11-30')],
    [month, 'ServiceCategory', provider],
    ['EffectiveCost'],
  ],
  [
    'daily cost, for averages and anomalies',
    [],
    [day, 'RegionId', 'ServiceCategory'],
    ['EffectiveCost'],
  ],
  [
    'where a resource is',
    [is('ResourceId', 'resource/77')],
    ['RegionId', 'AvailabilityZone', account],
    ['EffectiveCost'],
  ],
];

const units = text => {
  const [whole, fraction = ''] = text.replace('-', '').split('.');
  return BigInt(whole + fraction.padEnd(18, '0')) * (text.startsWith('-') ? -1n : 1n);
};
const nameOf = group => group.by ?? group;
const sqlOf = group => (group.sql ? group.sql : `CAST(${group} AS VARCHAR)`);

/** The answer of the command line: it groups by what the conditions look at, too. */
function ours(file, conditions, groups, sums) {
  const names = [...new Set([...groups.map(nameOf), ...conditions.map(({ column }) => column)])];
  const done = spawnSync(
    purser,
    ['costs', 'aggregate', file, '--by', names.join(','), '--measure', sums.join(','), '--json'],
    { encoding: 'utf8', maxBuffer: 256 << 20 },
  );
  assert.equal(done.status, 0, done.stderr);
  const answer = new Map();
  for (const row of JSON.parse(done.stdout).rows) {
    const value = Object.fromEntries(names.map((name, i) => [name, row.keys[i]]));
    if (!conditions.every(({ column, holds }) => holds(value[column]))) continue;
    const key = groups.map(group => value[nameOf(group)]).join('|');
    const before = answer.get(key) ?? sums.map(() => 0n);
    answer.set(
      key,
      before.map((sum, i) => sum + units(row.sums[i])),
    );
  }
  return answer;
}

async function duckdbs(conditions, groups, sums) {
  const where = conditions.map(({ sql }) => sql).join(' AND ') || 'true';
  const reader = await connection.runAndReadAll(`
    SELECT ${groups.map(group => `coalesce(${sqlOf(group)}, '')`).join(', ')},
           ${sums.map(sum => `CAST(sum(${sum}) AS VARCHAR)`).join(', ')}
    FROM bill WHERE ${where} GROUP BY ALL`);
  const answer = new Map();
  for (const row of reader.getRows()) {
    const key = row
      .slice(0, groups.length)
      .map(value => value.replace(/ 00:00:00$/, ''))
      .join('|');
    answer.set(key, row.slice(groups.length).map(units));
  }
  return answer;
}

describe('use cases of FOCUS', () => {
  for (const [name, conditions, groups, sums] of useCases) {
    test(name, async () => {
      const expected = await duckdbs(conditions, groups, sums);
      assert.ok(expected.size > 0, 'the question has an answer');
      for (const file of ['bill.parquet', 'bill.csv']) {
        const found = ours(path.join(folder, file), conditions, groups, sums);
        const plain = answer =>
          [...answer]
            .map(
              ([key, sum]) => `${key.replaceAll(/( 00:00:00|T00:00:00Z)/g, '')}: ${sum.join(' ')}`,
            )
            .sort();
        assert.deepEqual(plain(found), plain(expected), file);
      }
    });
  }
});
