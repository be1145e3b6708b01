// The story of the README, through the portal's REST API: order a workspace, find it with its
// documentation, costs and resources, by every surface.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { billedResources, ingestBill, purser as cli, writeBill } from '../tools/lib/billing.mjs';
import { run } from '../tools/lib/repo.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

const { portal, client } = await startPortal();
const name = 'sales-eu';
const entityRef = `resource:default/workspace-${name}`;
const owner = 'group:default/analytics';
const values = {
  name,
  owner,
  region: 'europe-west3',
  machineType: 'standard-4',
  diskSizeGb: 250,
  idleShutdownMinutes: 60,
  dataClassification: 'confidential',
  monthlyBudget: 300,
};

let task;
let requestId;

const purser = (...words) => cli(portal.paths, ...words);

const git = (...words) =>
  run('git', ['--git-dir', portal.paths.workspacesRemote, ...words], { quiet: true });

test('the guest is a member of the analytics group', async () => {
  const identity = await client.signIn();
  assert.equal(identity.userEntityRef, 'user:default/guest');
  assert.ok(identity.ownershipEntityRefs.includes(owner));
});

test('the actions page knows our actions with schema and examples', async () => {
  const actions = await client.get('/api/scaffolder/v2/actions');
  for (const id of [
    'purser:template:render',
    'purser:git:publish',
    'purser:request',
    'purser:request:await',
  ]) {
    const action = actions.find(entry => entry.id === id);
    assert.ok(action, `${id} is registered`);
    assert.ok(action.description.length > 20, id);
    assert.ok(action.schema.input.properties, id);
    assert.ok(action.schema.output.properties, id);
    assert.ok(action.examples.length >= 3, id);
  }
});

test('a dry run of the template says what would be done and does nothing', async () => {
  const template = await client.entity('template:default/analytics-workspace');
  const answer = await client.post('/api/scaffolder/v2/dry-run', {
    template,
    values: { ...values, name: 'never-made' },
    secrets: {},
    directoryContents: [
      {
        path: 'skeleton/README.md',
        base64Content: Buffer.from('# ${{ values.name }}\n').toString('base64'),
      },
    ],
  });
  assert.ok(answer.log.length > 0);
  const requests = await client.get('/api/purser/v1/requests');
  assert.deepEqual(requests.items, []);
  assert.equal(await git('branch', '--list', 'never-made'), '');
});

test('the template runs to its end and its log tells of every step', async () => {
  task = await client.startTemplate('template:default/analytics-workspace', values);
  const end = await client.taskEnd(task);
  const log = (await client.taskLog(task)).join('\n');
  for (const word of ['request.created', 'step.succeeded', 'request.succeeded']) {
    assert.ok(log.includes(word), `the log has ${word}:\n${log}`);
  }
  assert.equal(end.status, 'completed');
});

test('the workspace files are one commit on the workspace branch, rendered', async () => {
  assert.equal((await git('rev-list', '--count', name)).trim(), '1');
  const readme = await git('show', `${name}:README.md`);
  assert.ok(readme.startsWith(`# ${name}\n`), readme);
  assert.match(await git('ls-tree', '-r', '--name-only', name), new RegExp(`notebooks/${name}.ipynb`));
  await git('fsck', '--strict');
});

test('the catalog has the resource with owner, state and links', async () => {
  const entity = await until('the resource in its final state', async () => {
    const found = await client.entity(entityRef);
    return found?.metadata.annotations['purser.dev/state'] === 'succeeded' && found;
  });
  assert.equal(entity.spec.owner, owner);
  assert.equal(entity.spec.type, 'analytics-workspace');
  requestId = entity.metadata.annotations['purser.dev/request-id'];
  assert.match(requestId, /^req_/);
  assert.ok(
    entity.relations.some(
      relation => relation.type === 'ownedBy' && relation.targetRef === owner,
    ),
    'owned by the group',
  );
  const titles = entity.metadata.links.map(link => link.title.toLowerCase()).join(', ');
  assert.match(titles, /commit/);
  assert.match(titles, /request/);
});

test('its documentation is generated and shown', async () => {
  const docs = `default/component/${name}`;
  await until('the component of the repository', () => client.entity(`component:default/${name}`));
  const entity = await client.entity(entityRef);
  assert.equal(
    entity.metadata.annotations['backstage.io/techdocs-entity'],
    `component:default/${name}`,
  );
  const answer = await client.fetch('GET', `/api/techdocs/sync/${docs}`, undefined, {
    accept: 'text/event-stream',
  });
  const events = await answer.text();
  assert.ok(/event: finish/.test(events), events.slice(-2000));
  const page = await client.get(`/api/techdocs/static/docs/${docs}/index.html`);
  assert.match(page, /Analytics workspace sales-eu/);
  assert.match(page, /250 GB/);
  assert.match(page, /Confidential data/);
});

