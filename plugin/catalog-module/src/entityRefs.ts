import { type Entity, stringifyEntityRef } from '@backstage/catalog-model';
import type { JsonObject } from '@backstage/types';

/** The ref of an entity that a host checked. */
export const refOf = (entity: JsonObject): string =>
  stringifyEntityRef(entity as unknown as Entity);
