import { createHash, randomUUID } from 'node:crypto';
import type { LoggerService } from '@backstage/backend-plugin-api';
import { type Entity, stringifyEntityRef } from '@backstage/catalog-model';
import type { Knex } from 'knex';

/** The catalog's tables, in the shape in which this module knows what a row means. */
const KNOWN_COLUMNS: Record<string, string[]> = {
  refresh_state: [
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
  ],
  refresh_state_references: ['id', 'source_entity_ref', 'source_key', 'target_entity_ref'],
};

// Entities added before statistics are made, and again whenever so many times more have been.
const FIRST_ANALYZE = 1_000;
const ANALYZE_GROWTH = 4;

/** Whose the entities are. */
export interface Owner {
  /** Of a row in refresh_state. */
  locationKey: string;
  /** Of a row in refresh_state_references: the provider's name. */
  sourceKey: string;
}

/** An entity with what its row will have. */
export interface PreparedEntity {
  entity: Entity;
  id: string;
  ref: string;
  hash: string;
  body: string;
}

/** What a database does with the rows of some entities. */
interface Dialect {
  /** Gives the rows that the catalog holds of the owner their new content. */
  update(knex: Knex, rows: PreparedEntity[], owner: Owner): Promise<unknown>;
  /** The refs of those that the catalog does not hold of the owner. */
  missing(knex: Knex, rows: PreparedEntity[], owner: Owner): Promise<string[]>;
  /** Adds rows whose refs the catalog does not hold at all; their refs. */
  add(knex: Knex, rows: PreparedEntity[], owner: Owner): Promise<string[]>;
  analyze?(knex: Knex): Promise<unknown>;
  /** Entities of one statement. */
  atOnce: number;
}

const refsOf = (rows: Array<{ ref: string }>) => rows.map(({ ref }) => ref);

// What Backstage's own update of one entity does: the description, its hash, due for processing now.
const ASSIGNMENTS =
  'unprocessed_entity = v.body, unprocessed_hash = v.hash, last_discovery_at = CURRENT_TIMESTAMP, next_update_at = CURRENT_TIMESTAMP';
// And its insertion.
const INSERT =
  'INSERT INTO refresh_state (entity_id, entity_ref, unprocessed_entity, unprocessed_hash, errors, location_key, next_update_at, last_discovery_at)';
const NOT_HELD = 'ON CONFLICT (entity_ref) DO NOTHING RETURNING entity_ref';

// One text of many lines for each column: PostgreSQL splits them in a twentieth of the time that it takes
// for JSON. No hash or JSON text has a line's end in it; refs are looked at before.
const LINES = "string_to_array(?, E'\\n')";
const linesOf = (rows: PreparedEntity[], column: 'id' | 'ref' | 'hash' | 'body') =>
  rows.map(row => row[column]).join('\n');

const POSTGRES: Dialect = {
  update: (knex, rows, { locationKey }) =>
    knex.raw(
      `UPDATE refresh_state SET ${ASSIGNMENTS} FROM unnest(${LINES}, ${LINES}, ${LINES}) AS v(ref, hash, body) WHERE entity_ref = v.ref AND location_key = ? AND unprocessed_hash IS DISTINCT FROM v.hash`,
      [linesOf(rows, 'ref'), linesOf(rows, 'hash'), linesOf(rows, 'body'), locationKey],
    ),
  missing: async (knex, rows, { locationKey }) => {
    const found = await knex.raw(
      `SELECT v.ref AS ref FROM unnest(${LINES}) AS v(ref) LEFT JOIN refresh_state ON entity_ref = v.ref AND location_key = ? WHERE entity_ref IS NULL`,
      [linesOf(rows, 'ref'), locationKey],
    );
    return refsOf(found.rows);
  },
  add: async (knex, rows, { locationKey, sourceKey }) => {
    const added = await knex.raw(
      `WITH added AS (${INSERT} SELECT v.id, v.ref, v.body, v.hash, '', ?, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM unnest(${LINES}, ${LINES}, ${LINES}, ${LINES}) AS v(id, ref, body, hash) ${NOT_HELD}) INSERT INTO refresh_state_references (source_key, target_entity_ref) SELECT ?, entity_ref FROM added RETURNING target_entity_ref AS ref`,
      [
        locationKey,
        linesOf(rows, 'id'),
        linesOf(rows, 'ref'),
        linesOf(rows, 'body'),
        linesOf(rows, 'hash'),
        sourceKey,
      ],
    );
    return refsOf(added.rows);
  },
  analyze: knex => knex.raw('ANALYZE refresh_state'),
  atOnce: 1_000,
};

const jsonOf = (rows: PreparedEntity[]) =>
  `[${rows.map(({ id, ref, hash, body }) => `{"id":"${id}","ref":${JSON.stringify(ref)},"hash":"${hash}","body":${body}}`).join(',')}]`;

