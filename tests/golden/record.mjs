// Records what the real backends behind two frontends answer, for the golden tests of our surfaces
// (plugin/infrawallet, plugin/cost-insights). Run it when a new version of one of them is to be
// matched:
//
//   node tests/golden/record.mjs
//
// The backends are fetched by `npm pack` and run offline on this repository's Backstage: InfraWallet
// with its own mock integration, AWS Cost Insights with a Cost Explorer that is one answer. Of their
// dependencies, those that only speak to clouds are replaced by nothing.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.resolve(here, '../..');
const work = path.join(root, 'build/golden');
const peers = {
  '@electrolux-oss/plugin-infrawallet-backend': '1.2.0',
  '@aws/cost-insights-plugin-for-backstage-backend': '0.8.0',
};

const npm = (args, cwd) =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

function fetchPeers() {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) {
    cpSync(path.join(here, file), path.join(work, file));
  }
  npm(['ci', '--ignore-scripts', '--no-audit', '--no-fund'], work);
  for (const [name, version] of Object.entries(peers)) {
    const file = npm(['pack', '--silent', `${name}@${version}`], work)
      .trim()
      .split('\n')
      .at(-1);
    const folder = path.join(work, 'node_modules', name);
    mkdirSync(folder, { recursive: true });
    execFileSync('tar', ['xzf', file, '-C', folder, '--strip-components=1'], { cwd: work });
    const hash = createHash('sha256')
      .update(readFileSync(path.join(work, file)))
      .digest('hex');
    process.stdout.write(`${name}@${version} ${hash}\n`);
  }
}

/** Stands for a module nothing of is called: any member of it is one more of its kind. */
const nothing = () =>
  new Proxy(class Nothing {}, {
    // Something that had a `then` would be waited for.
    get: (target, name) =>
      name in target || name === 'then' || typeof name === 'symbol' ? target[name] : nothing(),
  });

// What the AWS backend takes from packages that no registry need have.
const replaced = {
  '@aws/aws-core-plugin-for-backstage-common': {
    AWS_SDK_CUSTOM_USER_AGENT: 'golden',
    getOneOfEntityAnnotations: (entity, names) =>
      names
        .map(name => ({ name, value: entity.metadata.annotations?.[name] }))
        .find(({ value }) => value !== undefined),
  },
  '@aws/cost-insights-plugin-for-backstage-common': {
    COST_INSIGHTS_AWS_COST_CATEGORY_ANNOTATION: 'aws.amazon.com/cost-insights-cost-categories',
    COST_INSIGHTS_AWS_TAGS_ANNOTATION: 'aws.amazon.com/cost-insights-tags',
  },
  '@aws-sdk/client-cost-explorer': {
    Granularity: { DAILY: 'DAILY', MONTHLY: 'MONTHLY' },
    GetCostAndUsageCommand: class {
      constructor(input) {
        this.input = input;
      }
    },
    CostExplorerClient: class {},
  },
};

function replaceAbsent() {
  const load = Module._load;
  Module._load = function loadOrReplace(request, parent, isMain) {
    if (Object.hasOwn(replaced, request)) return replaced[request];
    try {
      return load.call(this, request, parent, isMain);
    } catch (error) {
      const absent = error.code === 'MODULE_NOT_FOUND' && error.message.includes(`'${request}'`);
      const oursToReplace = parent?.filename?.startsWith(work) && !request.startsWith('.');
      if (!absent || !oursToReplace) throw error;
      return nothing();
    }
  };
}

/** The backends find their own migrations by asking Backstage, which does not see them there. */
function resolvePeersFrom(place) {
  const resolve = Module._resolveFilename;
  Module._resolveFilename = function resolvePeer(request, parent, ...rest) {
    const peer = Object.keys(peers).some(name => request.startsWith(`${name}/`));
    const asked = peer && !parent?.filename?.startsWith(work) ? place : parent;
    return resolve.call(this, request, asked, ...rest);
  };
}

