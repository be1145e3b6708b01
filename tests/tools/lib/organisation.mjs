// The demo organisation of examples/organisation behind one portal: its data, its directory (slapd),
// and what portal and purserd are told of them.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate, SUFFIX } from '../../../examples/organisation/generate.mjs';
import { order } from '../../../examples/organisation/order.mjs';
import { Child } from './child.mjs';
import { freePort, listens } from './ports.mjs';
import { Failure } from './repo.mjs';

const SLAPD = '/usr/sbin/slapd';
const DIRECTORY_READY_WITHIN_MS = 20_000;
// The demo's own few entities come first: nobody can sign in before they were processed.
const POLLED = {
  frequency: { seconds: 10 },
  timeout: { minutes: 5 },
  initialDelay: { seconds: 30 },
};
const INSTANCE = 'organisation';

/** Why the organisation cannot be shown here, or undefined. */
export function organisationMissing() {
  return existsSync(SLAPD) ? undefined : `SKIP ${SLAPD} is missing: apt-get install slapd`;
}

export class Organisation {
  #folder;
  #logs;
  #directory;
  #port;
  /** Kind of source → entities that it gives; known after start(). */
  counts;

  /** Lives in `paths.organisation` (see statePaths). Nothing is done before start(). */
  constructor(paths) {
    this.#folder = paths.organisation;
    this.#logs = paths.logs;
  }

  #at(...parts) {
    return path.join(this.#folder, ...parts);
  }

  /** Makes the data and starts the directory. */
  async start() {
    const missing = organisationMissing();
    if (missing) {
      throw new Failure(missing);
    }
    // Made anew each time: it is the same, and a database of slapd's that was killed is not trusted.
    rmSync(this.#folder, { recursive: true, force: true });
    this.counts = generate(this.#folder);
    const config = this.#at('directory', 'slapd.conf');
    const loaded = spawnSync(
      '/usr/sbin/slapadd',
      ['-q', '-f', config, '-l', this.#at('directory', 'organisation.ldif')],
      { encoding: 'utf8' },
    );
    if (loaded.status !== 0) {
      throw new Failure(`slapadd does not take the organisation:\n${loaded.stderr}`);
    }
    this.#port = await freePort();
    this.#directory = new Child(
      SLAPD,
      ['-d', '0', '-f', config, '-h', `ldap://127.0.0.1:${this.#port}`],
      { cwd: this.#folder, env: process.env, logFile: path.join(this.#logs, 'slapd.log') },
    );
    const until = Date.now() + DIRECTORY_READY_WITHIN_MS;
    while (!(await listens(this.#port))) {
      if (this.#directory.outcome !== undefined || Date.now() > until) {
        throw new Failure(`slapd does not start:\n${this.#directory.tail()}`);
      }
      await sleep(50);
    }
  }

  /** Sections of the portal's configuration. */
  portalConfig() {
    // The demo of two teams looks at everything again and again; thousands of entities do not bear
    // that.
    const seldom = { schedule: { frequency: { minutes: 10 }, timeout: { minutes: 5 } } };
    return {
      search: { collators: { catalog: seldom, purser: seldom, techdocs: seldom } },
      catalog: {
        processingInterval: { minutes: 30 },
        providers: { purser: this.#sources() },
      },
    };
  }

  #sources() {
    return {
      'source-tree': { [INSTANCE]: { root: this.#at('checkouts'), schedule: POLLED } },
      terraform: {
        [INSTANCE]: {
          folder: this.#at('infrastructure'),
          owner: 'group:default/team-00',
          schedule: POLLED,
        },
      },
      ldap: {
        [INSTANCE]: {
          url: `ldap://127.0.0.1:${this.#port}`,
          allowPlainText: true,
          users: { base: `ou=people,${SUFFIX}`, filter: '(objectClass=inetOrgPerson)' },
          groups: { base: `ou=groups,${SUFFIX}` },
          schedule: POLLED,
        },
      },
    };
  }

  /** For purserd's configuration. */
  sidecarConfig() {
    return {
      catalog: { folders: [this.#at('infrastructure')] },
      network: { allow: [`127.0.0.1:${this.#port}`] },
    };
  }

  /** Orders the organisation's products in the portal, as its guest; resolves with their number. */
  order(baseUrl) {
    return order(this.#folder, baseUrl);
  }

  async stop() {
    await this.#directory?.stop();
    this.#directory = undefined;
  }
}
