// One run of one engine over a made-up bill, in a process of its own, so that its CPU time and memory
// are its own:
//
//   node costs-engine.mjs duckdb|chdb|csv-parse|duckdb-write FORMAT FILE…
//
// Prints one JSON object: groups, rows, sums of both costs as exact texts, CPU seconds, wall seconds,
// resident memory. All answer the same question: sums by day, account, service, two tags and category.
import { createReadStream } from 'node:fs';
import { createRequire } from 'node:module';
import { createGunzip } from 'node:zlib';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const peers = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../peers/package.json');
const require = createRequire(peers);
const [engine, format, ...files] = process.argv.slice(2);
const threads = Number(process.env.PURSER_BENCH_THREADS ?? 2);
const quoted = list => list.map(file => `'${file.replaceAll("'", "''")}'`).join(', ');
const amounts = ['BilledCost', 'EffectiveCost'];

async function duckdb() {
  const { DuckDBInstance } = require('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', { threads: String(threads) });
  return instance.connect();
}

// What the provider's own Parquet has: exact decimals and tags as JSON, or (aws) doubles and a map.
async function writeParquet() {
  const [from, to] = files;
  const connection = await duckdb();
  const [kind, codec] = format.split('-');
  const type = kind === 'aws' ? 'DOUBLE' : 'DECIMAL(38,18)';
  const replaced = [
    ...['BilledCost', 'EffectiveCost', 'ListCost', 'ContractedCost'].map(
      c => `CAST(${c} AS ${type}) AS ${c}`,
    ),
    ...['ChargePeriodStart', 'ChargePeriodEnd', 'BillingPeriodStart', 'BillingPeriodEnd'].map(
      c => `CAST(${c} AS TIMESTAMP) AS ${c}`,
    ),
    ...(kind === 'aws' ? [`CAST(CAST(Tags AS JSON) AS MAP(VARCHAR, VARCHAR)) AS Tags`] : []),
  ].join(', ');
  await connection.run(
    `COPY (SELECT * REPLACE (${replaced}) FROM read_csv('${from}', all_varchar=true, header=true))
     TO '${to}' (FORMAT parquet, COMPRESSION ${codec})`,
  );
  return { rows: 0 };
}

async function runDuckdb() {
  const connection = await duckdb();
  const [kind] = format.split('-');
  const from =
    format === 'csv' || format === 'csvgz'
      ? `read_csv([${quoted(files)}], all_varchar=true, header=true)`
      : `read_parquet([${quoted(files)}])`;
  const day = format.startsWith('csv')
    ? 'substr(ChargePeriodStart, 1, 10)'
    : 'CAST(ChargePeriodStart AS DATE)';
  const tag = key => (kind === 'aws' ? `Tags['${key}']` : `json_extract_string(Tags, '$.${key}')`);
  const amount = name =>
    format.startsWith('csv')
      ? `sum(CAST(${name} AS DECIMAL(38,18)))`
      : kind === 'aws'
        ? `sum(CAST(${name} AS DECIMAL(38,12)))`
        : `sum(${name})`;
  const reader = await connection.runAndReadAll(
    `SELECT count(*), sum(n), CAST(sum(b) AS VARCHAR), CAST(sum(e) AS VARCHAR) FROM (
       SELECT ${day} AS day, SubAccountId, ServiceName, ${tag('team')} AS team, ${tag('app')} AS app,
              ChargeCategory, count(*) AS n, ${amount(amounts[0])} AS b, ${amount(amounts[1])} AS e
       FROM ${from} GROUP BY ALL)`,
  );
  const [groups, rows, ...sums] = reader.getRows()[0];
  return { groups: Number(groups), rows: Number(rows), sums };
}

async function runChdb() {
  const { query } = require('chdb');
  const { columns } = await import('./costs-columns.mjs');
  const text = format.startsWith('csv');
  const structure = columns.map(name => `${name} Nullable(String)`).join(', ');
  const [kind] = format.split('-');
  // Files of one folder.
  const names = files.map(file => path.basename(file));
  const glob = path.join(
    path.dirname(files[0]),
    names.length === 1 ? names[0] : `{${names.join(',')}}`,
  );
  const from = text
    ? `file('${glob}', 'CSVWithNames', '${structure}')`
    : `file('${glob}', 'Parquet')`;
  const day = text ? 'substring(ChargePeriodStart, 1, 10)' : 'toDate(ChargePeriodStart)';
  const tag = key =>
    kind === 'aws' ? `Tags['${key}']` : `JSONExtractString(assumeNotNull(Tags), '${key}')`;
  const amount = name =>
    text || kind === 'aws' ? `sum(toDecimal128(toString(${name}), 18))` : `sum(${name})`;
  const answer = query(
    `SELECT count(), sum(n), toString(sum(b)), toString(sum(e)) FROM (
       SELECT ${day} AS day, SubAccountId, ServiceName, ${tag('team')} AS team, ${tag('app')} AS app,
              ChargeCategory, count() AS n, ${amount(amounts[0])} AS b, ${amount(amounts[1])} AS e
       FROM ${from} GROUP BY day, SubAccountId, ServiceName, team, app, ChargeCategory)
     SETTINGS max_threads = ${threads}, session_timezone = 'UTC'`,
    'JSONCompactEachRow',
  );
  const [groups, rows, ...sums] = JSON.parse(String(answer).trim());
  return { groups: Number(groups), rows: Number(rows), sums };
}

// What plugins do today: every record as an object, amounts as exact integers of 10^-18.
async function runCsvParse() {
  const { parse } = require('csv-parse');
  const groups = new Map();
  let rows = 0;
  const exact = text => {
    const [mantissa, exponent = '0'] = text.toUpperCase().split('E');
    const negative = mantissa.startsWith('-');
    const [whole, fraction = ''] = mantissa.replace('-', '').split('.');
    const shift = 18 - fraction.length + Number(exponent);
    const digits = BigInt(whole + fraction);
    const units = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
    return negative ? -units : units;
  };
  for (const file of files) {
    let stream = createReadStream(file);
    if (format === 'csvgz') stream = stream.pipe(createGunzip());
    for await (const record of stream.pipe(parse({ columns: true }))) {
      rows += 1;
      const tags = JSON.parse(record.Tags);
      const key = [
        record.ChargePeriodStart.slice(0, 10),
        record.SubAccountId,
        record.ServiceName,
        tags.team ?? '',
        tags.app ?? '',
        record.ChargeCategory,
      ].join('\0');
      const sums = groups.get(key) ?? [0n, 0n];
      sums[0] += exact(record.BilledCost);
      sums[1] += exact(record.EffectiveCost);
      groups.set(key, sums);
    }
  }
  const text = units => {
    const digits = (units < 0n ? -units : units).toString().padStart(19, '0');
    return `${units < 0n ? '-' : ''}${digits.slice(0, -18)}.${digits.slice(-18)}`;
  };
  const totals = [...groups.values()].reduce(
    (sum, each) => [sum[0] + each[0], sum[1] + each[1]],
    [0n, 0n],
  );
  return { groups: groups.size, rows, sums: totals.map(text) };
}

const engines = {
  duckdb: runDuckdb,
  chdb: runChdb,
  'csv-parse': runCsvParse,
  'duckdb-write': writeParquet,
};
const began = performance.now();
const result = await engines[engine]();
const seconds = (performance.now() - began) / 1000;
const usage = process.resourceUsage();
console.log(
  JSON.stringify({
    ...result,
    seconds,
    cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
    peakRssKilobytes: usage.maxRSS,
  }),
);
process.exit(0);
