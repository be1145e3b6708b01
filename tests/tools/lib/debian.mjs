// Installs the Debian packages that are missing: asks nothing when root, else says the exact line.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { at, Failure, run, say } from './repo.mjs';

/** Package names of the list; those behind the [test] line only with `withTests`. */
export function wantedPackages(withTests) {
  const names = [];
  for (const line of readFileSync(at('tests/tools/debian-packages.txt'), 'utf8').split('\n')) {
    const word = line.split('#')[0].trim();
    if (word === '[test]') {
      if (!withTests) {
        break;
      }
    } else if (word) {
      names.push(word);
    }
  }
  return names;
}

function installed(names) {
  const query = spawnSync(
    'dpkg-query',
    ['-W', '-f=${Package} ${db:Status-Status}\n', ...names],
    { encoding: 'utf8' },
  );
  if (query.error) {
    return undefined;
  }
  const found = query.stdout
    .split('\n')
    .filter(line => line.endsWith(' installed'))
    .map(line => line.split(' ')[0]);
  return new Set(found);
}

/** Makes sure that the packages are there. */
export async function ensureDebianPackages({ withTests = false } = {}) {
  const wanted = wantedPackages(withTests);
  const present = installed(wanted);
  if (!present) {
    say('this is no Debian system: make sure that these are there in some form:');
    say(`  ${wanted.join(' ')}`);
    return;
  }
  const missing = wanted.filter(name => !present.has(name));
  if (missing.length === 0) {
    return;
  }
  const install = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  if (process.getuid() !== 0) {
    throw new Failure(
      'Debian packages are missing; install them and start again:\n\n' +
        `  sudo apt-get update && sudo ${install.join(' ')}\n`,
    );
  }
  say(`installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-q'], { env, quiet: true });
  await run(install[0], install.slice(1), { env, quiet: true });
}
