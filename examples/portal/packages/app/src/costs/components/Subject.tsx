import type { CatalogApi } from '@backstage/catalog-client';
import { EntityDisplayName, EntityRefLink } from '@backstage/plugin-catalog-react';

const isEntityRef = (value: string) => /^[a-z]+:[^/]+\/[^/]+$/i.test(value);

/** What costs are about: an entity as the catalog calls it, or a text of the bill. */
export function SubjectName({ value, none }: { value: string; none: string }) {
  if (!value) {
    return <>{none}</>;
  }
  return isEntityRef(value) ? <EntityDisplayName entityRef={value} hideIcon /> : <>{value}</>;
}

/** {@link SubjectName}, with a link to what the catalog has a page of. */
export function SubjectLink({ value, known }: { value: string; known: Set<string> }) {
  return known.has(value) ? (
    <EntityRefLink entityRef={value} />
  ) : (
    <SubjectName value={value} none="none" />
  );
}

/** Those of the values that are entities of the catalog; bills may name others, too. */
export async function findKnown(catalogApi: CatalogApi, values: string[]): Promise<Set<string>> {
  const entityRefs = [...new Set(values.filter(isEntityRef))];
  if (entityRefs.length === 0) {
    return new Set();
  }
  const { items } = await catalogApi.getEntitiesByRefs({ entityRefs, fields: ['kind'] });
  return new Set(entityRefs.filter((_, index) => items[index]));
}