async function ask(base, headers, requests) {
  const answers = [];
  for (const { method = 'GET', path: target, body } of requests) {
    const response = await fetch(base + target, {
      method,
      headers: { ...headers, ...(body ? { 'content-type': 'application/json' } : {}) },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    const answer = { method, path: target, status: response.status };
    if (body) answer.body = body;
    try {
      answer.answer = JSON.parse(text);
    } catch {
      answer.text = text;
    }
    answers.push(answer);
  }
  return answers;
}

/** Two of each provider: enough for the form. */
function shorten(reports) {
  const seen = new Map();
  return reports.filter(({ provider }) => {
    const count = seen.get(provider) ?? 0;
    seen.set(provider, count + 1);
    return count < 2;
  });
}

async function recordInfraWallet(require, { startTestBackend, mockServices, mockCredentials }) {
  const { server, ...backend } = await startTestBackend({
    features: [
      require('@electrolux-oss/plugin-infrawallet-backend').default,
      mockServices.rootConfig.factory({
        data: { backend: { infraWallet: { integrations: { mock: [{ name: 'mock' }] } } } },
      }),
    ],
  });
  const base = `http://localhost:${server.port()}/api/infrawallet`;
  const times = `startTime=${Date.UTC(2026, 0, 5)}&endTime=${Date.UTC(2026, 2, 5)}`;
  const answers = await ask(base, { authorization: mockCredentials.user.header() }, [
    { path: '/health' },
    { path: `/reports?granularity=monthly&groups=&filters=&tags=()&${times}` },
    {
      path: `/reports?granularity=monthly&groups=&filters=(provider:AWS)&tags=()&${times}`,
    },
    {
      path: `/reports?granularity=daily&groups=&filters=(provider:AWS)&tags=()&startTime=${Date.UTC(2026, 0, 5)}&endTime=${Date.UTC(2026, 0, 8)}`,
    },
    { path: `/tag-keys?provider=mock&${times}` },
    { path: `/tag-values?provider=mock&tag=team&${times}` },
    { path: '/default' },
    { path: '/no-such-wallet' },
    { path: '/default/budgets' },
    {
      method: 'PUT',
      path: '/default/budgets',
      body: { provider: 'AWS', name: 'year', amount: 1000 },
    },
    { path: '/default/budgets' },
    { path: '/default/budgets?provider=AWS' },
    { path: '/custom-costs' },
    { path: '/metric/metric-configs' },
    { path: `/default/metrics?granularity=monthly&${times}` },
    { path: '/default/metrics-setting' },
  ]);
  await backend.stop?.();
  for (const { answer, path: target } of answers) {
    if (target.startsWith('/reports')) answer.data = shorten(answer.data);
  }
  return answers;
}

async function recordCostInsights(require) {
  const {
    CostExplorerCostInsightsAwsService,
  } = require('@aws/cost-insights-plugin-for-backstage-backend/dist/service/CostExplorerCostInsightsAwsService.cjs.js');
  const amounts = [10, 12.5, 0.25, 8];
  const days = amounts.map((_, i) => `2026-01-0${i + 1}`);
  const half = amount => [
    { Keys: ['Amazon S3'], Metrics: { UnblendedCost: { Amount: String(amount * 0.25) } } },
    { Keys: ['AWS Lambda'], Metrics: { UnblendedCost: { Amount: String(amount * 0.75) } } },
  ];
  const questions = [];
  const explorer = {
    send: async ({ input }) => {
      questions.push(input.TimePeriod);
      return {
        ResultsByTime: amounts.map((amount, i) => ({
          TimePeriod: { Start: days[i] },
          Total: { UnblendedCost: { Amount: String(amount) } },
          Groups: input.GroupBy ? half(amount) : [],
        })),
      };
    },
  };
  const entity = {
    kind: 'Component',
    metadata: {
      name: 'shop',
      namespace: 'default',
      annotations: { 'aws.amazon.com/cost-insights-tags': 'team=web' },
    },
  };
  const service = new CostExplorerCostInsightsAwsService(
    { debug() {}, info() {} },
    { getEntityByRef: async () => entity },
    explorer,
    {
      costExplorer: { costMetric: 'UnblendedCost' },
      entityGroups: [
        { kind: 'Component', groups: [{ name: 'service', key: 'SERVICE', type: 'DIMENSION' }] },
      ],
    },
  );
  const intervals = 'R2/P2D/2026-01-05';
  const answer = await service.getCatalogEntityDailyCost({
    entityRef: { kind: 'component', namespace: 'default', name: 'shop' },
    intervals,
    credentials: {},
  });
  return {
    path: `/v1/entity/default/component/shop/${encodeURIComponent(intervals)}`,
    asked: questions[0],
    costs: amounts.flatMap((amount, i) =>
      half(amount).map(({ Keys, Metrics }) => ({
        day: days[i],
        service: Keys[0],
        amount: Metrics.UnblendedCost.Amount,
      })),
    ),
    answer: JSON.parse(JSON.stringify(answer)),
  };
}

fetchPeers();
replaceAbsent();
process.env.TZ = 'UTC';
const place = new Module(path.join(work, 'index.js'));
place.filename = place.id;
place.paths = Module._nodeModulePaths(work);
resolvePeersFrom(place);
const require = createRequire(place.id);
const write = (name, value) =>
  writeFileSync(path.join(here, name), `${JSON.stringify(value, null, 2)}\n`);
write('cost-insights-aws.json', await recordCostInsights(require));
const testUtils = require('@backstage/backend-test-utils');
write('infrawallet.json', await recordInfraWallet(require, testUtils));
process.exit(0);
