// One demo portal with its sidecar: writes their configuration, starts both, waits until they are
// ready, stops them in order. Used by `npm start`, the end-to-end tests and the bench.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child, Watched } from './child.mjs';
import { backendNodeOptions, suitableNode } from './node.mjs';
import { freePort, listens } from './ports.mjs';
import { at, Failure } from './repo.mjs';
import { sidecarConfig } from './sidecar.mjs';
import { fileUrl, prepareState, statePaths } from './state.mjs';

// The checkouts are a small folder: look often, so that a person sees a pushed file at once.
const POLLED = { frequency: { seconds: 5 }, timeout: { minutes: 1 }, initialDelay: { seconds: 1 } };
// One run listens for changes until shortly before its timeout; the next takes over within seconds.
const FOLLOWED = { ...POLLED, timeout: { minutes: 15 } };

// Of examples/templates/holdings: what entities of requests link to.
const HOLDING_FORMS = {
  renew: 'renew-holding',
  transfer: 'transfer-holding',
  delete: 'delete-holding',
};

const templateAt = target => ({ type: 'file', target, rules: [{ allow: ['Template'] }] });

/** The catalog locations that app-config.yaml names. */
function demoLocations() {
  return [
    {
      type: 'file',
      target: at('examples/org.yaml'),
      rules: [{ allow: ['User', 'Group', 'Domain', 'System'] }],
    },
    templateAt(at('examples/templates/analytics-workspace/template.yaml')),
    templateAt(at('examples/templates/holdings/templates.yaml')),
  ];
}

/** What differs from app-config.yaml in this start. JSON is YAML. */
function portalConfig(paths, baseUrl, port, templates, more, outside) {
  const { catalog: { providers, ...catalog } = {}, ...sections } = outside?.portalConfig() ?? {};
  const { 'source-tree': trees, ...others } = providers?.purser ?? {};
  return {
    ...sections,
    app: { baseUrl },
    backend: {
      baseUrl,
      workingDirectory: paths.work,
      listen: { port },
      database: { connection: { directory: paths.database } },
    },
    purser: {
      stateDirectory: paths.providers,
      sidecar: { address: `unix:${paths.socket}` },
      git: { allowLocalRemotes: true },
    },
    catalog: {
      ...catalog,
      // Lists are replaced as a whole, so the demo's own are repeated only when something is added.
      ...(templates.length && { locations: [...demoLocations(), ...templates.map(templateAt)] }),
      providers: {
        purser: {
          ...others,
          'source-tree': { ...trees, workspaces: { root: paths.checkouts, schedule: POLLED } },
          'purser-inventory': { demo: { schedule: FOLLOWED } },
        },
      },
    },
    scaffolder: {
      ...more.scaffolder,
      defaultEnvironment: {
        parameters: {
          workspacesRemote: fileUrl(paths.workspacesRemote),
          gitopsRemote: fileUrl(paths.gitopsRemote),
        },
      },
    },
  };
}

const READY_WITHIN_MS = 120_000;
const SIDECAR_READY_WITHIN_MS = 30_000;
// Backstage has closed everything but waits for the connections of open browsers, without an end.
const BACKEND_PATIENCE_MS = 5_000;

export class Portal {
  #backend;
  #sidecar;
  #blueprints;
  #templates;
  #config;
  #outside;

  /**
   * `state` is the folder for everything that lives on; `port` 0 takes a free one. `onEvent` hears
   * one line whenever something ends or starts unasked. Tests add blueprint folders, template files
   * and configuration (`{ scaffolder }`). `outside` makes, of the portal's paths, what the portal is
   * to read beside its own folders: `start()` and `stop()`, `portalConfig()` and
   * `sidecarConfig()` for the two configurations; see organisation.mjs.
   */
  constructor({
    state,
    port = 0,
    blueprints = [],
    templates = [],
    config = {},
    outside = () => undefined,
    onEvent = () => {},
  }) {
    this.#config = config;
    this.#blueprints = [at('examples/blueprints'), ...blueprints];
    this.#templates = templates;
    this.paths = statePaths(state);
    this.#outside = outside(this.paths);
    this.port = port;
    this.onEvent = onEvent;
  }

  get baseUrl() {
    return `http://localhost:${this.port}`;
  }

  get sidecarPid() {
    return this.#sidecar?.child.pid;
  }

  get backendPid() {
    return this.#backend?.pid;
  }