test('its cost of the last 30 days comes from a FOCUS file, exactly', async () => {
  const { items } = await client.get(
    `/api/purser/v1/entities/resource/default/workspace-${name}/resources`,
  );
  const billed = await billedResources(portal.paths);
  assert.deepEqual(
    items.map(resource => resource.id).filter(id => id.startsWith('urn:')).sort(),
    billed,
    'notebook and bucket are recorded as the bill names them',
  );
  const file = await writeBill(portal.paths, billed);
  const report = await ingestBill(portal.paths, file);
  assert.equal(report.unchanged, false);
  assert.equal(Number(report.rowsQuarantined), 0);
  assert.equal((await ingestBill(portal.paths, file)).unchanged, true, 'the same bill counts once');

  const expected = billedCost(file, new Set(billed));
  const costs = await client.get(
    `/api/purser/v1/costs/entities/resource/default/workspace-${name}`,
  );
  assert.equal(costs.costs.length, 1);
  assert.equal(costs.costs[0].currency, 'USD');
  assert.equal(normal(costs.costs[0].billedCost), expected);

  const annotation = await until('the cost on the entity', async () => {
    const entity = await client.entity(entityRef);
    return entity.metadata.annotations['purser.dev/cost-30d'];
  });
  const [amount, currency] = annotation.split(' ');
  assert.equal(currency, 'USD');
  assert.equal(normal(amount), expected);
});

test('search finds the workspace and its request', async () => {
  await until('the workspace in search', async () => {
    const found = await client.get(`/api/search/query?term=workspace-${name}`);
    return found.results.some(
      result => result.document.location === `/catalog/default/resource/workspace-${name}`,
    );
  });
  await until('the request in search', async () => {
    const found = await client.get(`/api/search/query?term=${requestId}`);
    return found.results.some(result => result.type === 'purser-request');
  });
});

test('REST, CLI and MCP tell the same of the request', async () => {
  const rest = await client.get(`/api/purser/v1/requests/${requestId}`);
  assert.equal(rest.state, 'succeeded');
  assert.equal(rest.entityRef, entityRef);

  const told = JSON.parse(await purser('requests', 'get', requestId, '--json'));
  assert.equal(told.id, requestId);
  assert.deepEqual(
    told.steps.map(step => step.id),
    rest.steps.map(step => step.id),
  );

  const { tools } = await client.mcp('tools/list', {});
  const tool = tools.find(entry => entry.name.endsWith('get-request'));
  assert.ok(tool, `MCP has get-request: ${tools.map(entry => entry.name)}`);
  const answer = await client.mcp('tools/call', { name: tool.name, arguments: { id: requestId } });
  assert.ok(!answer.isError, JSON.stringify(answer));
  assert.ok(answer.content[0].text.includes('succeeded'));
});

test('a request of another group is not shown, and cannot be approved or cancelled', async () => {
  const other = JSON.parse(
    await purser(
      'requests',
      'create',
      'analytics-workspace',
      '--as',
      'user:default/lukas',
      ...Object.entries({ ...values, name: 'ops-metrics', owner: 'group:default/platform' }).flatMap(
        ([key, value]) => ['--set', `${key}=${value}`],
      ),
      '--json',
    ),
  );
  const list = await client.get('/api/purser/v1/requests');
  assert.ok(list.items.every(item => item.owner === owner));
  for (const [method, where] of [
    ['GET', `/api/purser/v1/requests/${other.id}`],
    ['POST', `/api/purser/v1/requests/${other.id}/cancel`],
    ['POST', `/api/purser/v1/requests/${other.id}/approve`],
  ]) {
    const answer = await client.fetch(method, where, method === 'POST' ? {} : undefined);
    assert.ok([403, 404].includes(answer.status), `${method} ${where}: ${answer.status}`);
  }
});

test('parameters that break the schema are all named at once, with pointers', async () => {
  await assert.rejects(
    client.post('/api/purser/v1/requests', {
      blueprint: 'analytics-workspace',
      owner,
      parameters: { name: 'No Such Name!', diskSizeGb: -1 },
    }),
    error => {
      assert.equal(error.status, 400);
      const text = JSON.stringify(error.body);
      assert.match(text, /\/name/);
      assert.match(text, /\/diskSizeGb/);
      return true;
    },
  );
  const unknown = await client.fetch('POST', '/api/purser/v1/requests', {
    blueprint: 'no-such-blueprint',
    owner,
    parameters: {},
  });
  assert.equal(unknown.status, 404);
});

/** Decimal text without trailing zeros. */
function normal(text) {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** Sum of BilledCost of the given resources over the 30 days up to the last day of the file. */
function billedCost(file, resources) {
  const [head, ...lines] = readFileSync(file, 'utf8').trim().split('\n').map(cells);
  const column = title => head.indexOf(title);
  const day = row => row[column('ChargePeriodStart')].slice(0, 10);
  const last = lines.map(day).sort().at(-1);
  const first = new Date(Date.parse(last) - 29 * 86_400_000).toISOString().slice(0, 10);
  let sum = 0n;
  for (const row of lines) {
    if (resources.has(row[column('ResourceId')]) && day(row) >= first) {
      sum += scaled(row[column('BilledCost')]);
    }
  }
  const digits = String(sum < 0n ? -sum : sum).padStart(19, '0');
  return normal(`${sum < 0n ? '-' : ''}${digits.slice(0, -18)}.${digits.slice(-18)}`);
}

/** A decimal text, also with an exponent, as an integer of 10^-18. */
function scaled(text) {
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(text);
  const zeros = 18 - fraction.length + Number(exponent);
  const digits = BigInt(whole + fraction);
  const value = zeros >= 0 ? digits * 10n ** BigInt(zeros) : digits / 10n ** BigInt(-zeros);
  return sign ? -value : value;
}

/** The cells of one CSV line without line breaks in cells. */
function cells(line) {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
    ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain.trim(),
  );
}
