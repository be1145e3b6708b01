import { type DatabaseService, resolvePackagePath } from '@backstage/backend-plugin-api';
import type { Knex } from 'knex';

const TABLE = 'purser_provider_positions';
// The catalog has its own list of migrations in the same database.
const MIGRATIONS_TABLE = 'purser_catalog_module_migrations';

/** How far each provider's changes were applied. */
export interface ProviderPositions {
  /** Undefined when nothing was ever applied. */
  get(providerName: string): Promise<string | undefined>;
  set(providerName: string, position: string): Promise<void>;
}

/**
 * Forgets those of providers that are no longer there: Backstage has removed their entities as orphans,
 * so that they must come again when the provider does.
 */
export async function forgetOtherPositions(knex: Knex, providerNames: string[]): Promise<void> {
  await knex(TABLE).whereNotIn('provider_name', providerNames).delete();
}

/** {@link ProviderPositions} in the catalog's database. */
export class DatabaseProviderPositions implements ProviderPositions {
  readonly #knex: Knex;

  private constructor(knex: Knex) {
    this.#knex = knex;
  }

  static async create(knex: Knex, database: DatabaseService): Promise<DatabaseProviderPositions> {
    if (!database.migrations?.skip) {
      await knex.migrate.latest({
        directory: resolvePackagePath('@purser/plugin-catalog-backend-module-purser', 'migrations'),
        tableName: MIGRATIONS_TABLE,
      });
    }
    return new DatabaseProviderPositions(knex);
  }

  async get(providerName: string): Promise<string | undefined> {
    const row = await this.#knex(TABLE).where({ provider_name: providerName }).first('position');
    return row?.position;
  }

  async set(providerName: string, position: string): Promise<void> {
    await this.#knex(TABLE)
      .insert({ provider_name: providerName, position, updated_at: new Date() })
      .onConflict('provider_name')
      .merge();
  }
}

/**
 * {@link ProviderPositions} that asks the database once and tells it only what is new. Another replica may
 * have gone on meanwhile: then some changes are applied twice, which changes nothing.
 */
export class RememberedPositions implements ProviderPositions {
  readonly #stored: ProviderPositions;
  readonly #known = new Map<string, string>();

  constructor(stored: ProviderPositions) {
    this.#stored = stored;
  }

  async get(providerName: string): Promise<string | undefined> {
    const known = this.#known.get(providerName);
    if (known !== undefined) {
      return known;
    }
    const stored = await this.#stored.get(providerName);
    if (stored !== undefined) {
      this.#known.set(providerName, stored);
    }
    return stored;
  }

  async set(providerName: string, position: string): Promise<void> {
    if (this.#known.get(providerName) !== position) {
      await this.#stored.set(providerName, position);
      this.#known.set(providerName, position);
    }
  }
}
