// A throwaway portal for one test file: own state folder, own port, removed at the end.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { Portal } from '../../tools/lib/portal.mjs';
import { Client } from './client.mjs';

/**
 * Starts a portal before the file's tests and stops it behind them. `options` go to Portal. The
 * state folder stays when PURSER_KEEP_STATE is set, for a look at logs and stores.
 */
export function usePortal(options = {}) {
  const fixture = {
    /** @type {Portal} */ portal: undefined,
    /** @type {Client} */ client: undefined,
    events: [],
  };
  const state = mkdtempSync(path.join(os.tmpdir(), 'purser-e2e-'));
  before(
    async () => {
      fixture.portal = new Portal({
        ...options,
        state,
        onEvent: line => fixture.events.push(line),
      });
      await fixture.portal.start();
      fixture.client = new Client(fixture.portal.baseUrl);
      await fixture.client.signIn();
    },
    { timeout: 180_000 },
  );
  after(
    async () => {
      await fixture.portal?.stop();
      if (process.env.PURSER_KEEP_STATE) {
        process.stdout.write(`state kept in ${state}\n`);
      } else {
        rmSync(state, { recursive: true, force: true });
        rmSync(fixture.portal.paths.runtime, { recursive: true, force: true });
      }
    },
    { timeout: 60_000 },
  );
  return fixture;
}
