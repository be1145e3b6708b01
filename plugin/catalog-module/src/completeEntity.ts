import type { LoggerService } from '@backstage/backend-plugin-api';
import {
  ANNOTATION_LOCATION,
  ANNOTATION_ORIGIN_LOCATION,
  type Entity,
  getCompoundEntityRef,
} from '@backstage/catalog-model';
import type { JsonObject } from '@backstage/types';
import { ANNOTATION_SOURCE } from '@purser/plugin-purser-common';

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

/** Whose the entities are, and where the portal is. */
export interface CompletionOptions {
  locationKey: string;
  /** "<provider id>/<instance>". */
  source: string;
  logger: LoggerService;
  absoluteUrl: AbsoluteUrl;
}

/**
 * Adds to an entity of a host what only the portal knows; nothing is given back for what is no entity. Keys
 * stay sorted in all objects.
 */
export function completeEntity(entity: JsonObject, options: CompletionOptions): Entity[] {
  const { locationKey, source, logger, absoluteUrl } = options;
  if (!isEntity(entity)) {
    logger.error('an entity without apiVersion, kind or metadata.name was left out');
    return [];
  }
  const annotations = sorted({
    // Both are required by the catalog; a source that knows better has set them.
    [ANNOTATION_LOCATION]: locationKey,
    [ANNOTATION_ORIGIN_LOCATION]: locationKey,
    ...entity.metadata.annotations,
    // By it the catalog is asked what it holds of the source.
    [ANNOTATION_SOURCE]: source,
  });
  // The sidecar does not know where the portal is; the catalog takes whole URLs only.
  const links = entity.metadata.links?.map(link =>
    link.url.startsWith('/') ? { ...link, url: absoluteUrl(pageOf(link.url, entity)) } : link,
  );
  const metadata = sorted({ ...entity.metadata, annotations, ...(links && { links }) });
  return [{ ...entity, metadata }];
}