  /** Starts both and waits until both are ready. */
  async start() {
    await prepareState(this.paths);
    this.#takeLock();
    try {
      if (this.port === 0) {
        this.port = await freePort();
      } else if (await listens(this.port)) {
        throw new Failure(
          `port ${this.port} is in use by another program; choose one: PORT=7017 npm start`,
        );
      }
      await this.#outside?.start();
      await this.startSidecar();
      this.startBackend();
      await this.ready();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #takeLock() {
    let other;
    try {
      other = Number(readFileSync(this.paths.lock, 'utf8'));
    } catch {
      // Nobody holds it.
    }
    if (other && other !== process.pid) {
      let command = '';
      try {
        command = readFileSync(`/proc/${other}/cmdline`, 'utf8');
      } catch {
        // It died without tidying up.
      }
      if (command.includes('node')) {
        throw new Failure(
          `another launcher (process ${other}) runs with ${this.paths.folder}; ` +
            `stop it first: kill ${other}`,
        );
      }
    }
    writeFileSync(this.paths.lock, `${process.pid}\n`);
    this.locked = true;
  }

  /** Resolves when purserd listens. */
  async startSidecar() {
    const program = at('build/release/bin/purserd');
    writeFileSync(
      this.paths.sidecarConfig,
      sidecarConfig(this.paths, this.#blueprints, {
        portal: { url: this.baseUrl, forms: HOLDING_FORMS },
        ...this.#outside?.sidecarConfig(),
      }),
    );
    const make = () =>
      new Child(program, ['--config', this.paths.sidecarConfig], {
        cwd: this.paths.folder,
        env: process.env,
        logFile: `${this.paths.logs}/purserd.log`,
      });
    this.#sidecar = new Watched(make, (outcome, delay) =>
      this.onEvent(`purserd ended (${outcome}); starting it again in ${delay / 1000} s`),
    );
    const until = Date.now() + SIDECAR_READY_WITHIN_MS;
    while (!(await listens(this.paths.socket))) {
      const { child } = this.#sidecar;
      if (child.outcome !== undefined || Date.now() > until) {
        throw new Failure(
          `purserd does not start (${child.outcome ?? 'silent'}):\n${child.tail()}`,
        );
      }
      await sleep(20);
    }
  }

  /** Ends the sidecar for good, e.g. to test a vanished one. */
  async stopSidecar() {
    await this.#sidecar?.stop();
    this.#sidecar = undefined;
  }

  startBackend() {
    writeFileSync(
      this.paths.portalConfig,
      `${JSON.stringify(portalConfig(this.paths, this.baseUrl, this.port, this.#templates, this.#config, this.#outside), null, 2)}\n`,
    );
    this.#backend = new Child(
      suitableNode(),
      [
        ...backendNodeOptions,
        at('examples/portal/packages/backend/dist/index.js'),
        '--config',
        at('examples/portal/app-config.yaml'),
        '--config',
        this.paths.portalConfig,
      ],
      {
        cwd: at('examples/portal'),
        env: { ...process.env, NODE_ENV: 'production', LOG_LEVEL: process.env.LOG_LEVEL ?? 'info' },
        logFile: `${this.paths.logs}/portal.log`,
      },
    );
    const backend = this.#backend;
    backend.ended().then(outcome => {
      if (this.#backend === backend) {
        this.onEvent(`the portal's backend ended (${outcome})`);
      }
    });
  }

  async stopBackend() {
    const backend = this.#backend;
    this.#backend = undefined;
    await backend?.stop(BACKEND_PATIENCE_MS);
  }

  /** Resolves with the backend's outcome when it has ended. */
  backendEnded() {
    return this.#backend.ended();
  }

  /** True when a person can sign in and order: both are ready and the catalog has read the demo. */
  async #usable() {
    if (!(await this.#answers('/.backstage/health/v1/readiness'))) {
      return false;
    }
    const health = await this.#answers('/api/purser/v1/health');
    if (this.#sidecar && !health?.sidecar.reachable) {
      return false;
    }
    const signedIn = await this.#answers('/api/auth/guest/refresh', { method: 'POST' });
    const { token, identity } = signedIn?.backstageIdentity ?? {};
    const headers = { authorization: `Bearer ${token}` };
    return (
      // Without its groups the user entity is not there yet.
      identity?.ownershipEntityRefs.length > 1 &&
      Boolean(
        await this.#answers('/api/catalog/entities/by-name/template/default/analytics-workspace', {
          headers,
        }),
      )
    );
  }

  /** Waits until the portal can be used. */
  async ready() {
    const until = Date.now() + READY_WITHIN_MS;
    for (;;) {
      if (!this.#backend) {
        throw new Failure('stopped before it was ready');
      }
      if (this.#backend.outcome !== undefined) {
        throw new Failure(
          `the portal's backend ended (${this.#backend.outcome}):\n${this.#backend.tail()}`,
        );
      }
      if (await this.#usable()) {
        return;
      }
      if (Date.now() > until) {
        throw new Failure(
          `not ready after ${READY_WITHIN_MS / 1000} s; the last lines of the portal:\n` +
            `${this.#backend.tail()}\nand of purserd:\n${this.#sidecar?.child.tail() ?? ''}`,
        );
      }
      await sleep(100);
    }
  }

  /** The JSON of a successful answer, else undefined. */
  async #answers(where, options) {
    try {
      const answer = await fetch(`${this.baseUrl}${where}`, options);
      const body = await answer.json();
      return answer.ok ? body : undefined;
    } catch {
      return undefined;
    }
  }

  /** Stops the portal, then the sidecar, which then has no caller left. */
  async stop() {
    await this.stopBackend();
    await this.stopSidecar();
    await this.#outside?.stop();
    if (this.locked) {
      rmSync(this.paths.lock, { force: true });
    }
  }
}
