import { createExtensionPoint } from '@backstage/backend-plugin-api';
import type {
  CreatedTemplateGlobal,
  ScaffolderTemplatingExtensionPoint,
} from '@backstage/plugin-scaffolder-node/alpha';
import type { TemplateFilter, TemplateGlobal } from '@backstage/plugin-scaffolder-node';

type Filters = Parameters<ScaffolderTemplatingExtensionPoint['addTemplateFilters']>[0];
type Globals = Parameters<ScaffolderTemplatingExtensionPoint['addTemplateGlobals']>[0];

/** Filters and globals that modules of the portal wrote in JavaScript, by name. */
export interface Extensions {
  filters: Record<string, TemplateFilter>;
  globals: Record<string, TemplateGlobal>;
}

export interface PortalTemplating {
  /** As they are now: modules may add some until the portal has started. */
  extensions(): Extensions;
}

function filterRecord(filters: Filters): Extensions['filters'] {
  return Array.isArray(filters)
    ? Object.fromEntries(filters.map(({ id, filter }) => [id, filter as TemplateFilter]))
    : filters;
}

function globalRecord(globals: Globals): Extensions['globals'] {
  const valueOf = (item: CreatedTemplateGlobal): TemplateGlobal =>
    'fn' in item ? (item.fn as TemplateGlobal) : item.value;
  return Array.isArray(globals)
    ? Object.fromEntries(globals.map(item => [item.id, valueOf(item)]))
    : globals;
}

/** As words of a template; a filter's name may have dots. */
export const namesOf = ({ filters, globals }: Extensions): string[] =>
  [...Object.keys(filters), ...Object.keys(globals)].map(name => name.split('.').pop() ?? name);

/** The array that `add` pushes to, if it does. */
function listBehind<T>(add: () => void): T[] | undefined {
  const { push } = Array.prototype;
  let list: T[] | undefined;
  Array.prototype.push = function watched(this: T[], ...items: T[]) {
    list ??= this;
    return push.apply(this, items);
  };
  try {
    add();
  } finally {
    Array.prototype.push = push;
  }
  return list;
}

/**
 * What the scaffolder has been given, and will be. Its extension point can only be added to, and
 * modules start in no certain order, so standing in between would miss some. Its lists are the
 * arrays that it pushes to: adding nothing, while `push` is watched, shows them. That is one
 * synchronous call; nothing else runs meanwhile. Undefined when the scaffolder does it otherwise.
 */
export function readTemplating(
  point: ScaffolderTemplatingExtensionPoint,
): PortalTemplating | undefined {
  const filters = listBehind<Extract<Filters, unknown[]>[number]>(() =>
    point.addTemplateFilters([]),
  );
  const globals = listBehind<CreatedTemplateGlobal>(() => point.addTemplateGlobals([]));
  return (
    filters &&
    globals && {
      extensions: () => ({ filters: filterRecord(filters), globals: globalRecord(globals) }),
    }
  );
}

/**
 * Filters and globals for Purser's actions beside those of the scaffolder's own extension point,
 * which they have as well.
 */
export interface PurserTemplatingExtensionPoint {
  addTemplateFilters(filters: Filters): void;
  addTemplateGlobals(globals: Globals): void;
}

export const purserTemplatingExtensionPoint = createExtensionPoint<PurserTemplatingExtensionPoint>({
  id: 'scaffolder.purser.templating',
});

/** What was added at our own extension point. */
export class AddedTemplating implements PurserTemplatingExtensionPoint, PortalTemplating {
  readonly #added: Extensions = { filters: {}, globals: {} };

  addTemplateFilters(filters: Filters): void {
    Object.assign(this.#added.filters, filterRecord(filters));
  }

  addTemplateGlobals(globals: Globals): void {
    Object.assign(this.#added.globals, globalRecord(globals));
  }

  extensions(): Extensions {
    return this.#added;
  }
}

/** Later ones win. */
export function joinTemplating(...parts: PortalTemplating[]): PortalTemplating {
  return {
    extensions: () => {
      const all = parts.map(part => part.extensions());
      return {
        filters: Object.assign({}, ...all.map(({ filters }) => filters)),
        globals: Object.assign({}, ...all.map(({ globals }) => globals)),
      };
    },
  };
}
