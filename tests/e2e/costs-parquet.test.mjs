// `purser costs aggregate` on Parquet that DuckDB writes in every codec, page version and encoding it
// has, against DuckDB's own answer.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
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
  folder = mkdtempSync(path.join(tmpdir(), 'purser-parquet-'));
  instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  connection = await instance.connect();
  // Amounts with 18 digits, missing accounts, days over two months, texts that grow out of each other.
  await connection.run(`
    CREATE TABLE bill AS SELECT
      CAST(((i * 7919) % 100003 - 20000) || '.' || lpad(CAST(i AS VARCHAR), 18, '0') AS DECIMAL(38,18)) AS BilledCost,
      CAST((i % 4096) || '.25' AS DECIMAL(18,4)) AS EffectiveCost,
      'USD' AS BillingCurrency,
      TIMESTAMP '2026-10-25 00:00:00' + INTERVAL (i % 400) HOUR AS ChargePeriodStart,
      CASE WHEN i % 11 = 0 THEN NULL ELSE 'account-' || (i % 37) END AS SubAccountId,
      CASE WHEN i % 13 = 0 THEN 'Größe, "quoted"' ELSE 'Service ' || (i % 23) END AS ServiceName,
      'resource/' || (i // 3) AS ResourceId,
      CASE WHEN i % 5 = 0 THEN NULL
           WHEN i % 5 = 1 THEN '{}'
           ELSE '{"team":"team-' || (i % 7) || '","n":' || (i % 3) || '}' END AS Tags,
      (ARRAY['Usage', 'Usage', 'Tax', 'Credit'])[1 + i % 4] AS ChargeCategory
    FROM range(60000) t(i)`);
});

after(() => rmSync(folder, { recursive: true, force: true }));

function aggregate(file, by, measures, more = []) {
  const words = ['costs', 'aggregate', file, '--by', by, '--measure', measures];
  const done = spawnSync(purser, [...words, '--json', '--threads', '2', ...more], {
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  });
  return {
    status: done.status,
    error: done.stderr || done.stdout,
    answer: done.status === 0 ? JSON.parse(done.stdout) : undefined,
  };
}

const units = text => {
  const [whole, fraction = ''] = text.split('.');
  return (
    BigInt(whole.replace('-', '') + fraction.padEnd(18, '0')) * (text.startsWith('-') ? -1n : 1n)
  );
};

async function rowsOf(sql) {
  const reader = await connection.runAndReadAll(sql);
  return reader.getRows().map(row => row.map(value => (value === null ? '' : String(value))));
}

/** Writes a file and compares group by group. */
async function check(
  name,
  select,
  options,
  { team = "json_extract_string(Tags, '$.team')", scale = 18, more = [], rows = 60000 } = {},
) {
  const file = path.join(folder, `${name}.parquet`);
  const quoted = file.replaceAll("'", "''");
  await connection.run(`COPY (${select}) TO '${quoted}' (FORMAT parquet, ${options})`);
  const { status, error, answer } = aggregate(
    file,
    'day,SubAccountId,ServiceName,tag:team,ChargeCategory',
    'BilledCost,EffectiveCost',
    more,
  );
  assert.equal(status, 0, error);
  const expected = await rowsOf(`
    SELECT CAST(CAST(ChargePeriodStart AS DATE) AS VARCHAR), coalesce(SubAccountId, ''), ServiceName,
           coalesce(${team}, ''), ChargeCategory, count(*),
           CAST(sum(CAST(BilledCost AS DECIMAL(38,${scale}))) AS VARCHAR),
           CAST(sum(CAST(EffectiveCost AS DECIMAL(38,${scale}))) AS VARCHAR)
    FROM read_parquet(['${quoted.replaceAll(/[[*?]/g, '[$&]')}']) GROUP BY ALL`);
  const shape = (keys, charges, sums) =>
    [...keys, charges, ...sums.map(sum => units(sum).toString())].join('|');
  // The first difference: a whole one of so many rows takes minutes.
  const mine = answer.rows.map(row => shape(row.keys, row.charges, row.sums)).sort();
  const theirs = expected.map(row => shape(row.slice(0, 5), row[5], row.slice(6))).sort();
  assert.equal(mine.length, theirs.length);
  const differs = mine.findIndex((row, index) => row !== theirs[index]);
  assert.equal(mine[differs], theirs[differs]);
  assert.equal(answer.rowsRead, rows);
}

