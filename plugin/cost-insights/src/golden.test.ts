import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CostSurfaceBackend } from '@purser/plugin-purser-node/testUtils';
import plugin from './index';
import type { Cost } from './types';

// What the real backend answered, see tests/golden/record.mjs.
const recorded: {
  path: string;
  costs: Array<{ day: string; service: string; amount: string }>;
  answer: Cost;
} = JSON.parse(
  readFileSync(path.join(__dirname, '../../../tests/golden/cost-insights-aws.json'), 'utf8'),
);

describe('the AWS backend of Cost Insights and ours', () => {
  let backend: CostSurfaceBackend;
  let ours: Cost;

  before(async () => {
    backend = await CostSurfaceBackend.start(plugin, 'cost-insights-aws');
    backend.hasCosts('2026-01-01', '2026-11-20', CostSurfaceBackend.row([], '1'));
    backend.sidecar.costs.answers.queryCosts = () =>
      recorded.costs.map(({ day, service, amount }) =>
        CostSurfaceBackend.row([day, service], amount),
      );
    ours = (await backend.json(recorded.path)) as Cost;
  });
  after(() => backend.stop());

  it('give the same days and amounts', () => {
    assert.deepEqual(ours.aggregation, recorded.answer.aggregation);
    const amounts = (cost: Cost) =>
      Object.fromEntries(
        (cost.groupedCosts?.service ?? []).map(({ id, aggregation }) => [id, aggregation]),
      );
    assert.deepEqual(amounts(ours), amounts(recorded.answer));
  });

  it('draw the same trend, theirs rounded to five digits', () => {
    const theirs = recorded.answer.trendline!;
    assert.ok(Math.abs(ours.trendline!.slope - theirs.slope) <= 1e-5);
    const at = Date.parse('2026-01-02') / 1000;
    const mine = ours.trendline!.slope * at + ours.trendline!.intercept;
    assert.ok(mine > 0 && mine < 12.5);
  });

  it('have the same members', () => {
    assert.deepEqual(Object.keys(ours).sort(), Object.keys(recorded.answer).sort());
    assert.deepEqual(Object.keys(ours.change!).sort(), Object.keys(recorded.answer.change!).sort());
    assert.equal(ours.id, recorded.answer.id);
  });
});
