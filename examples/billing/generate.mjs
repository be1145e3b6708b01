#!/usr/bin/env node
// Writes a FOCUS 1.2 billing file: made-up charges of a small company, the same for the same seed,
// and charges of the resources one names, so that a demo has costs to show.
//
//   node generate.mjs --rows 100000 --until 2026-11-20 --days 45 --out bill.csv \
//     --resource urn:purser:demo:lab:notebook --resource urn:purser:demo:lab:bucket,team=data \
//     --entity component:default/shop
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { parseArgs } from 'node:util';

const usage = `usage: node generate.mjs [options]
  --rows N            charges to write (default 1000, at most 100000000)
  --until YYYY-MM-DD  last day with charges (default: yesterday, UTC)
  --days N            days back from it (default 30, at most 1100)
  --seed N            another seed, another bill (default 1)
  --resource ID[,KEY=VALUE...]
                      a resource that is charged every day, with tags; repeatable
  --entity REF        an entity that is charged every day by tag purser.dev/entity; repeatable
  --extra ACCOUNT,DAY,AMOUNT
                      one more charge of a day: a notebook that somebody left running; repeatable
  --bad N             rows that cannot be read, spread over the file (default 0)
  --out FILE          default: standard output
`;

const columns = [
  'AvailabilityZone', 'BilledCost', 'BillingAccountId', 'BillingAccountName', 'BillingAccountType',
  'BillingCurrency', 'BillingPeriodEnd', 'BillingPeriodStart', 'CapacityReservationId',
  'CapacityReservationStatus', 'ChargeCategory', 'ChargeClass', 'ChargeDescription',
  'ChargeFrequency', 'ChargePeriodEnd', 'ChargePeriodStart', 'CommitmentDiscountCategory',
  'CommitmentDiscountId', 'CommitmentDiscountName', 'CommitmentDiscountQuantity',
  'CommitmentDiscountStatus', 'CommitmentDiscountType', 'CommitmentDiscountUnit',
  'ConsumedQuantity', 'ConsumedUnit', 'ContractedCost', 'ContractedUnitPrice', 'EffectiveCost',
  'InvoiceId', 'InvoiceIssuerName', 'ListCost', 'ListUnitPrice', 'PricingCategory',
  'PricingCurrency', 'PricingCurrencyContractedUnitPrice', 'PricingCurrencyEffectiveCost',
  'PricingCurrencyListUnitPrice', 'PricingQuantity', 'PricingUnit', 'ProviderName',
  'PublisherName', 'RegionId', 'RegionName', 'ResourceId', 'ResourceName', 'ResourceType',
  'ServiceCategory', 'ServiceName', 'ServiceSubcategory', 'SkuId', 'SkuMeter', 'SkuPriceDetails',
  'SkuPriceId', 'SubAccountId', 'SubAccountName', 'SubAccountType', 'Tags',
];

// name, category, subcategory, unit, price in units of 10^-9 per unit, largest quantity
const services = [
  ['Virtual Machines', 'Compute', 'Virtual Machines', 'Hours', 48_000_000n, 24],
  ['Managed Notebooks', 'AI and Machine Learning', 'Machine Learning', 'Hours', 95_000_000n, 10],
  ['Object Storage', 'Storage', 'Object Storage', 'GB-Hours', 31_507n, 4000],
  ['Managed PostgreSQL', 'Databases', 'Relational Databases', 'Hours', 130_500_000n, 24],
  ['Container Clusters', 'Compute', 'Containers', 'Hours', 100_000_000n, 24],
  ['Data Transfer', 'Networking', 'Network Infrastructure', 'GB', 8_500_000n, 120],
  ['Functions', 'Compute', 'Serverless Compute', 'Requests', 200n, 90000],
  ['Message Queues', 'Integration', 'Messaging', 'Requests', 400n, 50000],
];
const teams = ['data', 'shop', 'search', 'platform', 'mobile'];
const environments = ['prod', 'staging', 'dev'];
const accounts = Array.from({ length: 12 }, (_, i) => [`10000000${i + 10}`, `account ${i + 1}`]);
const regions = [['eu-north', 'Europe North'], ['eu-west', 'Europe West'], ['us-east', 'US East']];

