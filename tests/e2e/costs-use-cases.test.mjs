// The use cases of FOCUS's library, answered by `purser costs aggregate` and by DuckDB from the same
// files, group by group to the last digit.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  billSql,
  commitmentsSql,
  invoicesSql,
  notAnswered,
  useCases,
} from './fixtures/focus-use-cases.mjs';

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
  const tables = { bill: billSql, commitments: commitmentsSql, invoices: invoicesSql };
  for (const [table, sql] of Object.entries(tables)) {
    await connection.run(`CREATE TABLE ${table} AS ${sql}`);
    await connection.run(
      `COPY ${table} TO '${folder}/${table}.parquet' (FORMAT parquet, COMPRESSION zstd)`,
    );
    await connection.run(`COPY ${table} TO '${folder}/${table}.csv' (FORMAT csv, HEADER)`);
  }
  // As 1.4 delivers it: what the provider and the publisher were called is gone.
  await connection.run(
    `COPY (SELECT * EXCLUDE (ProviderName, PublisherName) FROM bill) TO '${folder}/bill-1.4.csv' (FORMAT csv, HEADER)`,
  );
});

after(() => rmSync(folder, { recursive: true, force: true }));

const units = text => {
  const [whole, fraction = ''] = text.replace('-', '').split('.');
  return BigInt(whole + fraction.padEnd(18, '0')) * (text.startsWith('-') ? -1n : 1n);
};
const nameOf = group => group.by ?? group;
const sqlOf = group => (group.sql ? `CAST(${group.sql} AS VARCHAR)` : `CAST(${group} AS VARCHAR)`);
const sumSqlOf = sum => `CAST(${sum.sql ?? `sum(${sum})`} AS VARCHAR)`;
/** Times and amounts in one form, whoever wrote them. */
const plain = text =>
  /^\d{4}-\d\d-\d\d[T ]/.test(text)
    ? text.replace('T', ' ').replace(/(\.0+)?Z?$/, '')
    : text.replace(/^(-?\d+\.\d*?)0+$/, '$1').replace(/^(-?\d+)\.$/, '$1');

/** A row of groups into the answer: sums add up, the first and the last of times are kept. */
function add(answer, key, value, element, row, sums, measures) {
  const before = answer.get(key) ?? sums.map(() => undefined);
  answer.set(
    key,
    sums.map((sum, i) => {
      const known = before[i];
      if (sum.least || sum.most) {
        const found = plain(value[sum.least ?? sum.most]);
        const sooner = known === undefined || (sum.least ? found < known : found > known);
        return sooner ? found : known;
      }
      let more = BigInt(row.charges);
      if (sum.times)
        more *= BigInt(sum.times.of(sum.times.each ? element : value[sum.times.column]));
      if (typeof sum === 'string') more = units(row.sums[measures.indexOf(sum)]);
      return (known ?? 0n) + more;
    }),
  );
}

/** Of a question about the elements of a column, the column. */
const eachOf = (conditions, groups) => [...conditions, ...groups].find(({ each }) => each)?.each;

/** The answer of the command line: it groups by what the conditions and the sums look at, too. */
function ours(file, conditions, groups, sums) {
  const names = [
    ...new Set([
      ...groups.map(nameOf),
      ...conditions.flatMap(({ columns }) => columns),
      ...sums.map(sum => sum.least ?? sum.most ?? sum.times?.column).filter(Boolean),
    ]),
  ];
  const measures = sums.filter(sum => typeof sum === 'string');
  const summed = measures.length > 0 ? measures : ['BilledCost'];
  const done = spawnSync(
    purser,
    ['costs', 'aggregate', file, '--by', names.join(','), '--measure', summed.join(','), '--json'],
    { encoding: 'utf8', maxBuffer: 256 << 20 },
  );
  assert.equal(done.status, 0, done.stderr);
  const answer = new Map();
  const each = eachOf(conditions, groups);
  const ofCharge = conditions.filter(condition => !condition.each);
  const ofElement = conditions.filter(condition => condition.each);
  for (const row of JSON.parse(done.stdout).rows) {
    const value = Object.fromEntries(names.map((name, i) => [name, row.keys[i]]));
    const holds = ({ columns, holds: test_ }) => test_(...columns.map(name => plain(value[name])));
    if (!ofCharge.every(holds)) continue;
    for (const element of each ? each.of(value[each.column]) : [undefined]) {
      if (!ofElement.every(condition => condition.holds(element))) continue;
      const textOf = group =>
        (group.of ?? (text => text))(group.each ? element : value[nameOf(group)]);
      const key = groups.map(group => plain(String(textOf(group)))).join('|');
      add(answer, key, value, element, row, sums, measures);
    }
  }
  return answer;
}

async function duckdbs(conditions, groups, sums, table = 'bill') {
  const where = conditions.map(({ sql }) => sql).join(' AND ') || 'true';
  const reader = await connection.runAndReadAll(`
    SELECT ${groups.map(group => `coalesce(${sqlOf(group)}, '')`).join(', ')},
           ${sums.map(sumSqlOf).join(', ')}
    FROM ${eachOf(conditions, groups)?.sql(table) ?? table} WHERE ${where} GROUP BY ALL`);
  const answer = new Map();
  for (const row of reader.getRows()) {
    const key = row.slice(0, groups.length).map(plain).join('|');
    answer.set(
      key,
      row.slice(groups.length).map((text, i) => {
        if (sums[i].least || sums[i].most) return plain(text);
        return typeof sums[i] === 'string' ? units(text) : BigInt(text);
      }),
    );
  }
  return answer;
}

const lines = answer => [...answer].map(([key, sums]) => `${key}: ${sums.join(' ')}`).sort();

describe('use cases of FOCUS', () => {
  for (const [version, name, conditions, groups, sums, table = 'bill'] of useCases) {
    test(`${version}: ${name}`, async () => {
      const expected = await duckdbs(conditions, groups, sums, table);
      assert.ok(expected.size > 0, 'the question has an answer');
      for (const file of [`${table}.parquet`, `${table}.csv`]) {
        assert.deepEqual(
          lines(ours(path.join(folder, file), conditions, groups, sums)),
          lines(expected),
          file,
        );
      }
    });
  }

  test('files of 1.4 answer to the names of before', async () => {
    const sums = ['BilledCost', 'EffectiveCost'];
    assert.deepEqual(
      lines(ours(path.join(folder, 'bill-1.4.csv'), [], ['ProviderName', 'PublisherName'], sums)),
      lines(await duckdbs([], ['ServiceProviderName', 'HostProviderName'], sums)),
    );
  });

  test('how many there are, and which are not answered and why, is in the documentation', () => {
    const of = version => useCases.filter(([since]) => since <= version).length;
    const page = readFileSync(path.join(root, 'docs/costs.md'), 'utf8');
    for (const version of ['1.0', '1.1', '1.2', '1.3', '1.4']) {
      assert.match(page, new RegExp(`\\| ${version.replace('.', '\\.')} \\| ${of(version)} \\|`));
    }
    for (const [, name, why] of notAnswered) {
      assert.ok(page.includes(name), name);
      assert.ok(page.includes(why), why);
    }
  });
});
