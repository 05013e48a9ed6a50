// Exporters: a chosen candidate becomes files that other tools read.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "search/candidate.h"
#include "search/plan.h"
#include "search/search_loop.h"
#include "supernet/graph/weight_file.h"

namespace precis::server {

struct ExportInput {
  const search::Plan* plan = nullptr;
  const search::Candidate* candidate = nullptr;
  std::vector<search::Candidate> references;  // for accuracy: the uniform ones and the hand rules
  search::SearchResult result;
  const WeightFile* weights = nullptr;  // the final shared weights
  std::string job_name;                 // "jobs/…"
  std::string server_version;
  std::string worker_version;
};

struct ExportFormat {
  std::string name;         // "json"
  std::string description;  // one line
};
const std::vector<ExportFormat>& ExportFormats();

// The bytes of the export. The same input gives the same bytes. INVALID_ARGUMENT with a did-you-mean for
// an unknown format; FAILED_PRECONDITION, naming the layer, if the format cannot express it.
absl::StatusOr<std::string> ExportCandidate(const std::string& format, const ExportInput& input);

}  // namespace precis::server