describe('Parquet as DuckDB writes it', () => {
  for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd']) {
    for (const version of ['V1', 'V2']) {
      test(`${codec}, ${version}`, () =>
        check(
          `${codec}-${version}`,
          'SELECT * FROM bill',
          `COMPRESSION ${codec}, PARQUET_VERSION ${version}`,
        ));
    }
  }

  test('without dictionaries, in small row groups', async () => {
    for (const version of ['V1', 'V2']) {
      await check(
        `plain-${version}`,
        'SELECT * FROM bill',
        `COMPRESSION snappy, PARQUET_VERSION ${version}, DICTIONARY_SIZE_LIMIT 1, ROW_GROUP_SIZE 4096`,
      );
    }
  });

  test('decimals of every width', async () => {
    for (const [name, type] of [
      ['int32', 'DECIMAL(9,3)'],
      ['int64', 'DECIMAL(18,6)'],
      ['bytes', 'DECIMAL(38,12)'],
    ]) {
      await check(
        name,
        `SELECT * REPLACE (CAST(BilledCost AS ${type}) AS BilledCost) FROM bill`,
        'COMPRESSION zstd',
      );
    }
  });

  test('doubles are the decimals that were meant, tags are a map', () =>
    check(
      'aws',
      `SELECT * REPLACE (CAST(CAST(BilledCost AS DECIMAL(38,12)) AS DOUBLE) AS BilledCost,
                         CAST(EffectiveCost AS DOUBLE) AS EffectiveCost,
                         CAST(CAST(Tags AS JSON) AS MAP(VARCHAR, VARCHAR)) AS Tags) FROM bill`,
      'COMPRESSION snappy',
      { team: "Tags['team']", scale: 12 },
    ));

  test('doubles in the second version of the format', () =>
    check(
      'split',
      `SELECT * REPLACE (CAST(CAST(BilledCost AS DECIMAL(38,12)) AS DOUBLE) AS BilledCost) FROM bill`,
      'COMPRESSION zstd, PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 1',
      { scale: 12 },
    ));

  test('times of every unit, dates and texts', async () => {
    for (const [name, type] of [
      ['ms', 'TIMESTAMP_MS'],
      ['ns', 'TIMESTAMP_NS'],
      ['tz', 'TIMESTAMPTZ'],
      ['date', 'DATE'],
    ]) {
      await connection.run(`SET TimeZone = 'UTC'`);
      await check(
        name,
        `SELECT * REPLACE (CAST(ChargePeriodStart AS ${type}) AS ChargePeriodStart) FROM bill`,
        'COMPRESSION snappy',
      );
    }
    await check(
      'text',
      `SELECT * REPLACE (strftime(ChargePeriodStart, '%Y-%m-%dT%H:%M:%SZ') AS ChargePeriodStart) FROM bill`,
      'COMPRESSION snappy',
    );
  });

  test('amounts as integers and as texts', () =>
    check(
      'texts',
      `SELECT * REPLACE (CAST(BilledCost AS VARCHAR) AS BilledCost, CAST(EffectiveCost AS INTEGER) AS EffectiveCost) FROM bill`,
      'COMPRESSION snappy',
    ));

  test("Google Cloud's export: nested columns, credits, labels", async () => {
    const file = path.join(folder, 'gcp.parquet');
    await connection.run(`COPY (
      SELECT 'billing' AS billing_account_id,
             {'id': 'S1', 'description': 'Compute Engine'} AS service,
             {'id': 'K' || (i % 5), 'description': 'Core'} AS sku,
             TIMESTAMPTZ '2026-11-02 00:00:00+00' + INTERVAL (i % 48) HOUR AS usage_start_time,
             TIMESTAMPTZ '2026-11-02 01:00:00+00' + INTERVAL (i % 48) HOUR AS usage_end_time,
             {'id': 'shop-' || (i % 3), 'name': 'shop'} AS project,
             CASE WHEN i % 4 = 0 THEN [] ELSE [{'key': 'team', 'value': 'team-' || (i % 2)}] END AS labels,
             {'region': 'europe-west1', 'zone': 'b'} AS location,
             CAST((i % 90) || '.5' AS DOUBLE) AS cost,
             'EUR' AS currency,
             {'amount': 1.0::DOUBLE, 'unit': 'seconds'} AS usage,
             CASE WHEN i % 3 = 0 THEN [] ELSE [{'name': 'SUD', 'amount': -0.25::DOUBLE}] END AS credits,
             {'month': '202611'} AS invoice, 'regular' AS cost_type
      FROM range(1000) t(i)) TO '${file}' (FORMAT parquet, COMPRESSION snappy)`);
    const { status, error, answer } = aggregate(file, 'day,SubAccountId,tag:team', 'BilledCost');
    assert.equal(status, 0, error);
    const expected = await rowsOf(`
      SELECT strftime(usage_start_time AT TIME ZONE 'UTC', '%Y-%m-%d'), project.id,
             coalesce(labels[1].value, ''),
             CAST(sum(CAST(cost AS DECIMAL(38,18)) +
                      coalesce(CAST(credits[1].amount AS DECIMAL(38,18)), 0)) AS VARCHAR)
      FROM '${file}' GROUP BY ALL`);
    const shape = rows =>
      rows.map(([keys, sum]) => [...keys, units(sum).toString()].join('|')).sort();
    assert.deepEqual(
      shape(answer.rows.map(row => [row.keys, row.sums[0]])),
      shape(expected.map(row => [row.slice(0, 3), row[3]])),
    );
  });

  test('what cannot be read is named', async () => {
    const file = path.join(folder, 'odd.parquet');
    await connection.run(
      `COPY (SELECT * REPLACE ([1, 2] AS ServiceName) FROM bill) TO '${file}' (FORMAT parquet, COMPRESSION snappy)`,
    );
    assert.match(
      aggregate(file, 'day', 'ServiceName').error,
      /column ServiceName.*no amounts|missing/,
    );
    await connection.run(
      `COPY (SELECT * FROM bill LIMIT 2000) TO '${file}' (FORMAT parquet, COMPRESSION brotli)`,
    );
    const brotli = aggregate(file, 'day', 'BilledCost');
    assert.notEqual(brotli.status, 0);
    assert.match(
      brotli.error,
      /odd\.parquet: row group 0, column \w+: it is packed with BROTLI, which is not read/,
    );
    assert.match(brotli.error, /costs\.parquet\.duckdb/, 'what would help is named');
  });

  // The library that the operator configures is, here, the one of DuckDB's npm package.
  const library = path.join(root, 'node_modules/@duckdb/node-bindings-linux-x64/libduckdb.so');
  const skip = existsSync(library) ? false : `SKIP there is no ${path.basename(library)} to load`;
  for (const codec of ['brotli', 'lz4_raw']) {
    test(`${codec}, by a libduckdb`, { skip }, () =>
      check(
        "it's [one] *",
        `SELECT * REPLACE (CAST(CAST(BilledCost AS DECIMAL(38,12)) AS DOUBLE) AS BilledCost,
                           CAST(CAST(Tags AS JSON) AS MAP(VARCHAR, VARCHAR)) AS Tags)
         FROM bill LIMIT 10000`,
        `COMPRESSION ${codec}, ROW_GROUP_SIZE 4096`,
        { team: "Tags['team']", scale: 12, more: ['--duckdb', library], rows: 10000 },
      ),
    );
  }

  test('what a libduckdb cannot read either is told', { skip }, async () => {
    const file = path.join(folder, 'cut.parquet');
    await connection.run(
      `COPY (SELECT * FROM bill LIMIT 2000) TO '${file}' (FORMAT parquet, COMPRESSION brotli)`,
    );
    const bytes = readFileSync(file);
    bytes.fill(0xff, 100, 2000);
    writeFileSync(file, bytes);
    const damaged = aggregate(file, 'day', 'BilledCost', ['--duckdb', library]);
    assert.equal(damaged.status, 4, damaged.error);
    assert.match(damaged.error, /cut\.parquet: DuckDB: /);
    const missing = aggregate(file, 'day', 'BilledCost', ['--duckdb', '/nowhere/libduckdb.so']);
    assert.equal(missing.status, 4, missing.error);
    assert.match(missing.error, /libduckdb \/nowhere\/libduckdb\.so cannot be loaded/);
  });

  test('a libduckdb is not asked of what is read without it', { skip }, () =>
    check('own', 'SELECT * FROM bill', 'COMPRESSION zstd', {
      more: ['--duckdb', '/nowhere/libduckdb.so'],
    }),
  );

  test('missing amounts are bad rows with their place', async () => {
    const file = path.join(folder, 'null.parquet');
    await connection.run(
      `COPY (SELECT * REPLACE (CASE WHEN rowid = 41 THEN NULL ELSE BilledCost END AS BilledCost) FROM bill)
       TO '${file}' (FORMAT parquet)`,
    );
    assert.match(
      aggregate(file, 'day', 'BilledCost').error,
      /null\.parquet: column BilledCost: value .*: no amount.*\(row 42\)/,
    );
  });

  test('bad rows are told with what stands in them', async () => {
    const file = path.join(folder, 'bad.parquet');
    const write = columns =>
      connection.run(
        `COPY (SELECT * REPLACE (${columns}) FROM bill LIMIT 3000) TO '${file}' (FORMAT parquet)`,
      );
    await write(`CASE WHEN rowid = 7 THEN 'NaN'::DOUBLE ELSE 0.5 END AS BilledCost`);
    assert.match(
      aggregate(file, 'day', 'BilledCost').error,
      /bad\.parquet: column BilledCost: value \\?"nan\\?": not an amount.*\(row 8\)/,
    );
    await write(`CASE WHEN rowid = 7 THEN '1,5' WHEN rowid < 7 THEN NULL ELSE '1' END AS BilledCost,
                 CASE WHEN rowid = 9 THEN 'a' || chr(0) ELSE 'b' END AS ServiceName`);
    const { answer } = aggregate(file, 'day,ServiceName', 'BilledCost', ['--quarantine']);
    assert.equal(answer.rowsBad, 9);
    assert.match(answer.problems[7], /column BilledCost: value "1,5".*\(row 8\)/);
    assert.match(answer.problems[8], /column ServiceName: .*the text is not UTF-8.*\(row 10\)/);
  });

  test('a text of ten megabytes is told', async () => {
    const file = path.join(folder, 'long.parquet');
    for (const other of ["'b'", 'ServiceName']) {
      await connection.run(
        `COPY (SELECT * REPLACE (CASE WHEN rowid = 7 THEN repeat('x', 10000000) ELSE ${other} END AS ServiceName)
               FROM bill LIMIT 3000) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`,
      );
      const long = aggregate(file, 'ServiceName', 'BilledCost');
      assert.notEqual(long.status, 0);
      assert.match(
        long.error,
        /row group 0, column ServiceName, page at byte \d+: .*kMaxTextBytes/,
      );
    }
  });

  // Whatever is damaged, it ends in an error or an answer, not in a crash, and soon.
  test('damaged files', async () => {
    const whole = path.join(folder, 'whole.parquet');
    await connection.run(
      `COPY (SELECT * FROM bill LIMIT 3000) TO '${whole}' (FORMAT parquet, COMPRESSION uncompressed)`,
    );
    const bytes = readFileSync(whole);
    const damaged = path.join(folder, 'damaged.parquet');
    let seed = 42;
    const random = limit => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % limit;
    };
    for (let round = 0; round < 60; round += 1) {
      const copy = Buffer.from(round % 3 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes);
      const from = round % 2 === 0 ? Math.max(0, copy.length - 1500) : 0;
      for (let i = 0; i < 3 && copy.length > 0; i += 1)
        copy[from + random(copy.length - from)] = random(256);
      writeFileSync(damaged, copy);
      const { status } = aggregate(damaged, 'day,ServiceName,tag:team', 'BilledCost');
      assert.ok(status !== null && status < 128, `round ${round}: ended with ${status}`);
    }
    assert.ok(existsSync(damaged));
    const file = openSync(damaged, 'w');
    writeSync(file, 'PAR1');
    closeSync(file);
    assert.match(
      aggregate(damaged, 'day', 'BilledCost').error,
      /not a Parquet file: it is too short/,
    );
  });
});

