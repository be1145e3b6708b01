// `npm start`: installs what is missing, builds what changed, starts the demo portal and purserd,
// and keeps them running until Ctrl-C. `npm start -- --organisation` shows the 5,000 entities of
// examples/organisation as well.
import { keepBilling } from './lib/billing.mjs';
import { buildAll } from './lib/build.mjs';
import { ensureDebianPackages } from './lib/debian.mjs';
import { ensureNpmPackages } from './lib/npm.mjs';
import { Organisation } from './lib/organisation.mjs';
import { Portal } from './lib/portal.mjs';
import { at, Failure, main, say } from './lib/repo.mjs';

const DEFAULT_PORT = 7007;

function wantedPort() {
  const text = process.env.PORT ?? String(DEFAULT_PORT);
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new Failure(`PORT must be a number from 1 to 65535, not "${text}"`);
  }
  return port;
}

const ORGANISATION = '--organisation';

function wantsOrganisation() {
  const unknown = process.argv.slice(2).filter(word => word !== ORGANISATION);
  if (unknown.length) {
    throw new Failure(`no option "${unknown[0]}"; there is ${ORGANISATION}`);
  }
  return process.argv.includes(ORGANISATION);
}

await main(async () => {
  const port = wantedPort();
  const withOrganisation = wantsOrganisation();
  // The organisation's directory is served by one of the packages for tests.
  await ensureDebianPackages({ withTests: withOrganisation });
  await ensureNpmPackages();
  await buildAll();

  const state = process.env.PURSER_STATE ?? at('.purser');
  let organisation;
  const outside = paths =>
    withOrganisation ? (organisation = new Organisation(paths)) : undefined;
  const portal = new Portal({ state, port, outside, onEvent: say });
  const stopped = new Promise(resolve => {
    for (const signal of ['SIGINT', 'SIGTERM']) {
      process.on(signal, () => resolve(signal));
    }
  });

  const began = Date.now();
  const started = portal.start();
  if ((await Promise.race([started, stopped])) !== undefined) {
    // Asked to stop while starting; the start then fails because its children are gone.
    started.catch(() => {});
    say('stopping');
    await portal.stop();
    return;
  }
  say(`ready after ${((Date.now() - began) / 1000).toFixed(1)} s`);
  say('');
  say(`  open   ${portal.baseUrl}   and sign in as guest`);
  say('  stop   Ctrl-C');
  say(`  state  ${portal.paths.folder}   (logs in ${portal.paths.logs})`);
  say('');

  if (organisation) {
    say(
      `${await organisation.order(portal.baseUrl)} products are ordered; the catalog takes some minutes`,
    );
  }
  const billing = new AbortController();
  const billed = keepBilling(portal.paths, billing.signal, say);
  const outcome = await Promise.race([
    stopped,
    portal.backendEnded().then(text => new Failure(`the portal's backend ended (${text})`)),
  ]);
  say('stopping');
  billing.abort();
  await portal.stop();
  await billed;
  if (outcome instanceof Failure) {
    throw outcome;
  }
});
