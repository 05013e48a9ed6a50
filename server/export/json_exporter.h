// The "json" export: everything about one candidate in one document, after precis-export-v1.schema.json
// (beside this file), which is its manual.
//
// Threading: pure function.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/export/exporter.h"

namespace precis::server {

// Of the schema. Grows by one, with a new schema file, when a reader of the old one could be misled; fields
// may be added without.
inline constexpr int kJsonExportVersion = 1;

// Errors as ExportCandidate.
absl::StatusOr<std::string> ExportJson(const ExportInput& input);

}  // namespace precis::server