function fail(message) {
  process.stderr.write(`generate: ${message}\n${usage}`);
  process.exit(2);
}

// A small generator (mulberry32): the same numbers everywhere.
function random(seed) {
  let state = seed >>> 0;
  return below => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}

// Amounts are whole numbers of 10^-12, so that nothing is rounded behind our back.
function amount(units) {
  const negative = units < 0n;
  const text = (negative ? -units : units).toString().padStart(13, '0');
  const fraction = text.slice(-12).replace(/0+$/, '');
  return `${negative ? '-' : ''}${text.slice(0, -12)}${fraction ? `.${fraction}` : ''}`;
}

// As some clouds write small numbers.
function scientific(units) {
  if (units <= 0n) return amount(units);
  const digits = units.toString();
  return `${digits[0]}.${digits.slice(1) || '0'}E${digits.length - 13}`;
}

function cell(value) {
  if (value === null || value === undefined) return '';
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function dayText(day) {
  return new Date(day * 86400000).toISOString().slice(0, 10);
}

function parseDay(text) {
  const time = Date.parse(`${text}T00:00:00Z`);
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text) || Number.isNaN(time)) fail(`"${text}" is not a day`);
  return time / 86400000;
}

function count(text, name, low, high) {
  const value = Number(text);
  if (!Number.isInteger(value) || value < low || value > high) {
    fail(`--${name} ${text} is not a whole number from ${low} to ${high}`);
  }
  return value;
}

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        rows: { type: 'string', default: '1000' },
        until: { type: 'string' },
        days: { type: 'string', default: '30' },
        seed: { type: 'string', default: '1' },
        resource: { type: 'string', multiple: true, default: [] },
        entity: { type: 'string', multiple: true, default: [] },
        extra: { type: 'string', multiple: true, default: [] },
        bad: { type: 'string', default: '0' },
        out: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    fail(error.message);
  }
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const named = [
    ...values.resource.map(text => {
      const [id, ...tags] = text.split(',');
      return { id, tags: Object.fromEntries(tags.map(tag => tag.split('=', 2))) };
    }),
    ...values.entity.map(ref => ({ id: null, tags: { 'purser.dev/entity': ref } })),
  ];
  const days = count(values.days, 'days', 1, 1100);
  const rows = count(values.rows, 'rows', 0, 100_000_000);
  if (rows < named.length * days) {
    fail(`--rows ${rows} leaves no room for ${named.length} resources on ${days} days`);
  }
  return {
    rows,
    days,
    named,
    until: parseDay(values.until ?? dayText(Math.floor(Date.now() / 86400000) - 1)),
    seed: count(values.seed, 'seed', 0, 4294967295),
    bad: count(values.bad, 'bad', 0, rows),
    extras: values.extra.map(readExtra),
    out: values.out,
  };
}

function readExtra(text) {
  const [id, day, dollars] = text.split(',');
  const account = accounts.find(([known]) => known === id);
  if (!account) fail(`--extra ${text}: accounts are ${accounts.map(([known]) => known).join(', ')}`);
  return {
    account,
    day: parseDay(day ?? ''),
    cost: BigInt(count(dollars ?? '', 'extra', 1, 1_000_000)) * 1_000_000_000_000n,
  };
}

