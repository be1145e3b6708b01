// A PostgreSQL of its own for a bench: in a temporary folder, on a unix socket only.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PORT = 5432;
const VERSIONS = '/usr/lib/postgresql';
/** Of an unprivileged user: PostgreSQL refuses to run as root. */
const NOBODY = 65534;
const START_MS = 30_000;

/** The folder of its programs, or undefined where it is not installed. */
export function postgresPrograms() {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : [];
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map(version => path.join(VERSIONS, version, 'bin'))
    .find(folder => existsSync(path.join(folder, 'postgres')));
}

/**
 * Starts one; gives how Backstage connects to it, and how to end it. `settings` are further ones of
 * the server, "name=value".
 */
export async function startPostgres(settings = []) {
  const programs = postgresPrograms();
  if (!programs) throw new Error('PostgreSQL is not installed');
  const folder = mkdtempSync(path.join(tmpdir(), 'purser-pg-'));
  const data = path.join(folder, 'data');
  mkdirSync(data, { mode: 0o700 });
  const isRoot = process.getuid() === 0;
  if (isRoot) {
    chmodSync(folder, 0o755);
    for (const place of [folder, data]) chownSync(place, NOBODY, NOBODY);
  }
  const as = isRoot ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : [];
  const command = (program, ...args) => [...as, path.join(programs, program), ...args];
  const [initdb, ...initArgs] = command('initdb', '-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C');
  execFileSync(initdb, initArgs, { stdio: 'ignore', cwd: folder });
  const [postgres, ...args] = command(
    'postgres', '-D', data, '-k', folder, '-p', `${PORT}`,
    '-c', 'listen_addresses=', '-c', 'shared_buffers=512MB',
    ...settings.flatMap(setting => ['-c', setting]),
  );
  const child = spawn(postgres, args, { stdio: 'ignore', cwd: folder });
  let ended = false;
  const end = new Promise(resolve => {
    child.once('exit', () => {
      ended = true;
      resolve();
    });
  });
  const stop = async () => {
    child.kill('SIGINT');
    await end;
    rmSync(folder, { recursive: true, force: true });
  };
  for (let waited = 0; !existsSync(path.join(folder, `.s.PGSQL.${PORT}`)); waited += 50) {
    if (ended || waited > START_MS) {
      await stop();
      throw new Error('PostgreSQL did not start');
    }
    await sleep(50);
  }
  return {
    connection: { client: 'pg', connection: { host: folder, port: PORT, user: 'postgres', password: '' } },
    stop,
  };
}
