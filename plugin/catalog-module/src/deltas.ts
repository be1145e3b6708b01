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

/** Entities of one mutation: the catalog hashes them all in one go on the event loop. */
export const MAX_MUTATION_ENTITIES = 1_000;

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
  readonly #locationKey: string;
  readonly #source: string;
  readonly #logger: LoggerService;
  readonly #absoluteUrl: AbsoluteUrl;

  constructor(options: {
    connection: EntityProviderConnection;
    locationKey: string;
    /** "<provider id>/<instance>". */
    source: string;
    logger: LoggerService;
    absoluteUrl: AbsoluteUrl;
  }) {
    this.#connection = options.connection;
    this.#locationKey = options.locationKey;
    this.#source = options.source;
    this.#logger = options.logger;
    this.#absoluteUrl = options.absoluteUrl;
  }

  async apply(upserts: JsonObject[], removedRefs: string[]): Promise<void> {
    const added = upserts.flatMap(entity => this.#deferred(entity));
    const removed = removedRefs.map(entityRef => ({ entityRef, locationKey: this.#locationKey }));
    for (let start = 0; start < added.length || start < removed.length;) {
      const end = start + MAX_MUTATION_ENTITIES;
      await this.#write(added.slice(start, end), removed.slice(start, end));
      start = end;
      await new Promise(resolve => setImmediate(resolve));
    }
  }

  #deferred(entity: JsonObject): DeferredEntity[] {
    if (!isEntity(entity)) {
      this.#logger.error('an entity without apiVersion, kind or metadata.name was left out');
      return [];
    }
    // Both are required by the catalog; a source that knows better has set them.
    const annotations = {
      [ANNOTATION_LOCATION]: this.#locationKey,
      [ANNOTATION_ORIGIN_LOCATION]: this.#locationKey,
      ...entity.metadata.annotations,
      // By it the catalog is asked what it holds of the source.
      [ANNOTATION_SOURCE]: this.#source,
    };
    // The sidecar does not know where the portal is; the catalog takes whole URLs only.
    const links = entity.metadata.links?.map(link =>
      link.url.startsWith('/')
        ? { ...link, url: this.#absoluteUrl(pageOf(link.url, entity)) }
        : link,
    );
    const metadata = { ...entity.metadata, annotations, ...(links && { links }) };
    return [
      {
        entity: { ...entity, metadata },
        locationKey: this.#locationKey,
      },
    ];
  }

  async #write(
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
        await this.#connection.applyMutation({ type: 'delta', added: [], removed });
        return;
      }
      const half = Math.ceil(added.length / 2);
      await this.#write(added.slice(0, half), removed);
      await this.#write(added.slice(half), []);
    }
  }
}
