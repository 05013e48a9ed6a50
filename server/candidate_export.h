// Gathers what an exporter needs and runs it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "server/job_files.h"
#include "server/store/store.h"

namespace precis::server {

struct ExportedFile {
  int64_t candidate_number = 0;
  std::string bytes;
  std::string suggested_name;  // "resnet8-01jd8x5k3mq7-3.json"
};

// `number` 0: the job's final candidate. NOT_FOUND for an unknown candidate; FAILED_PRECONDITION unless the
// job has succeeded, or if it was planned by another version; ReadWeightFile's and the exporter's errors.
absl::StatusOr<ExportedFile> ExportFromStore(Store& store, const JobFiles& files, const JobRecord& job,
                                             int64_t number, const std::string& format);

}  // namespace precis::server
