// A real Kubernetes API server (tests/peers/kube-apiserver.sh) that a portal under test watches.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { apiServer } from './peers.mjs';
import { freePort } from './ports.mjs';
import { at, Failure } from './repo.mjs';

const CLUSTER = 'peer';
const FOLLOWED = {
  frequency: { seconds: 5 },
  timeout: { minutes: 15 },
  initialDelay: { seconds: 1 },
};

/** Why there is none, or undefined. */
export function kubernetesMissing() {
  try {
    accessSync(apiServer(), constants.X_OK);
    return undefined;
  } catch {
    return `SKIP ${apiServer()} is missing; tests/peers/kube-apiserver.sh build makes it`;
  }
}

/** What Portal takes as `outside`: a cluster, and a source of the catalog that watches it. */
export class Kubernetes {
  #folder;
  #api;
  #token;
  #authority;

  constructor(paths) {
    this.#folder = path.join(paths.folder, 'kubernetes');
  }

  get kubeconfig() {
    return path.join(this.#folder, 'kubeconfig');
  }

  get port() {
    return this.#api;
  }

  #script(verb, environment = {}) {
    const run = spawnSync('bash', [at('tests/peers/kube-apiserver.sh'), verb, this.#folder], {
      env: { ...process.env, ...environment },
      encoding: 'utf8',
      // The servers live on and would hold pipes open.
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    return run.status === 0;
  }

  async start() {
    mkdirSync(this.#folder, { recursive: true });
    this.#api = await freePort();
    const ports = {
      API_PORT: String(this.#api),
      ETCD_PORT: String(await freePort()),
      PEER_PORT: String(await freePort()),
    };
    if (!this.#script('up', ports)) {
      throw new Failure(`the API server does not start; see ${this.#folder}/apiserver.log`);
    }
    this.#token = readFileSync(path.join(this.#folder, 'keys', 'tokens.csv'), 'utf8').split(',')[0];
    this.#authority = readFileSync(path.join(this.#folder, 'keys', 'apiserver.crt'));
  }

  async stop() {
    this.#script('down');
  }

  portalConfig() {
    const source = {
      clusters: { [CLUSTER]: { kubeconfig: this.kubeconfig } },
      kinds: [
        { apiVersion: 'apps/v1', kind: 'Deployment' },
        { apiVersion: 'v1', kind: 'Namespace' },
      ],
      defaults: { owner: 'group:default/platform' },
      rules: [{ match: { labels: { title: '*' } }, entity: { title: '${{ labels.title }}' } }],
      schedule: FOLLOWED,
    };
    return { catalog: { providers: { purser: { kubernetes: { [CLUSTER]: source } } } } };
  }

  sidecarConfig() {
    return { network: { allow: [`127.0.0.1:${this.#api}`] } };
  }

  /** What kubectl would send; the answer's JSON. A refusal is an error with its `statusCode`. */
  send(method, where, body, type = 'application/json') {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const request = https.request(
        {
          host: '127.0.0.1',
          port: this.#api,
          path: where,
          method,
          ca: this.#authority,
          headers: {
            authorization: `Bearer ${this.#token}`,
            ...(text && { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
          },
        },
        response => {
          let answer = '';
          response.setEncoding('utf8').on('data', piece => (answer += piece));
          response.on('end', () =>
            response.statusCode < 300
              ? resolve(JSON.parse(answer))
              : reject(
                  Object.assign(
                    new Error(`${method} ${where} answered ${response.statusCode}: ${answer}`),
                    { statusCode: response.statusCode },
                  ),
                ),
          );
        },
      );
      request.on('error', reject);
      request.end(text);
    });
  }

  /** A Deployment of the namespace "default", with a title. */
  putDeployment(name, title) {
    const labels = { app: name };
    return this.send('POST', '/apis/apps/v1/namespaces/default/deployments', {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, labels: { ...labels, title } },
      spec: {
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: 'main', image: 'registry.example.org/main:1' }] },
        },
      },
    });
  }

  titleDeployment(name, title) {
    return this.send(
      'PATCH',
      `/apis/apps/v1/namespaces/default/deployments/${name}`,
      { metadata: { labels: { title } } },
      'application/merge-patch+json',
    );
  }

  deleteDeployment(name) {
    return this.send('DELETE', `/apis/apps/v1/namespaces/default/deployments/${name}`);
  }

  /** The ref of a Deployment's entity. */
  refOf(name) {
    return `component:default/${name}.deployment.default.${CLUSTER}`;
  }
}
