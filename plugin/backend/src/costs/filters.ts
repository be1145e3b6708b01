import { InputError } from '@backstage/errors';
import type { CostDimension } from '@purser/plugin-purser-common';

/** "dimension=value" texts as filters; several of one dimension are alternatives. */
export function parseFilters(
  texts: string[] = [],
): Array<{ dimension: CostDimension; values: string[] }> {
  const values = new Map<CostDimension, string[]>();
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) {
      throw new InputError(`filter: '${text}' is not dimension=value`);
    }
    const dimension = text.slice(0, at) as CostDimension;
    values.set(dimension, [...(values.get(dimension) ?? []), text.slice(at + 1)]);
  }
  return [...values].map(([dimension, all]) => ({ dimension, values: all }));
}

// Any of these narrows an answer to what somebody owns.
const OWNED = ['entity', 'owner', 'group', 'system'];

/** The entities that the filters narrow the answer to: all of them must be owned; none means all. */
export function entitiesOfFilters(texts: string[] = []): string[] {
  return parseFilters(texts).find(({ dimension }) => OWNED.includes(dimension))?.values ?? [];
}
