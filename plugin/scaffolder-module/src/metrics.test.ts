import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { MetricsService } from '@backstage/backend-plugin-api/alpha';
import { createActionMetrics } from './metrics';

it('counts runs, seconds, files and bytes', () => {
  const seen: string[] = [];
  const instrument = (name: string) => {
    const note = (value: number, attributes: object) =>
      void seen.push(`${name} ${value} ${JSON.stringify(attributes)}`);
    return { add: note, record: note };
  };
  const count = createActionMetrics({
    createCounter: instrument,
    createHistogram: instrument,
  } as unknown as MetricsService);
  count({ action: 'a', result: 'ok', seconds: 1.5, outputs: { files: 2, bytes: 512, more: 'x' } });
  count({ action: 'b', result: 'cancelled', seconds: 0.25, outputs: {} });
  assert.deepEqual(seen, [
    'purser.action.runs 1 {"action":"a","result":"ok"}',
    'purser.action.duration 1.5 {"action":"a","result":"ok"}',
    'purser.action.files 2 {"action":"a"}',
    'purser.action.bytes 512 {"action":"a"}',
    'purser.action.runs 1 {"action":"b","result":"cancelled"}',
    'purser.action.duration 0.25 {"action":"b","result":"cancelled"}',
  ]);
});
