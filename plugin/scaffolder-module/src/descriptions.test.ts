import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { equal } from 'node:assert/strict';

const folder = join(__dirname, '..');
const built = join(folder, '..', '..', 'build', 'release', 'bin', 'purserd');

// The descriptions are shipped with the package, so that the portal can list its actions before purserd
// answers; they must be those of the programs.
test(
  'the shipped descriptions are those of the addon and of purserd',
  { skip: existsSync(built) ? false : 'SKIP purserd is not built' },
  () => {
    const check = spawnSync(process.execPath, [join(folder, 'describe-actions.mjs'), '--check'], {
      encoding: 'utf8',
    });
    equal(check.status, 0, `${check.stdout}${check.stderr}`);
  },
);
