import type { LoggerService } from '@backstage/backend-plugin-api';
import { type Entity, stringifyEntityRef } from '@backstage/catalog-model';
import type { DeferredEntity, EntityProviderConnection } from '@backstage/plugin-catalog-node';
import type { JsonObject } from '@backstage/types';
import {
  type CatalogTables,
  type Owner,
  type PreparedEntity,
  prepareEntity,
} from './catalogTables';
import { type AbsoluteUrl, completeEntity } from './completeEntity';

/**
 * Entities of one mutation: the catalog checks and hashes them all in one go on the event loop, and on
 * SQLite writes them in the same go.
 */
export const MAX_MUTATION_ENTITIES = 250;

/** What is written in one go, together with what waits behind it. */
interface Piece {
  entities: PreparedEntity[];
  removedRefs: string[];
  isNew: boolean;
  settle(failure?: Error): void;
}

const nextTurn = () => new Promise<void>(resolve => setImmediate(resolve));

/**
 * Applies deltas to the catalog in pieces between which the event loop gets its turn. Those that come while
 * the database is at work are prepared meanwhile and then written together.
 */
export class DeltaWriter {
  readonly #connection: EntityProviderConnection;
  readonly #owner: Owner;
  readonly #source: string;
  readonly #logger: LoggerService;
  readonly #absoluteUrl: AbsoluteUrl;
  readonly #tables: CatalogTables | undefined;
  /** Pieces are prepared one after another, each in a turn of its own. */
  #prepared: Promise<void> = Promise.resolve();
  readonly #waiting: Piece[] = [];
  #isWriting = false;

  constructor(options: {
    connection: EntityProviderConnection;
    owner: Owner;
    /** "<provider id>/<instance>". */
    source: string;
    logger: LoggerService;
    absoluteUrl: AbsoluteUrl;
    /** Undefined: every change goes through the connection. */
    tables?: CatalogTables;
  }) {
    this.#connection = options.connection;
    this.#owner = options.owner;
    this.#source = options.source;
    this.#logger = options.logger;
    this.#absoluteUrl = options.absoluteUrl;
    this.#tables = options.tables;
  }

  /**
   * Fulfilled when all of it is in the catalog. What is given by later calls is written after it.
   * `isNew`: the catalog holds nothing of this provider yet.
   */
  async apply(upserts: JsonObject[], removedRefs: string[], isNew = false): Promise<void> {
    const pieces: Array<Promise<void>> = [];
    for (let start = 0; start < upserts.length || start < removedRefs.length;) {
      const end = start + MAX_MUTATION_ENTITIES;
      pieces.push(this.#enqueue(upserts.slice(start, end), removedRefs.slice(start, end), isNew));
      start = end;
    }
    await Promise.all(pieces);
  }

  async #enqueue(upserts: JsonObject[], removedRefs: string[], isNew: boolean): Promise<void> {
    const turn = this.#prepared.then(nextTurn);
    this.#prepared = turn;
    await turn;
    const completion = {
      locationKey: this.#owner.locationKey,
      source: this.#source,
      logger: this.#logger,
      absoluteUrl: this.#absoluteUrl,
    };
    const entities = upserts
      .flatMap(entity => completeEntity(entity, completion))
      .map(entity => prepareEntity(entity));
    await new Promise<void>((resolve, reject) => {
      const settle = (failure?: Error) => (failure ? reject(failure) : resolve());
      this.#waiting.push({ entities, removedRefs, isNew, settle });
      void this.#writeWaiting();
    });
  }

  async #writeWaiting(): Promise<void> {
    if (this.#isWriting) {
      return;
    }
    this.#isWriting = true;
    for (let group = this.#nextGroup(); group.length > 0; group = this.#nextGroup()) {
      let failure: Error | undefined;
      try {
        await this.#writeGroup(group);
      } catch (error) {
        failure = error as Error;
      }
      group.forEach(piece => piece.settle(failure));
      await nextTurn();
    }
    this.#isWriting = false;
  }

  /** As many waiting pieces as one statement takes. What one removes, a later one may add again. */
  #nextGroup(): Piece[] {
    const group = this.#waiting.splice(0, 1);
    let count = group[0]?.entities.length ?? 0;
    while (group.length > 0 && this.#waiting.length > 0) {
      const [next] = this.#waiting;
      const last = group[group.length - 1];
      count += next.entities.length;
      if (
        count > (this.#tables?.atOnce ?? 0) ||
        last.removedRefs.length > 0 ||
        last.isNew !== next.isNew
      ) {
        break;
      }
      group.push(...this.#waiting.splice(0, 1));
    }
    return group;
  }

  async #writeGroup(group: Piece[]): Promise<void> {
    const { locationKey } = this.#owner;
    const left = await this.#writeDirectly(
      group.flatMap(({ entities }) => entities),
      group[0].isNew,
    );
    const added = left.map(entity => ({ entity, locationKey }));
    const removed = group
      .flatMap(({ removedRefs }) => removedRefs)
      .map(entityRef => ({ entityRef, locationKey }));
    for (let start = 0; start < added.length || start < removed.length;) {
      const end = start + MAX_MUTATION_ENTITIES;
      await this.#mutate(added.slice(start, end), removed.slice(start, end));
      start = end;
    }
  }

  /** Those that are left to `applyMutation`. */
  async #writeDirectly(prepared: PreparedEntity[], isNew: boolean): Promise<Entity[]> {
    if (this.#tables && prepared.length > 0) {
      try {
        return await this.#tables.write(prepared, this.#owner, isNew);
      } catch (error) {
        // A deadlock with the catalog's own processing, say, which applyMutation waits out.
        this.#logger.debug(`entities are written by a mutation: ${(error as Error).message}`);
      }
    }
    return prepared.map(({ entity }) => entity);
  }

  async #mutate(
    added: DeferredEntity[],
    removed: Array<{ entityRef: string; locationKey: string }>,
  ): Promise<void> {
    try {
      await this.#connection.applyMutation({ type: 'delta', added, removed });
    } catch (error) {
      // The catalog refuses a whole mutation for one malformed entity, with a TypeError.
      if (!(error instanceof TypeError) || added.length === 0) {
        throw error;
      }
      if (added.length === 1) {
        const ref = stringifyEntityRef(added[0].entity);
        this.#logger.error(`${ref} was refused by the catalog and left out: ${error.message}`);
        if (removed.length > 0) {
          await this.#mutate([], removed);
        }
        return;
      }
      const half = Math.ceil(added.length / 2);
      await this.#mutate(added.slice(0, half), removed);
      await this.#mutate(added.slice(half), []);
    }
  }
}
