// A real API server, purserd that watches it, and the real portal: what changes in the cluster is
// what the catalog shows.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Kubernetes, kubernetesMissing } from '../tools/lib/kubernetes.mjs';
import { until } from './lib/client.mjs';
import { startPortal } from './lib/fixture.mjs';

const skip = kubernetesMissing();
let kubernetes;
const fixture = skip
  ? undefined
  : await startPortal({ outside: paths => (kubernetes = new Kubernetes(paths)) });

describe('a watched cluster', { skip }, () => {
  const shows = (name, title) =>
    until(`${name} as "${title}"`, async () => {
      const entity = await fixture.client.entity(kubernetes.refOf(name));
      return entity?.metadata.title === title ? entity : undefined;
    });

  it('brings a Deployment into the catalog, with its namespace', async () => {
    await kubernetes.putDeployment('shop', 'first');
    const entity = await shows('shop', 'first');
    assert.equal(entity.spec.type, 'service');
    assert.equal(entity.metadata.annotations['purser.dev/cluster'], 'peer');
    assert.equal(entity.metadata.annotations['purser.dev/source'], 'kubernetes/peer');
    assert.equal(entity.metadata.annotations['backstage.io/kubernetes-namespace'], 'default');
    assert.ok(
      entity.spec.dependsOn?.some(ref => ref.includes('namespace')),
      JSON.stringify(entity.spec),
    );
  });

  it('shows a change', async () => {
    await kubernetes.titleDeployment('shop', 'second');
    await shows('shop', 'second');
  });

  it('shows a change that another one follows at once', async () => {
    await kubernetes.titleDeployment('shop', 'third');
    await kubernetes.titleDeployment('shop', 'fourth');
    await shows('shop', 'fourth');
  });

  it('lets go of what was deleted', async () => {
    await kubernetes.deleteDeployment('shop');
    await until(
      'the entity gone',
      async () => !(await fixture.client.entity(kubernetes.refOf('shop'))),
    );
  });
});
