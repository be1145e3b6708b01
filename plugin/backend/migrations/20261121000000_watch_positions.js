// @ts-check

/**
 * How far a watcher of the sidecar's events has come.
 *
 * @param {import('knex').Knex} knex
 */
exports.up = async function up(knex) {
  await knex.schema.createTable('watch_positions', table => {
    table.string('watcher', 63).primary();
    table.bigInteger('sequence').notNullable().comment('Of the last event dealt with');
    table.dateTime('updated_at').notNullable();
  });
};

/**
 * @param {import('knex').Knex} knex
 */
exports.down = async function down(knex) {
  await knex.schema.dropTable('watch_positions');
};
