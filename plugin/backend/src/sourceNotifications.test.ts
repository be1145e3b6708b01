import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { mockServices } from '@backstage/backend-test-utils';
import { ConfigReader } from '@backstage/config';
import type { NotificationSendOptions } from '@backstage/plugin-notifications-node';
import { createPurserService, type DefaultPurserService } from '@purser/plugin-purser-node';
import { testSource, TestSidecar } from '@purser/plugin-purser-node/testUtils';
import { SourceNotifier } from './sourceNotifications';

describe('news of sources', () => {
  let sidecar: TestSidecar;
  let purser: DefaultPurserService;
  const sent: NotificationSendOptions[] = [];

  before(async () => {
    sidecar = await TestSidecar.start();
    purser = createPurserService({ config: new ConfigReader(sidecar.config()) });
  });
  after(() => {
    purser.close();
    sidecar.stop();
  });

  const notifier = (operators: string[]) =>
    new SourceNotifier({
      sidecar: purser.sidecar,
      notifications: { send: async options => void sent.push(options) },
      logger: mockServices.rootLogger(),
      operators,
    });

  it('tells operators once of held removals, and again when there are more', async () => {
    const source = testSource({ name: 'kubernetes/prod', entities: 100n });
    sidecar.catalog.sources.push(source);
    const news = notifier(['group:default/platform']);
    await news.look();
    assert.equal(sent.length, 0);
    source.heldRemovals = 40n;
    await news.look();
    await news.look();
    assert.equal(sent.length, 1);
    assert.equal(sent[0].payload.title, '40 removals of kubernetes/prod wait for you');
    assert.equal(sent[0].payload.scope, 'purser-source:kubernetes/prod');
    source.heldRemovals = 50n;
    await news.look();
    source.heldRemovals = 0n;
    await news.look();
    source.heldRemovals = 10n;
    await news.look();
    assert.equal(sent.length, 3);
  });

  it('tells nobody without operators, and outlives a sidecar that is away', async () => {
    sent.length = 0;
    await notifier([]).look();
    sidecar.kill();
    await notifier(['group:default/platform']).look();
    assert.deepEqual(sent, []);
  });
});
