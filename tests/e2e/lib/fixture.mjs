// A throwaway portal for one test file: own state folder, own port, removed at the end.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { Portal } from '../../tools/lib/portal.mjs';
import { Client } from './client.mjs';

/**
 * Starts a portal, signs in as guest, and stops the portal behind the file's tests. `options` go to
 * Portal; `events` are its lines. The state folder stays when PURSER_KEEP_STATE is set, for a look
 * at logs and stores.
 */
export async function startPortal(options = {}) {
  const state = mkdtempSync(path.join(os.tmpdir(), 'purser-e2e-'));
  const events = [];
  const portal = new Portal({ ...options, state, onEvent: line => events.push(line) });
  after(
    async () => {
      await portal.stop();
      if (process.env.PURSER_KEEP_STATE) {
        process.stdout.write(`state kept in ${state}\n`);
      } else {
        rmSync(state, { recursive: true, force: true });
        rmSync(portal.paths.runtime, { recursive: true, force: true });
      }
    },
    { timeout: 60_000 },
  );
  await portal.start();
  const client = new Client(portal.baseUrl);
  await client.signIn();
  return { portal, client, events };
}
