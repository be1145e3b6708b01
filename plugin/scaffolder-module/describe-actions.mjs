// Writes src/generated/*-actions.json from the built programs: purserd --print-actions and the addon.
// Run after a build that changed an action; `--check` only says whether the files are up to date.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
const check = process.argv.includes('--check');

function built(name) {
  for (const preset of ['release', 'debug']) {
    const path = join(root, 'build', preset, 'bin', name);
    if (existsSync(path)) {
      return path;
    }
  }
  console.error(`${name} is not built: run npm run build first`);
  process.exit(1);
}

function write(name, actions) {
  const path = join(here, 'src', 'generated', name);
  const text = `${JSON.stringify(actions, null, 2)}\n`;
  const old = existsSync(path) ? readFileSync(path, 'utf8') : '';
  if (old === text) {
    return true;
  }
  if (check) {
    console.error(`${path} is out of date: run node plugin/scaffolder-module/describe-actions.mjs`);
    return false;
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return true;
}

const byId = (a, b) => (a.id < b.id ? -1 : 1);
const sidecar = JSON.parse(execFileSync(built('purserd'), ['--print-actions'], { encoding: 'utf8' }));
const addon = createRequire(import.meta.url)(built('purser.node'));
const portal = JSON.parse(addon.listActions());
addon.shutdown();
const results = [
  write('sidecar-actions.json', sidecar.sort(byId)),
  write('portal-actions.json', portal.sort(byId)),
];
process.exit(results.every(Boolean) ? 0 : 1);