describe('purser costs aggregate', () => {
  test('writes CSV, JSON and a table; says what it left out', () => {
    const bill = path.join(folder, 'bill.csv');
    writeFileSync(
      bill,
      'BilledCost,ServiceName,BillingCurrency\n1.5,"a, ""b""",USD\nx,c,USD\n2E-18,"a, ""b""",USD\n',
    );
    const run = (...args) =>
      spawnSync(purser, ['costs', 'aggregate', bill, '--measure', 'BilledCost', ...args], {
        encoding: 'utf8',
      });
    assert.equal(run().status, 4);
    assert.match(run().stderr, /bill\.csv:3: column BilledCost: value "x".*\(row 2, byte /);
    const out = path.join(folder, 'sums.csv');
    const done = run('--by', 'ServiceName', '--out', out, '--quarantine');
    assert.equal(done.status, 0, done.stderr);
    assert.match(done.stderr, /1 of 3 rows were left out/);
    assert.equal(
      readFileSync(out, 'utf8'),
      'ServiceName,BillingCurrency,BilledCost,charges\n"a, ""b""",USD,1.500000000000000002,2\n',
    );
    assert.deepEqual(JSON.parse(run('--by', 'ServiceName', '--json', '--quarantine').stdout).rows, [
      { keys: ['a, "b"'], currency: 'USD', sums: ['1.500000000000000002'], charges: 2 },
    ]);
    assert.match(
      run('--quarantine').stdout,
      /CURRENCY\s+BilledCost\s+CHARGES\s+USD\s+1\.500000000000000002\s+2/,
    );
    assert.match(run('--by', 'Colour').stderr, /column Colour/);
    writeFileSync(
      bill,
      Buffer.from('BilledCost,a\xff,BillingCurrency\n0.1234567890123456785,b,USD\n', 'latin1'),
    );
    const rounded = run('--json');
    assert.equal(rounded.status, 0, rounded.stderr);
    assert.match(rounded.stderr, /1 numbers were rounded to 18 digits/);
    assert.equal(JSON.parse(rounded.stdout).roundedNumbers, 1);
    assert.equal(
      spawnSync(purser, ['costs', 'aggregate', '/nowhere.csv'], { encoding: 'utf8' }).status,
      5,
    );
  });
});
