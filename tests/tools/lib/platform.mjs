// What stands outside of a portal whose blueprints are those of examples/blueprints/platform: a real
// API server, a real PostgreSQL, a GitHub and a Terraform of the tests. They outlive purserd, and
// count what was done to them. The test plays people and controllers: work() does once what they do.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { parseAllDocuments } from 'yaml';
import { postgresPrograms, startPostgres } from '../../bench/lib/postgres.mjs';
import { Kubernetes, kubernetesMissing } from './kubernetes.mjs';
import { at } from './repo.mjs';

const githubPeer = at('build/release/test/github_peer');
const TOKEN = 'a-token-of-the-tests';
const PASSWORD = 'a-password-of-the-tests';
const ROOTS = ['infra', 'hive', 'trino', 'superset'];
const REQUESTED_AT = 'reconcile.fluxcd.io/requestedAt';

/** Group, kind, plural, versions: what the blueprints need of the cluster. */
const KINDS = [
  ['source.toolkit.fluxcd.io', 'GitRepository', 'gitrepositories', 'v1'],
  ['kustomize.toolkit.fluxcd.io', 'Kustomization', 'kustomizations', 'v1'],
  ['cert-manager.io', 'Certificate', 'certificates', 'v1'],
  ['networking.istio.io', 'Gateway', 'gateways', 'v1'],
  ['networking.istio.io', 'VirtualService', 'virtualservices', 'v1'],
  ['security.istio.io', 'PeerAuthentication', 'peerauthentications', 'v1'],
  ['security.istio.io', 'AuthorizationPolicy', 'authorizationpolicies', 'v1'],
  ['science.example.com', 'WorkspaceClaim', 'workspaceclaims', 'v1alpha1'],
];

/** Where the products' own definitions are, below the folder of shared data. */
const DEFINITIONS = [
  'flux/config/crd/bases',
  'certmanager/deploy/crds',
  'istio/manifests/charts/base/files',
];

/** Why these cannot be started here, or undefined. */
export function platformMissing() {
  return (
    kubernetesMissing() ??
    (postgresPrograms() ? undefined : 'SKIP PostgreSQL is not installed') ??
    (existsSync(githubPeer) ? undefined : `SKIP ${githubPeer} is not built`)
  );
}

/** To a controller's write: what it wrote about has gone or changed meanwhile; its next turn will see. */
const GONE_OR_CHANGED = [404, 409];

/** The API server's answer; undefined for a refusal with one of `codes`. */
async function unlessAnswered(codes, answer) {
  try {
    return await answer;
  } catch (error) {
    if (codes.includes(error.statusCode)) {
      return undefined;
    }
    throw error;
  }
}

/** A definition that takes everything, for kinds whose own definition is not at hand. */
const openDefinition = ([group, kind, plural, version]) => {
  const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: {
            openAPIV3Schema: { type: 'object', properties: { spec: open, status: open } },
          },
        },
      ],
    },
  };
};

/** As FitForOldServers of kubernetes_peer.h: definitions of today for a server of 1.20. */
function fitForOldServers(value) {
  if (Array.isArray(value)) {
    value.forEach(fitForOldServers);
  } else if (value && typeof value === 'object') {
    delete value['x-kubernetes-validations'];
    delete value.selectableFields;
    if (value.default === '') {
      delete value.default;
    }
    Object.values(value).forEach(fitForOldServers);
    if (value['x-kubernetes-list-type'] === 'map') {
      value['x-kubernetes-list-type'] = 'atomic';
      delete value['x-kubernetes-list-map-keys'];
    }
  }
}

/** The products' own definitions of KINDS, as far as they are at hand. */
function ownDefinitions() {
  const crds = path.join(process.env.PURSER_SHARED ?? at('../shared'), 'data/crds');
  const found = new Map();
  for (const folder of DEFINITIONS.map(name => path.join(crds, name)).filter(existsSync)) {
    for (const file of readdirSync(folder).filter(name => name.endsWith('.yaml'))) {
      for (const document of parseAllDocuments(readFileSync(path.join(folder, file), 'utf8'))) {
        const definition = document.toJS();
        if (definition?.kind === 'CustomResourceDefinition') {
          fitForOldServers(definition);
          delete definition.status;
          found.set(definition.metadata.name, definition);
        }
      }
    }
  }
  return found;
}

