// Reading a list of 50,000 Deployments, as a cluster with server-side apply answers it: JSON.parse in
// JavaScript, and the streaming reader of purserd. Both in processes of their own, on the same bytes.
import { spawnSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { round, row, scratchFolder } from './lib/measure.mjs';

const OBJECTS = 50_000;
const PAGE = 500;
const RUNS = 3;
const here = path.dirname(fileURLToPath(import.meta.url));
const program = path.resolve(here, '../../build/release/bin/kubernetes_list');

/** What a Deployment looks like when it comes from a server: 4.7 KB, 44 % of it managedFields. */
function deployment(number) {
  const name = `app-${number}`;
  const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': `system-${number % 200}`, team: `team-${number % 50}` };
  const spec = {
    replicas: 3,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { ...labels, app: name }, annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': '8080' } },
      spec: {
        containers: [
          {
            name: 'main',
            image: `registry.example.org/team/${name}@sha256:${'0123456789abcdef'.repeat(4)}`,
            env: Array.from({ length: 8 }, (_, at) => ({ name: `SETTING_${at}`, value: `value ${at} of ${name} "quoted"` })),
            ports: [{ containerPort: 8080, name: 'http', protocol: 'TCP' }],
            resources: { limits: { cpu: '1', memory: '512Mi' }, requests: { cpu: '100m', memory: '128Mi' } },
            readinessProbe: { httpGet: { path: '/ready', port: 'http', scheme: 'HTTP' }, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 },
            terminationMessagePath: '/dev/termination-log',
            terminationMessagePolicy: 'File',
            imagePullPolicy: 'IfNotPresent',
          },
        ],
        restartPolicy: 'Always', terminationGracePeriodSeconds: 30, dnsPolicy: 'ClusterFirst', serviceAccountName: name, schedulerName: 'default-scheduler', securityContext: {},
      },
    },
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
  };
  const managed = value => {
    if (Array.isArray(value)) return { '.': {}, ...Object.fromEntries(value.map(item => [`k:${JSON.stringify({ name: item.name ?? item.containerPort })}`, managed(item)])) };
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [`f:${key}`, managed(member)]));
  };
  const condition = type => ({ type, status: 'True', lastUpdateTime: '2026-11-01T10:00:00Z', lastTransitionTime: '2026-11-01T10:00:00Z', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' });
  return {
    metadata: {
      name,
      namespace: `ns-${number % 100}`,
      uid: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`,
      resourceVersion: String(1_000_000 + number),
      generation: 4,
      creationTimestamp: '2026-01-01T00:00:00Z',
      labels,
      annotations: { 'deployment.kubernetes.io/revision': '4', 'backstage.io/owner': `group:default/team-${number % 50}` },
      managedFields: [
        { manager: 'kustomize-controller', operation: 'Apply', apiVersion: 'apps/v1', time: '2026-11-01T10:00:00Z', fieldsType: 'FieldsV1', fieldsV1: { ...managed({ metadata: { labels }, spec }) } },
        { manager: 'kube-controller-manager', operation: 'Update', apiVersion: 'apps/v1', time: '2026-11-01T10:00:00Z', fieldsType: 'FieldsV1', fieldsV1: managed({ status: { availableReplicas: 3, conditions: [], observedGeneration: 4, readyReplicas: 3, replicas: 3, updatedReplicas: 3 } }) },
      ],
    },
    spec,
    status: { observedGeneration: 4, replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3, conditions: [condition('Available'), condition('Progressing')] },
  };
}

async function write(file) {
  const out = createWriteStream(file);
  for (let page = 0; page * PAGE < OBJECTS; page += 1) {
    const items = Array.from({ length: PAGE }, (_, at) => deployment(page * PAGE + at));
    const text = JSON.stringify({ kind: 'DeploymentList', apiVersion: 'apps/v1', metadata: { resourceVersion: '2000000', continue: page + 1 < OBJECTS / PAGE ? `page-${page}` : '' }, items });
    if (!out.write(`${text}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

/** In a process of its own: every page parsed as a whole, as a client in JavaScript does. */
function parseHere(file) {
  const pages = readFileSync(file, 'latin1').split('\n').filter(Boolean).map(page => Buffer.from(page, 'latin1'));
  let objects = 0;
  let bytes = 0;
  let checked = 0;
  const begin = process.cpuUsage();
  for (const page of pages) {
    const list = JSON.parse(page.toString('utf8'));
    for (const item of list.items) {
      checked += item.metadata.name.length;
      objects += 1;
    }
    bytes += page.length;
  }
  const used = process.cpuUsage(begin);
  console.log(JSON.stringify({ objects, bytes, checked, cpuSeconds: (used.user + used.system) / 1e6 }));
}

function best(command, ...args) {
  let least;
  for (let turn = 0; turn < RUNS; turn += 1) {
    const run = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 20 });
    if (run.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${run.stderr}`);
    const result = JSON.parse(run.stdout);
    if (result.objects !== OBJECTS) throw new Error(`${command}: ${result.objects} objects`);
    if (least === undefined || result.cpuSeconds < least.cpuSeconds) least = result;
  }
  return least;
}

if (process.argv[2] === 'parse') {
  parseHere(process.argv[3]);
} else {
  const folder = mkdtempSync(path.join(scratchFolder(), 'purser-bench-kubernetes-'));
  try {
    const file = path.join(folder, 'pages');
    await write(file);
    const javascript = best(process.execPath, fileURLToPath(import.meta.url), 'parse', file);
    const split = best(program, file, 'split');
    const fields = best(program, file, 'fields');
    const whole = best(program, file, 'whole');
    const ratio = javascript.cpuSeconds / fields.cpuSeconds;
    const rows = [
      row('list', round(javascript.bytes / 1e6), 'MB'),
      row('JSON.parse', round(javascript.cpuSeconds * 1000), 'CPU ms'),
      row('purserd, objects cut out', round(split.cpuSeconds * 1000), 'CPU ms'),
      row('purserd, fields of the provider', round(fields.cpuSeconds * 1000), 'CPU ms'),
      row('purserd, all but managedFields', round(whole.cpuSeconds * 1000), 'CPU ms'),
      row('less CPU than JSON.parse', round(ratio), 'times', '>= 5', ratio >= 5),
      row('most memory', round(fields.maxRssKb / 1024), 'MB', '<= 64', fields.maxRssKb <= 64 * 1024),
    ];
    console.log(JSON.stringify({ name: 'kubernetes-list', rows }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