const SQLITE: Dialect = {
  update: (knex, rows, { locationKey }) =>
    knex.raw(
      `UPDATE refresh_state SET ${ASSIGNMENTS} FROM (SELECT value ->> 'ref' AS ref, value ->> 'hash' AS hash, value -> 'body' AS body FROM json_each(?)) AS v WHERE entity_ref = v.ref AND location_key = ? AND unprocessed_hash IS NOT v.hash`,
      [jsonOf(rows), locationKey],
    ),
  missing: async (knex, rows, { locationKey }) =>
    refsOf(
      await knex.raw(
        'SELECT v.value AS ref FROM json_each(?) AS v LEFT JOIN refresh_state ON entity_ref = v.value AND location_key = ? WHERE entity_ref IS NULL',
        [JSON.stringify(refsOf(rows)), locationKey],
      ),
    ),
  add: (knex, rows, { locationKey, sourceKey }) =>
    knex.transaction(async tx => {
      const added = refsOf(
        await tx.raw(
          // "WHERE true" tells the conflict clause from a join's.
          `${INSERT} SELECT value ->> 'id', value ->> 'ref', value -> 'body', value ->> 'hash', '', ?, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP FROM json_each(?) WHERE true ${NOT_HELD} AS ref`,
          [locationKey, jsonOf(rows)],
        ),
      );
      await tx.raw(
        'INSERT INTO refresh_state_references (source_key, target_entity_ref) SELECT ?, value FROM json_each(?)',
        [sourceKey, JSON.stringify(added)],
      );
      return added;
    }),
  // It writes, and waits for the disk, on the event loop.
  atOnce: 50,
};

const DIALECTS: Record<string, Dialect> = { pg: POSTGRES, 'better-sqlite3': SQLITE };

async function isKnown(knex: Knex): Promise<boolean> {
  for (const [table, known] of Object.entries(KNOWN_COLUMNS)) {
    const columns = Object.keys(await knex(table).columnInfo()).sort();
    if (columns.join() !== known.join()) {
      return false;
    }
  }
  return true;
}

/**
 * With the hash that the catalog would take: of the text with sorted keys. They must be sorted in all objects:
 * so the catalog writes an entity whose hash it takes.
 */
export function prepareEntity(entity: Entity): PreparedEntity {
  const ref = stringifyEntityRef(entity);
  const body = JSON.stringify(entity);
  const hash = createHash('sha1').update(body).digest('hex');
  return { entity, id: randomUUID(), ref, hash, body };
}

/**
 * Writes entities of a provider into the catalog's own tables, many by one statement.
 *
 * `applyMutation` updates changed entities one by one, by three statements each, and adds new ones by two
 * for fifty: that costs the portal's main thread about as much as a full mutation of all. This leaves the
 * rows as it would, those that belong to the provider and those of refs that nobody holds; a ref that is
 * another's stays `applyMutation`'s to settle. It relies on tables that are Backstage's own: where they do
 * not look exactly as known, `open` says so and everything goes through `applyMutation`.
 */
export class CatalogTables {
  readonly #knex: Knex;
  readonly #dialect: Dialect;
  #added = 0;
  #analyzeAt = FIRST_ANALYZE;

  private constructor(knex: Knex, dialect: Dialect) {
    this.#knex = knex;
    this.#dialect = dialect;
  }

  /** Undefined where the database or its shape is not one that is known. */
  static async open(knex: Knex, logger: LoggerService): Promise<CatalogTables | undefined> {
    const client = String(knex.client.config.client);
    const dialect = DIALECTS[client];
    if (dialect && (await isKnown(knex))) {
      return new CatalogTables(knex, dialect);
    }
    logger.info(
      `entities are written by mutations alone: the tables of this catalog (${client}) are not as known`,
    );
    return undefined;
  }

  /** Entities that are best written together. */
  get atOnce(): number {
    return this.#dialect.atOnce;
  }

  /**
   * Adds those of `entities` that nobody holds, and updates those that the catalog holds of `owner` with
   * another content. Gives back the others, which are held by somebody else. `isNew`: the catalog most
   * likely holds none of them.
   */
  async write(entities: PreparedEntity[], owner: Owner, isNew = false): Promise<Entity[]> {
    // Such a name is one that the catalog refuses.
    const left = entities.filter(({ ref }) => ref.includes('\n'));
    const writable = left.length > 0 ? entities.filter(row => !left.includes(row)) : entities;
    const steps = isNew ? [this.#add, this.#update] : [this.#update, this.#add];
    for (let start = 0; start < writable.length; start += this.atOnce) {
      if (start > 0) {
        await new Promise(resolve => setImmediate(resolve));
      }
      let rows = writable.slice(start, start + this.atOnce);
      for (const step of steps) {
        rows = rows.length > 0 ? await step.call(this, rows, owner) : rows;
      }
      left.push(...rows);
    }
    return left.map(({ entity }) => entity);
  }

  /** Those that the catalog does not hold of the owner. */
  async #update(rows: PreparedEntity[], owner: Owner): Promise<PreparedEntity[]> {
    await this.#dialect.update(this.#knex, rows, owner);
    const missing = new Set(await this.#dialect.missing(this.#knex, rows, owner));
    return rows.filter(({ ref }) => missing.has(ref));
  }

  /** Those that the catalog holds already. */
  async #add(rows: PreparedEntity[], owner: Owner): Promise<PreparedEntity[]> {
    const added = new Set(await this.#dialect.add(this.#knex, rows, owner));
    await this.#analyze(added.size);
    return rows.filter(({ ref }) => !added.has(ref));
  }

  /**
   * PostgreSQL plans its checks of foreign keys by what it knows of the table; as long as it takes that for
   * empty, each added entity may make it read all of them.
   */
  async #analyze(added: number): Promise<void> {
    this.#added += added;
    if (this.#dialect.analyze && this.#added >= this.#analyzeAt) {
      this.#analyzeAt = this.#added * ANALYZE_GROWTH;
      await this.#dialect.analyze(this.#knex);
    }
  }
}
