// The schema of the store's file, as numbered migrations.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "server/store/sqlite_connection.h"

namespace precis::server {

// The schema this program reads and writes; a file keeps its own in user_version.
int SchemaVersion();
// What marks a SQLite file as a store of ours (its application_id).
int64_t StoreApplicationId();

// Brings the file up to SchemaVersion(), one transaction for all steps: after a failure the file is as it
// was. FAILED_PRECONDITION naming the file, both versions and the remedy for a newer schema, or for a
// SQLite file that is not a Precis store.
absl::Status MigrateSchema(Connection& writer, const std::string& path);

}  // namespace precis::server
