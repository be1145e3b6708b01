import type { LoggerService } from '@backstage/backend-plugin-api';
import {
  ANNOTATION_LOCATION,
  ANNOTATION_ORIGIN_LOCATION,
  type Entity,
  getCompoundEntityRef,
  stringifyEntityRef,
} from '@backstage/catalog-model';
import type { DeferredEntity, EntityProviderConnection } from '@backstage/plugin-catalog-node';
import type { JsonObject } from '@backstage/types';
import { ANNOTATION_SOURCE } from '@purser/plugin-purser-common';
import type { CatalogTables, Owner } from './catalogTables';

/**
 * Entities of one mutation: the catalog checks and hashes them all in one go on the event loop, and on
 * SQLite writes them in the same go.
 */
export const MAX_MUTATION_ENTITIES = 250;

function isEntity(value: JsonObject): value is JsonObject & Entity {
  const { metadata } = value;
  return (
    typeof value.apiVersion === 'string' &&
    typeof value.kind === 'string' &&
    typeof metadata === 'object' &&
    metadata !== null &&
    !Array.isArray(metadata) &&
    typeof metadata.name === 'string'
  );
}

/** With sorted keys, as all objects of an entity are that comes from a host. */
const sorted = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : Number(a > b)))) as T;

/** Makes the path of a page of this portal ("/search?query=…") a whole URL. */
export type AbsoluteUrl = (path: string) => string;

const API = '/api/';
const REQUEST = /^\/api\/purser\/v1\/requests\/([^/?#]+)$/;

/**
 * A page for what a link of the sidecar's means. Its links may lead into the REST API, which a browser's tab
 * cannot open: it sends no token. A request is shown by the search; everything else by the entity's own page.
 */
function pageOf(path: string, entity: Entity): string {
  if (!path.startsWith(API)) {
    return path;
  }
  const request = REQUEST.exec(path);
  if (request) {
    return `/search?query=${request[1]}`;
  }
  const { kind, namespace, name } = getCompoundEntityRef(entity);
  return `/catalog/${[namespace, kind, name].map(part => encodeURIComponent(part.toLowerCase())).join('/')}`;
}

/** Applies deltas to the catalog in pieces between which the event loop gets its turn. */
export class DeltaWriter {
  readonly #connection: EntityProviderConnection;
  readonly #owner: Owner;
  readonly #source: string;
  readonly #logger: LoggerService;
  readonly #absoluteUrl: AbsoluteUrl;
  readonly #tables: CatalogTables | undefined;

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

  /** `isNew`: the catalog holds nothing of this provider yet. */
  async apply(upserts: JsonObject[], removedRefs: string[], isNew = false): Promise<void> {
    const { locationKey } = this.#owner;
    for (let start = 0; start < upserts.length || start < removedRefs.length;) {
      const end = start + MAX_MUTATION_ENTITIES;
      const entities = upserts.slice(start, end).flatMap(entity => this.#complete(entity));
      const left = await this.#writeDirectly(entities, isNew);
      await this.#write(
        left.map(entity => ({ entity, locationKey })),
        removedRefs.slice(start, end).map(entityRef => ({ entityRef, locationKey })),
      );
      start = end;
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  /** Those that are left to `applyMutation`. */
  async #writeDirectly(entities: Entity[], isNew: boolean): Promise<Entity[]> {
    if (!this.#tables || entities.length === 0) {
      return entities;
    }
    try {
      return await this.#tables.write(entities, this.#owner, isNew);
    } catch (error) {
      // A deadlock with the catalog's own processing, say, which applyMutation waits out.
      this.#logger.debug(`entities are written by a mutation: ${(error as Error).message}`);
      return entities;
    }
  }

  #complete(entity: JsonObject): Entity[] {
    if (!isEntity(entity)) {
      this.#logger.error('an entity without apiVersion, kind or metadata.name was left out');
      return [];
    }
    const annotations = sorted({
      // Both are required by the catalog; a source that knows better has set them.
      [ANNOTATION_LOCATION]: this.#owner.locationKey,
      [ANNOTATION_ORIGIN_LOCATION]: this.#owner.locationKey,
      ...entity.metadata.annotations,
      // By it the catalog is asked what it holds of the source.
      [ANNOTATION_SOURCE]: this.#source,
    });
    // The sidecar does not know where the portal is; the catalog takes whole URLs only.
    const links = entity.metadata.links?.map(link =>
      link.url.startsWith('/')
        ? { ...link, url: this.#absoluteUrl(pageOf(link.url, entity)) }
        : link,
    );
    const metadata = sorted({ ...entity.metadata, annotations, ...(links && { links }) });
    return [{ ...entity, metadata }];
  }

  async #write(
    added: DeferredEntity[],
    removed: Array<{ entityRef: string; locationKey: string }>,
  ): Promise<void> {
    if (added.length === 0 && removed.length === 0) {
      return;
    }
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
        await this.#connection.applyMutation({ type: 'delta', added: [], removed });
        return;
      }
      const half = Math.ceil(added.length / 2);
      await this.#write(added.slice(0, half), removed);
      await this.#write(added.slice(half), []);
    }
  }
}
