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

/** {@link ProviderPositions} in the catalog's database. */
export class DatabaseProviderPositions implements ProviderPositions {
  readonly #knex: Knex;

  private constructor(knex: Knex) {
    this.#knex = knex;
  }

  static async create(database: DatabaseService): Promise<DatabaseProviderPositions> {
    const knex = await database.getClient();
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
