// Builds the three parts: C++ (release), TypeScript, and the portal's browser half.
import { existsSync, readdirSync } from 'node:fs';
import { at, Failure, run, say } from './repo.mjs';
import { suitableNode } from './node.mjs';
import { onceFor } from './stamp.mjs';

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}

/** Runs one step and says how long it took. */
async function step(title, body) {
  const began = Date.now();
  const did = await body();
  say(`${title}: ${did === false ? 'up to date' : seconds(began)}`);
}

// The addon, the sidecar and the command line.
const PRODUCTS = ['purser_addon', 'purserd', 'purser'];

/** Without targets it builds everything of the preset. */
export async function buildNative({ preset = 'release', targets = [] } = {}) {
  await step(`native (${preset})`, async () => {
    // CMake itself runs again when a list file changed; only the first time it must be called.
    if (!existsSync(at('build', preset, 'build.ninja'))) {
      await run('cmake', ['--preset', preset], { quiet: true });
    }
    const args = ['--build', at('build', preset)];
    await run('cmake', targets.length ? [...args, '--target', ...targets] : args, { quiet: true });
  });
}

/** Generated code, type checks and JavaScript of all packages. */
export async function buildTypeScript() {
  const node = suitableNode();
  await step('typescript', async () => {
    for (const name of readdirSync(at('plugin')).sort()) {
      const generate = at('plugin', name, 'generate.mjs');
      if (existsSync(generate)) {
        await run(node, [generate], { quiet: true });
      }
    }
    const tsc = at('node_modules/typescript/bin/tsc');
    await run(node, [tsc, '-b'], { quiet: true });
    await run(node, [tsc, '-p', 'examples/portal/packages/app'], { quiet: true });
  });
}

/** The portal's pages. */
export async function buildFrontend() {
  const app = 'examples/portal/packages/app';
  const bin = at('node_modules/@backstage/cli-module-build/bin/backstage-cli-module-build');
  await step('frontend', () =>
    onceFor(
      'frontend',
      [
        'package-lock.json',
        'examples/portal/app-config.yaml',
        `${app}/package.json`,
        `${app}/public`,
        `${app}/src`,
        'plugin/common',
      ],
      `${app}/dist/index.html`,
      async () => {
        await run(
          suitableNode(),
          [bin, 'package', 'build', '--config', '../../app-config.yaml'],
          { cwd: at(app), quiet: true },
        );
        if (!existsSync(at(app, 'dist/index.html'))) {
          throw new Failure('the front end build ended without dist/index.html');
        }
      },
    ),
  );
}

/** What the portal needs to run; `withTests` also builds the C++ tests. */
export async function buildAll({ withTests = false } = {}) {
  await buildNative({ targets: withTests ? [] : PRODUCTS });
  await buildTypeScript();
  await buildFrontend();
}
