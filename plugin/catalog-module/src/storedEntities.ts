import { createHash } from 'node:crypto';
import type { LoggerService } from '@backstage/backend-plugin-api';
import { type Entity, stringifyEntityRef } from '@backstage/catalog-model';
import type { Knex } from 'knex';

const TABLE = 'refresh_state';
/** Of the table, in the shape in which this module knows what an update of a row means. */
const KNOWN_COLUMNS = [
  'cache',
  'entity_id',
  'entity_ref',
  'errors',
  'last_discovery_at',
  'location_key',
  'next_update_at',
  'processed_entity',
  'result_hash',
  'unprocessed_entity',
  'unprocessed_hash',
];

// Entities added before statistics are made, and again whenever so many times more have been.
const FIRST_ANALYZE = 1_000;
const ANALYZE_GROWTH = 4;

/** How a database takes many rows as one parameter: a JSON text. */
interface Dialect {
  update: string;
  missing: string;
  analyze?: string;
  /** Entities of one statement. */
  atOnce: number;
}

// What Backstage's own update of one entity does: the description, its hash, due for processing now.
const ASSIGNMENTS =
  'unprocessed_entity = v.body, unprocessed_hash = v.hash, last_discovery_at = CURRENT_TIMESTAMP, next_update_at = CURRENT_TIMESTAMP';

const DIALECTS: Record<string, Dialect> = {
  pg: {
    update: `UPDATE ${TABLE} SET ${ASSIGNMENTS} FROM (SELECT ref, hash, body::text AS body FROM json_to_recordset(?::json) AS j(ref text, hash text, body json)) AS v WHERE entity_ref = v.ref AND location_key = ? AND unprocessed_hash IS DISTINCT FROM v.hash`,
    missing: `SELECT v.ref AS ref FROM json_array_elements_text(?::json) AS v(ref) LEFT JOIN ${TABLE} ON entity_ref = v.ref AND location_key = ? WHERE entity_ref IS NULL`,
    analyze: `ANALYZE ${TABLE}`,
    atOnce: 250,
  },
  'better-sqlite3': {
    update: `UPDATE ${TABLE} SET ${ASSIGNMENTS} FROM (SELECT value ->> 'ref' AS ref, value ->> 'hash' AS hash, value -> 'body' AS body FROM json_each(?)) AS v WHERE entity_ref = v.ref AND location_key = ? AND unprocessed_hash IS NOT v.hash`,
    missing: `SELECT v.value AS ref FROM json_each(?) AS v LEFT JOIN ${TABLE} ON entity_ref = v.value AND location_key = ? WHERE entity_ref IS NULL`,
    // It writes, and waits for the disk, on the event loop.
    atOnce: 100,
  },
};

/**
 * Gives new descriptions to entities that the catalog holds already, many by one statement.
 *
 * `applyMutation` updates changed entities one by one, by three statements each, which costs the
 * portal's main thread about as much as a full mutation of all. This does what it does to the rows that
 * belong to the provider, and nothing to others. It relies on a table that is Backstage's own: where
 * that does not look exactly as known, `open` says so and everything goes through `applyMutation`.
 */
export class StoredEntities {
  readonly #knex: Knex;
  readonly #dialect: Dialect;
  #added = 0;
  #analyzeAt = FIRST_ANALYZE;

  private constructor(knex: Knex, dialect: Dialect) {
    this.#knex = knex;
    this.#dialect = dialect;
  }

  /** Undefined where the database or its shape is not one that is known. */
  static async open(knex: Knex, logger: LoggerService): Promise<StoredEntities | undefined> {
    const client = String(knex.client.config.client);
    const dialect = DIALECTS[client];
    const columns = dialect ? Object.keys(await knex(TABLE).columnInfo()).sort() : [];
    if (columns.join() === KNOWN_COLUMNS.join()) {
      return new StoredEntities(knex, dialect);
    }
    logger.info(
      `changed entities are written one by one: the table ${TABLE} of this catalog (${client}) is not one that is known`,
    );
    return undefined;
  }

  /**
   * Updates those of `entities` that the catalog holds under `locationKey` with another content. Gives
   * back those that it does not hold: they are the caller's to add. Keys are sorted in all objects: so
   * the catalog writes an entity whose hash it takes.
   */
  async update(entities: Entity[], locationKey: string): Promise<Entity[]> {
    const left: Entity[] = [];
    const { atOnce } = this.#dialect;
    for (let start = 0; start < entities.length; start += atOnce) {
      if (start > 0) {
        await new Promise(resolve => setImmediate(resolve));
      }
      left.push(...(await this.#updatePiece(entities.slice(start, start + atOnce), locationKey)));
    }
    return left;
  }

  async #updatePiece(entities: Entity[], locationKey: string): Promise<Entity[]> {
    const refs = entities.map(entity => stringifyEntityRef(entity));
    const rows = entities.map((entity, i) => {
      const body = JSON.stringify(entity);
      const hash = createHash('sha1').update(body).digest('hex');
      return `{"ref":${JSON.stringify(refs[i])},"hash":"${hash}","body":${body}}`;
    });
    await this.#knex.raw(this.#dialect.update, [`[${rows.join(',')}]`, locationKey]);
    const found = await this.#knex.raw(this.#dialect.missing, [JSON.stringify(refs), locationKey]);
    const missing = new Set(
      ((Array.isArray(found) ? found : found.rows) as Array<{ ref: string }>).map(row => row.ref),
    );
    return missing.size === 0 ? [] : entities.filter((_, i) => missing.has(refs[i]));
  }

  /**
   * Entities were added to an empty catalog. PostgreSQL plans its checks of foreign keys by what it knows
   * of the table; as long as it takes that for empty, each added entity may make it read all of them.
   */
  async added(count: number): Promise<void> {
    this.#added += count;
    if (this.#dialect.analyze && this.#added >= this.#analyzeAt) {
      this.#analyzeAt = this.#added * ANALYZE_GROWTH;
      await this.#knex.raw(this.#dialect.analyze);
    }
  }
}