/** What Portal takes as `outside`. */
export class Platform {
  #paths;
  #kubernetes;
  #postgres;
  #github;
  #answers = [];
  #githubUrl;

  constructor(paths) {
    this.#paths = paths;
    this.#kubernetes = new Kubernetes(paths);
  }

  #at(...parts) {
    return path.join(this.#paths.folder, 'platform', ...parts);
  }

  async start() {
    mkdirSync(this.#at('plans'), { recursive: true });
    process.env.PURSER_SECRET_GITHUB = TOKEN;
    process.env.PURSER_SECRET_DATABASE_PASSWORD = PASSWORD;
    this.#postgres = await startPostgres([
      'shared_buffers=32MB',
      'log_statement=ddl',
      'logging_collector=on',
      'log_filename=server.log',
    ]);
    await this.#startGithub();
    await this.#kubernetes.start();
    await this.#prepareCluster();
  }

  async #startGithub() {
    this.#github = spawn(githubPeer, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = readline.createInterface({ input: this.#github.stdout });
    const first = new Promise(resolve => this.#answers.push(resolve));
    lines.on('line', line => this.#answers.shift()?.(line));
    this.#githubUrl = await first;
    await this.github(`token ${TOKEN}`);
  }

  async #prepareCluster() {
    const own = ownDefinitions();
    for (const kind of KINDS) {
      const definition = own.get(`${kind[2]}.${kind[0]}`) ?? openDefinition(kind);
      await this.#post('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', definition);
    }
    for (const name of ['istio-system', 'flux-system', 'workspaces']) {
      await this.#post('/api/v1/namespaces', {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name },
      });
    }
    const interval = '5m';
    await this.#put('GitRepository', 'flux-system', 'infra', {
      interval,
      url: 'https://github.example/org/infra',
    });
    await this.#put('Kustomization', 'flux-system', 'workspaces', {
      interval,
      prune: true,
      path: './workspaces',
      sourceRef: { kind: 'GitRepository', name: 'infra' },
    });
  }

  async stop() {
    this.#github?.stdin.end();
    await this.#kubernetes.stop();
    await this.#postgres?.stop();
  }

  portalConfig() {
    return {};
  }

  sidecarConfig() {
    for (const [environment, customer] of [['prod', 'acme']]) {
      for (const root of ROOTS) {
        mkdirSync(this.root(environment, customer, root), { recursive: true });
      }
    }
    const { host, user } = this.#postgres.connection.connection;
    return {
      policies: [at('examples/policies')],
      portal: {
        url: 'https://portal.example.com',
        forms: {
          change: 'change-{blueprint}',
          renew: 'renew-holding',
          delete: 'delete-holding',
        },
      },
      network: {
        allow: [`127.0.0.1:${this.#kubernetes.port}`, new URL(this.#githubUrl).host],
      },
      connectors: {
        kubernetes: { clusters: { main: { kubeconfig: this.#kubernetes.kubeconfig } } },
        flux: {},
        istio: {},
        'cert-manager': {},
        namespace: {},
        github: {
          api: this.#githubUrl,
          credential: { token: 'env:PURSER_SECRET_GITHUB' },
          repositories: ['org/*'],
        },
        terraform: {
          program: at('tests/peers/terraform.sh'),
          folder: this.#at('roots'),
          plans: this.#at('plans'),
        },
        sql: { servers: { main: { url: `postgresql://${user}@/postgres?host=${host}` } } },
      },
    };
  }

  /** The folder of a Terraform root; its "ledger" has a line for each effect. */
  root(environment, customer, name) {
    return this.#at('roots', 'environments', environment, customer, name);
  }

  ledger(environment, customer, name) {
    const file = path.join(this.root(environment, customer, name), 'ledger');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }

  /**
   * The statements that changed databases and roles, in order; not those that the server refused, such as
   * one repeated by who did not see the end of the first.
   */
  statements() {
    const { host } = this.#postgres.connection.connection;
    const done = [];
    for (const line of readFileSync(path.join(host, 'data', 'log', 'server.log'), 'utf8').split(
      '\n',
    )) {
      const [, by, , begun, refused] =
        /\[(\d+)\] (LOG: {2}(?:statement|execute [^:]*): (.*)|STATEMENT: {2}(.*))/.exec(line) ?? [];
      if (begun) {
        done.push({ by, text: begun });
      } else if (refused) {
        const last = done.findLastIndex(one => one.by === by && one.text === refused);
        if (last >= 0) {
          done.splice(last, 1);
        }
      }
    }
    return done.map(({ text }) => text);
  }

  /** See github_peer.cc. */
  async github(command) {
    const answer = new Promise(resolve => this.#answers.push(resolve));
    this.#github.stdin.write(`${command}\n`);
    return JSON.parse(await answer);
  }

  /** An object of the cluster, or undefined. */
  async object(kind, namespace, name) {
    return unlessAnswered([404], this.#kubernetes.send('GET', this.#pathOf(kind, namespace, name)));
  }

  #pathOf(kind, namespace, name = '') {
    const own = KINDS.find(entry => entry[1] === kind);
    const [base, plural] = own
      ? [`/apis/${own[0]}/${own[3]}`, own[2]]
      : ['/api/v1', `${kind.toLowerCase()}s`];
    const where = namespace ? `/namespaces/${namespace}` : '';
    return `${base}${where}/${plural}${name ? `/${name}` : ''}`;
  }

  #post(where, body) {
    return this.#kubernetes.send('POST', where, body);
  }

  async #put(kind, namespace, name, spec) {
    const [group, , , version] = KINDS.find(entry => entry[1] === kind);
    await this.#kubernetes.send(
      'PATCH',
      `${this.#pathOf(kind, namespace, name)}?fieldManager=platform&force=true`,
      { apiVersion: `${group}/${version}`, kind, metadata: { name, namespace }, spec },
      'application/apply-patch+yaml',
    );
  }

  #status(kind, namespace, name, status) {
    const conditions = [
      {
        type: 'Ready',
        status: 'True',
        reason: 'Succeeded',
        message: 'done by the test',
        lastTransitionTime: '2026-01-01T00:00:00Z',
      },
    ];
    return unlessAnswered(
      GONE_OR_CHANGED,
      this.#kubernetes.send(
        'PATCH',
        `${this.#pathOf(kind, namespace, name)}/status`,
        { status: { conditions, ...status } },
        'application/merge-patch+json',
      ),
    );
  }

  /** The namespace controller: one that is being deleted, and has nothing in it, goes. */
  async #finishNamespaces() {
    const { items } = await this.#kubernetes.send('GET', '/api/v1/namespaces');
    for (const namespace of items.filter(({ metadata }) => metadata.deletionTimestamp)) {
      const { name } = namespace.metadata;
      await unlessAnswered(
        GONE_OR_CHANGED,
        this.#kubernetes.send('PUT', `/api/v1/namespaces/${name}/finalize`, {
          ...namespace,
          spec: { finalizers: [] },
        }),
      );
    }
  }

  /** People merge; Flux answers to what it was asked, and applies; cert-manager and Crossplane make. */
  async work() {
    const pulls = await this.github('pulls');
    for (const { number, state } of pulls) {
      if (state === 'open') {
        await this.github(`merge ${number}`);
      }
    }
    for (const [kind, name] of [
      ['GitRepository', 'infra'],
      ['Kustomization', 'workspaces'],
    ]) {
      const object = await this.object(kind, 'flux-system', name);
      const asked = object.metadata.annotations?.[REQUESTED_AT];
      if (asked && object.status?.lastHandledReconcileAt !== asked) {
        const handled = {
          lastHandledReconcileAt: asked,
          observedGeneration: object.metadata.generation,
        };
        await this.#status(kind, 'flux-system', name, handled);
      }
    }
    const files = await this.github('files main');
    for (const [file, text] of Object.entries(files)) {
      const name = /^workspaces\/([^/]+)\/workspace\.yaml$/.exec(file)?.[1];
      if (name) {
        await this.#put('WorkspaceClaim', 'workspaces', name, { manifest: text });
        await this.#status('WorkspaceClaim', 'workspaces', name, {
          projectId: `project-${name}`,
          notebookUrl: `https://notebook.example.com/${name}`,
          bucketUrl: `gs://project-${name}`,
        });
      }
    }
    await this.#finishNamespaces();
    const { items } = await this.#kubernetes.send(
      'GET',
      this.#pathOf('Certificate', 'istio-system'),
    );
    for (const { metadata, status } of items) {
      if (status?.observedGeneration !== metadata.generation || !status?.notAfter) {
        await this.#status('Certificate', 'istio-system', metadata.name, {
          notAfter: '2027-01-01T00:00:00Z',
        });
      }
    }
  }
}
