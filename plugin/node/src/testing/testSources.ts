import { status } from '@grpc/grpc-js';
import * as catalog from '../generated/purser/v1/catalog';
import { fail, type TestCalls } from './testCalls';

/** A source as ListSources shows it. */
export function testSource(given: Partial<catalog.Source> & { name: string }): catalog.Source {
  return {
    feed: 'watch',
    host: 'sidecar',
    priority: 0n,
    active: true,
    paused: false,
    followers: 1,
    entities: 0n,
    heldRemovals: 0n,
    collisions: 0n,
    freshAt: new Date(),
    failedAt: undefined,
    error: '',
    rounds: 1n,
    failures: 0n,
    added: 0n,
    changed: 0n,
    removed: 0n,
    dropped: 0n,
    nextRoundAt: undefined,
    ...given,
  };
}

/** Sources of entities of which a test sidecar tells. */
export class TestSources {
  readonly sources: catalog.Source[] = [];
  /** What AdoptEntities was asked. */
  readonly adopted: catalog.AdoptEntitiesRequest[] = [];
  /** What portals told of sources that they run, and what operators want of those. */
  readonly reported: catalog.ReportSourceRequest[] = [];
  orders: Partial<catalog.ReportSourceResponse> = {};
  readonly controlled: catalog.ControlSourceRequest[] = [];
  readonly #calls: TestCalls;

  constructor(calls: TestCalls) {
    this.#calls = calls;
  }

  service(): catalog.CatalogServiceServer {
    return {
      listSources: this.#calls.unary('ListSources', () => ({ sources: this.sources })),
      getSource: this.#calls.unary('GetSource', ({ name }) => ({
        source: this.#source(name),
        heldRefs: ['component:default/held'],
        collisions: [{ ref: 'component:default/shared', owner: 'kubernetes/other' }],
        degradedParts: [{ name: 'cluster-b', error: 'refused' }],
      })),
      controlSource: this.#calls.unary('ControlSource', request => {
        this.#source(request.name).paused = request.verb === 'pause';
        this.controlled.push(request);
        return { released: request.verb === 'confirm' ? 7n : 0n };
      }),
      adoptEntities: this.#calls.unary('AdoptEntities', request => {
        this.adopted.push(request);
        return {};
      }),
      reportSource: this.#calls.unary('ReportSource', request => {
        this.reported.push(request);
        const orders = { paused: false, resync: false, confirm: false, ...this.orders };
        if (!request.round) {
          this.orders.confirm = false;
        }
        return orders;
      }),
    };
  }

  #source(name: string): catalog.Source {
    return (
      this.sources.find(source => source.name === name) ??
      fail(status.NOT_FOUND, `source ${name}: not known`)
    );
  }
}