function charge(below, day, named, extra) {
  const account = extra?.account ?? accounts[below(accounts.length)];
  const region = extra ? regions[1] : regions[below(regions.length)];
  const bucket = named?.id?.endsWith('bucket');
  const notebook = extra || named?.id?.endsWith('notebook');
  const service = services[notebook ? 1 : bucket ? 2 : below(services.length)];
  const [name, category, subcategory, unit, price, most] = service;
  const team = teams[below(teams.length)];
  const number = below(60);
  const id = extra ? `urn:demo:${account[0]}:left-running` : named ? named.id : `urn:demo:${account[0]}:${name.toLowerCase().replaceAll(' ', '-')}:${number}`;
  const tags = named
    ? named.tags
    : extra || number % 5 === 0
      ? {}
      : { team, environment: environments[number % 3], ...(number % 7 === 0 ? { temporary: true } : {}) };
  const credit = !named && !extra && below(200) === 0;
  const quantity = 1 + below(most);
  const list = extra?.cost ?? BigInt(quantity) * price * 1000n;
  const billed = credit ? -list / 10n : list;
  const effective = credit ? billed : (billed * 93n) / 100n;
  const hour = below(24);
  const start = `${dayText(day)}T${String(hour).padStart(2, '0')}:00:00Z`;
  const end = new Date(Date.parse(start) + 3600000).toISOString().replace('.000', '');
  const date = new Date(day * 86400000);
  const period = (months) =>
    new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1))
      .toISOString()
      .replace('.000', '');
  const text = below(2) === 0 ? amount : scientific;
  const unitPrice = amount(price * 1000n);
  const values = {
    AvailabilityZone: `${region[0]}-${'abc'[below(3)]}`,
    BilledCost: text(billed),
    BillingAccountId: '900000001',
    BillingAccountName: 'Example Company, Inc.',
    BillingAccountType: 'Billing Account',
    BillingCurrency: 'USD',
    BillingPeriodEnd: period(1),
    BillingPeriodStart: period(0),
    ChargeCategory: credit ? 'Credit' : 'Usage',
    ChargeDescription: credit ? 'Credit for an outage' : `${name}, per ${unit}, "on demand"`,
    ChargeFrequency: 'Usage-Based',
    ChargePeriodEnd: end,
    ChargePeriodStart: start,
    ConsumedQuantity: quantity,
    ConsumedUnit: unit,
    ContractedCost: text(billed),
    ContractedUnitPrice: unitPrice,
    EffectiveCost: text(effective),
    InvoiceId: `INV-${dayText(day).slice(0, 7)}`,
    InvoiceIssuerName: 'Example Cloud',
    ListCost: amount(list),
    ListUnitPrice: unitPrice,
    PricingCategory: 'Standard',
    PricingQuantity: quantity,
    PricingUnit: unit,
    ProviderName: 'Example Cloud',
    PublisherName: 'Example Cloud',
    RegionId: region[0],
    RegionName: region[1],
    ResourceId: id,
    ResourceName: id?.split(':').at(-1),
    ResourceType: subcategory,
    ServiceCategory: category,
    ServiceName: name,
    ServiceSubcategory: subcategory,
    SkuId: `SKU-${services.indexOf(service) + 1}`,
    SkuMeter: unit,
    SkuPriceId: `SKU-${services.indexOf(service) + 1}.1`,
    SubAccountId: account[0],
    SubAccountName: account[1],
    SubAccountType: 'Account',
    Tags: JSON.stringify(tags),
  };
  return `${columns.map(column => cell(values[column])).join(',')}\n`;
}

async function main() {
  const options = readOptions();
  const below = random(options.seed);
  const out = options.out ? createWriteStream(options.out) : process.stdout;
  out.on('error', error => {
    process.stderr.write(`generate: ${error.message}\n`);
    process.exit(1);
  });
  let pending = `${columns.join(',')}\n`;
  const named = options.named.length * options.days;
  const badEvery = options.bad > 0 ? Math.max(1, Math.floor(options.rows / options.bad)) : 0;
  let bad = 0;
  for (let row = 0; row < options.rows; row += 1) {
    // The named resources come first, each on every day; the others fill up.
    const index = row < named ? row % options.days : below(options.days);
    const resource = row < named ? options.named[Math.floor(row / options.days)] : undefined;
    const line = charge(below, options.until - options.days + 1 + index, resource);
    if (badEvery > 0 && bad < options.bad && (row + 1) % badEvery === 0) {
      bad += 1;
      pending += `unreadable,${line.slice(line.indexOf(',') + 1)}`.replace(/,USD,/, ',dollars,');
    } else {
      pending += line;
    }
    if (pending.length > 1 << 20) {
      if (!out.write(pending)) await once(out, 'drain');
      pending = '';
    }
  }
  for (const extra of options.extras) pending += charge(below, extra.day, undefined, extra);
  if (options.out) {
    out.end(pending);
    await once(out, 'finish');
  } else {
    out.write(pending);
  }
}

await main();
