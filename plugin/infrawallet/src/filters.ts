import { InputError } from '@backstage/errors';
import type { CostDimension } from '@purser/plugin-purser-common';
import { refOf } from '@purser/plugin-purser-node';

/** The project of what belongs to no system. */
export const NO_PROJECT = 'none';

/** What InfraWallet calls our dimensions. */
const NAMES: Record<string, CostDimension> = {
  account: 'account',
  service: 'service',
  category: 'charge_category',
  provider: 'source',
  project: 'system',
};

/** The part of "AWS/EC2 - Instances" that is ours; a project is a system. */
function valueOf(name: string, text: string): string {
  if (name === 'project') {
    return text === NO_PROJECT ? '' : refOf(text, 'system');
  }
  const at = text.indexOf('/');
  return name === 'provider' || at < 0 ? text : text.slice(at + 1);
}

/** "(provider:aws,service:(a|b))" as filters. */
export function parseFilters(text = ''): Array<{ dimension: CostDimension; values: string[] }> {
  const inner = text.trim().replace(/^\(([\s\S]*)\)$/, '$1');
  const filters = [];
  // Values may hold commas: a filter begins where a name and a colon stand.
  for (const part of inner.split(/,(?=[a-z]+:)/).filter(Boolean)) {
    const at = part.indexOf(':');
    const name = part.slice(0, at).trim();
    if (at < 1 || !Object.hasOwn(NAMES, name)) {
      throw new InputError(
        `filters: '${part}' is not one of ${Object.keys(NAMES).join(', ')} and a value`,
      );
    }
    const value = part.slice(at + 1).trim();
    const values = /^\(.*\)$/s.test(value) ? value.slice(1, -1).split('|') : [value];
    filters.push({ dimension: NAMES[name], values: values.map(one => valueOf(name, one)) });
  }
  return filters;
}
