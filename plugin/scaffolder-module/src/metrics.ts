import type { MetricsService } from '@backstage/backend-plugin-api/alpha';
import type { JsonObject } from '@backstage/types';

/** What one run of an action was. */
export interface ActionRun {
  action: string;
  result: 'ok' | 'failed' | 'cancelled';
  seconds: number;
  outputs: JsonObject;
}

/** Counts runs of actions with the portal's metrics: how many, how long, files and bytes. */
export function createActionMetrics(metrics: MetricsService): (run: ActionRun) => void {
  const runs = metrics.createCounter('purser.action.runs', {
    description: 'Runs of actions of Purser by action and result.',
  });
  const seconds = metrics.createHistogram('purser.action.duration', {
    description: 'How long runs of actions of Purser took.',
    unit: 's',
  });
  const files = metrics.createCounter('purser.action.files', {
    description: 'Files that actions of Purser wrote or sent.',
  });
  const bytes = metrics.createCounter('purser.action.bytes', {
    description: 'Bytes that actions of Purser wrote or sent.',
    unit: 'By',
  });
  return run => {
    const attributes = { action: run.action, result: run.result };
    runs.add(1, attributes);
    seconds.record(run.seconds, attributes);
    if (typeof run.outputs.files === 'number') {
      files.add(run.outputs.files, { action: run.action });
    }
    if (typeof run.outputs.bytes === 'number') {
      bytes.add(run.outputs.bytes, { action: run.action });
    }
  };
}
