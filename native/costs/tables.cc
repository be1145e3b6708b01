// The schema of the costs domain.
#include "costs/rollups.h"

namespace purser::costs {

absl::Status MigrateTables(store::Database& database) {
  return database.Migrate(
      "costs",
      {{{1, "subjects, rollups and ingests",
         "CREATE TABLE cost_state (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
         // What allocation looks at in charges, and what it decided.
         "CREATE TABLE cost_subjects (id BIGINT PRIMARY KEY, source TEXT NOT NULL,"
         " subject_key TEXT NOT NULL, resource_id TEXT NOT NULL, sub_account TEXT NOT NULL,"
         " tags TEXT NOT NULL, entity TEXT NOT NULL, rule TEXT NOT NULL,"
         " UNIQUE (source, subject_key));"
         "CREATE INDEX cost_subjects_entity ON cost_subjects (entity);"
         "CREATE TABLE cost_ingests (id BIGINT PRIMARY KEY, source TEXT NOT NULL,"
         " sha256 TEXT NOT NULL, files TEXT NOT NULL, rows_read BIGINT NOT NULL,"
         " rows_stored BIGINT NOT NULL, rows_quarantined BIGINT NOT NULL,"
         " rounded_numbers BIGINT NOT NULL, quarantine_path TEXT NOT NULL,"
         " ingested_at BIGINT NOT NULL);"
         "CREATE TABLE cost_totals (ingest BIGINT NOT NULL REFERENCES cost_ingests (id),"
         " billing_period TEXT NOT NULL, currency TEXT NOT NULL, billed TEXT NOT NULL,"
         " effective TEXT NOT NULL, charges BIGINT NOT NULL,"
         " PRIMARY KEY (ingest, billing_period, currency));"
         // Which ingest a period's data is from.
         "CREATE TABLE cost_periods (source TEXT NOT NULL, billing_period TEXT NOT NULL,"
         " ingest BIGINT NOT NULL REFERENCES cost_ingests (id), first_day TEXT NOT NULL,"
         " last_day TEXT NOT NULL, PRIMARY KEY (source, billing_period));"
         "CREATE TABLE cost_rollups (source TEXT NOT NULL, billing_period TEXT NOT NULL,"
         " day TEXT NOT NULL, subject BIGINT NOT NULL REFERENCES cost_subjects (id),"
         " service TEXT NOT NULL, category TEXT NOT NULL, currency TEXT NOT NULL,"
         " billed TEXT NOT NULL, effective TEXT NOT NULL, charges BIGINT NOT NULL,"
         " PRIMARY KEY (source, billing_period, day, subject, service, category, currency));"
         "CREATE INDEX cost_rollups_subject ON cost_rollups (subject, day);"
         "CREATE INDEX cost_rollups_day ON cost_rollups (day);"},
        // Bills read before this step are read again: their columns were not kept.
        {2, "facts by month, nodes of the catalog",
         "DROP TABLE cost_rollups;"
         "DROP TABLE cost_subjects;"
         "DELETE FROM cost_periods;"
         "CREATE TABLE cost_items (id BIGINT PRIMARY KEY, service TEXT NOT NULL,"
         " region TEXT NOT NULL, sku TEXT NOT NULL, category TEXT NOT NULL, kind TEXT NOT NULL,"
         " currency TEXT NOT NULL, pool TEXT NOT NULL);"
         "CREATE TABLE cost_bills (id BIGINT PRIMARY KEY, source TEXT NOT NULL,"
         " billing_period TEXT NOT NULL, sub_account TEXT NOT NULL, invoice TEXT NOT NULL);"
         "CREATE TABLE cost_nodes (id BIGINT PRIMARY KEY, kind BIGINT NOT NULL,"
         " name TEXT NOT NULL, UNIQUE (kind, name));"
         "CREATE TABLE cost_subjects (id BIGINT PRIMARY KEY, source TEXT NOT NULL,"
         " subject_key TEXT NOT NULL, resource_id TEXT NOT NULL, sub_account TEXT NOT NULL,"
         " tags TEXT NOT NULL, columns TEXT NOT NULL, items TEXT NOT NULL,"
         " decisions TEXT NOT NULL, UNIQUE (source, subject_key));"
         // What was read: never changed by allocation. Months are those of the charges' days.
         "CREATE TABLE cost_facts (source TEXT NOT NULL, billing_period TEXT NOT NULL,"
         " month BIGINT NOT NULL, subject BIGINT NOT NULL REFERENCES cost_subjects (id),"
         " facts BLOB NOT NULL, PRIMARY KEY (source, billing_period, month, subject));"
         "CREATE INDEX cost_facts_month ON cost_facts (month);"
         "CREATE INDEX cost_facts_subject ON cost_facts (subject);"
         // What allocation made of it.
         "CREATE TABLE cost_node_months (node BIGINT NOT NULL REFERENCES cost_nodes (id),"
         " month BIGINT NOT NULL, facts BLOB NOT NULL, PRIMARY KEY (node, month));"
         "CREATE INDEX cost_node_months_month ON cost_node_months (month);"
         // Sums of all nodes of a kind from the month's first day to each day, for rankings.
         "CREATE TABLE cost_rank_keys (kind BIGINT NOT NULL, month BIGINT NOT NULL,"
         " keys BLOB NOT NULL, PRIMARY KEY (kind, month));"
         "CREATE TABLE cost_rank_days (kind BIGINT NOT NULL, month BIGINT NOT NULL,"
         " day BIGINT NOT NULL, sums BLOB NOT NULL, PRIMARY KEY (kind, month, day));"
         "CREATE TABLE cost_months (month BIGINT PRIMARY KEY, allocation TEXT NOT NULL);"
         "CREATE TABLE cost_graph (ref TEXT PRIMARY KEY, owner TEXT NOT NULL, system TEXT NOT NULL,"
         " domain TEXT NOT NULL, parent TEXT NOT NULL, product TEXT NOT NULL,"
         " environment TEXT NOT NULL);"
         "CREATE TABLE cost_metrics (metric TEXT NOT NULL, entity TEXT NOT NULL, day TEXT NOT NULL,"
         " value TEXT NOT NULL, PRIMARY KEY (metric, entity, day));"
         "CREATE INDEX cost_metrics_day ON cost_metrics (day);"
         // Budgets told once: by budget, period and threshold.
         "CREATE TABLE cost_alerts (id BIGINT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT "
         "NULL,"
         " scope TEXT NOT NULL, detail TEXT NOT NULL, at BIGINT NOT NULL,"
         " UNIQUE (kind, subject, scope));"},
        {3, "what deliveries replaced",
         // Facts as they stood before the delivery; no bytes: there were none.
         "CREATE TABLE cost_replaced_facts (ingest BIGINT NOT NULL REFERENCES cost_ingests (id),"
         " billing_period TEXT NOT NULL, month BIGINT NOT NULL,"
         " subject BIGINT NOT NULL REFERENCES cost_subjects (id), facts BLOB NOT NULL,"
         " PRIMARY KEY (ingest, billing_period, month, subject));"
         "CREATE INDEX cost_replaced_facts_subject ON cost_replaced_facts (subject);"
         // Whether what an ingest replaced of a period is kept.
         "ALTER TABLE cost_totals ADD COLUMN kept BIGINT NOT NULL DEFAULT 0;"
         "CREATE INDEX cost_ingests_source ON cost_ingests (source, id);"
         // 1: of a file, which is replaced as a whole; 0: added one by one.
         "ALTER TABLE cost_metrics ADD COLUMN of_file BIGINT NOT NULL DEFAULT 1;"},
        {4, "charges dated ahead",
         // The last day of the period's charges that was not ahead of the delivery, if any was.
         "ALTER TABLE cost_periods ADD COLUMN known_day TEXT;"
         "UPDATE cost_periods SET known_day = last_day;"}}});
}

}  // namespace purser::costs
