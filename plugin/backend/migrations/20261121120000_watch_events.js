// @ts-check

/**
 * Which event a watcher dealt with last: the sequence number alone does not tell a store that began
 * anew from the one it stands for.
 *
 * @param {import('knex').Knex} knex
 */
exports.up = async function up(knex) {
  await knex.schema.alterTable('watch_positions', table => {
    table.string('event', 255).nullable().comment('Identity of that event; null before the first');
    table.string('event_at', 40).nullable().comment('Its time, ISO 8601');
  });
};

/**
 * @param {import('knex').Knex} knex
 */
exports.down = async function down(knex) {
  await knex.schema.alterTable('watch_positions', table => {
    table.dropColumn('event');
    table.dropColumn('event_at');
  });
};
