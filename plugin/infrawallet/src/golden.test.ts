import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CostSurfaceBackend } from '@purser/plugin-purser-node/testUtils';
import plugin from './index';
import type { Report } from './router';

interface Recorded {
  method: string;
  path: string;
  status: number;
  answer: { status?: number | string; data?: unknown; errors?: unknown[] };
}

// What the real backend answered, see tests/golden/record.mjs.
const recorded: Recorded[] = JSON.parse(
  readFileSync(path.join(__dirname, '../../../tests/golden/infrawallet.json'), 'utf8'),
);

/** The rows of costs that a recorded answer would have been made of. */
function rowsOf(reports: Report[]) {
  const inner = (text: string) => text.slice(text.indexOf('/') + 1);
  return reports.flatMap(({ account, service, category, provider, project, reports: periods }) =>
    Object.entries(periods).map(([period, amount]) =>
      CostSurfaceBackend.row(
        [period, inner(account), inner(service), category, provider, project ?? ''],
        String(amount),
      ),
    ),
  );
}

/** Without what names nothing but itself, in one order. */
function comparable(reports: Report[]) {
  return reports
    .map(({ account, service, category, provider, providerType, project, reports: periods }) => ({
      account,
      service,
      category,
      provider,
      providerType,
      // Ours always has one: the card shows nothing of what has none.
      project: project || 'none',
      periods,
    }))
    .sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
}

describe("InfraWallet's own backend and ours", () => {
  let backend: CostSurfaceBackend;

  before(async () => {
    backend = await CostSurfaceBackend.start(plugin, 'infrawallet');
    backend.hasCosts('2026-01-01', '2026-03-05', CostSurfaceBackend.row([], '1'));
  });
  after(() => backend.stop());

  const reads = recorded.filter(({ method }) => method === 'GET');

  it('were asked for reports by month and by day', () => {
    const reports = reads.filter(({ path: target }) => target.startsWith('/reports'));
    assert.equal(reports.length, 3);
    assert.ok(reports.every(({ answer }) => (answer.data as Report[]).length > 0));
  });

  for (const { path: target, status, answer } of reads) {
    it(`answer ${target} in the same form`, async () => {
      const reports = target.startsWith('/reports') ? (answer.data as Report[]) : [];
      backend.sidecar.costs.answers.queryCosts = () => rowsOf(reports);
      const response = await backend.fetch(target);
      assert.equal(response.status, status);
      const ours = (await response.json()) as Recorded['answer'];
      if (status !== 200) {
        return;
      }
      assert.deepEqual(Object.keys(ours).sort(), Object.keys(answer).sort());
      assert.equal(ours.status, answer.status);
      assert.deepEqual(ours.errors, answer.errors);
      assert.equal(Array.isArray(ours.data), Array.isArray(answer.data));
      if (reports.length > 0) {
        assert.deepEqual(comparable(ours.data as Report[]), comparable(reports));
      } else if (answer.data && !Array.isArray(answer.data)) {
        const form = (value: unknown) =>
          Object.entries(value as object)
            .map(([key, member]) => `${key}: ${typeof member}`)
            .sort();
        assert.deepEqual(form(ours.data), form(answer.data));
      }
    });
  }
});
