import type { AuthService } from '@backstage/backend-plugin-api';
import { stringifyEntityRef } from '@backstage/catalog-model';
import type { CatalogService } from '@backstage/plugin-catalog-node';
import { ANNOTATION_SOURCE } from '@purser/plugin-purser-common';

const PAGE_SIZE = 1_000;

/** Tells what the catalog holds of a source, whatever its host remembers. */
export interface CatalogRefs {
  of(source: string): Promise<string[]>;
  /** Those that are not in `known`. */
  beyond(source: string, known: ReadonlySet<string>): Promise<string[]>;
}

/** {@link CatalogRefs} over the catalog's own API. */
export class ServiceCatalogRefs implements CatalogRefs {
  readonly #catalog: CatalogService;
  readonly #auth: AuthService;

  constructor(options: { catalog: CatalogService; auth: AuthService }) {
    this.#catalog = options.catalog;
    this.#auth = options.auth;
  }

  async of(source: string): Promise<string[]> {
    const credentials = await this.#auth.getOwnServiceCredentials();
    const refs: string[] = [];
    const pages = this.#catalog.streamEntities(
      {
        filter: { [`metadata.annotations.${ANNOTATION_SOURCE}`]: source },
        fields: ['kind', 'metadata.name', 'metadata.namespace'],
        pageSize: PAGE_SIZE,
      },
      { credentials },
    );
    for await (const page of pages) {
      refs.push(...page.map(entity => stringifyEntityRef(entity)));
    }
    return refs;
  }

  async beyond(source: string, known: ReadonlySet<string>): Promise<string[]> {
    return (await this.of(source)).filter(ref => !known.has(ref));
  }
}
