// @ts-check

/**
 * How far each provider instance's changes were applied to this catalog. It lies in the catalog's own
 * database on purpose: a catalog that was wiped has no position either and gets everything again.
 *
 * @param {import('knex').Knex} knex
 */
exports.up = async function up(knex) {
  await knex.schema.createTable('purser_provider_positions', table => {
    table.string('provider_name', 255).primary().comment('As the catalog knows the provider');
    table.text('position').notNullable().comment('Opaque; empty for providers without a change log');
    table.dateTime('updated_at').notNullable();
  });
};

/**
 * @param {import('knex').Knex} knex
 */
exports.down = async function down(knex) {
  await knex.schema.dropTable('purser_provider_positions');
};
