// From a submitted spec to a job that can be stored, or to everything that is wrong with it.
//
// Threading: pure but for reading the headers of the data files and the model. Takes milliseconds, with a
// large model longer.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "precis/v1/search_service.pb.h"
#include "search/plan.h"
#include "search/violation.h"
#include "server/data_roots.h"
#include "server/job_files.h"
#include "server/store/records.h"

namespace precis::server {

// Either a record (spec, digest, display name, request id and plan; no id, no times) or violations, all of
// them at once: unknown enum values, everything CompilePlan finds, paths outside the roots, data files that
// are missing or wrong, a model that cannot be read or does not fit.
struct CheckedJob {
  JobRecord record;
  std::string model_bytes;  // the copy of its model to keep; empty: it has none from a file
  search::Violations violations;
  std::shared_ptr<const search::Plan> plan;  // null if there are any
};
CheckedJob CheckJob(const v1::SubmitJobRequest& request, const DataRoots& roots = {});

PlanSummary SummarizePlan(const search::Plan& plan);

// Works the job out again. FAILED_PRECONDITION if this program arrives at another plan than the one that
// accepted the job; ReadKeptModel's errors.
absl::StatusOr<std::shared_ptr<const search::Plan>> RecompilePlan(const JobRecord& job,
                                                                  const JobFiles& files);

// The elastic network of a job that searches architectures, null for all others. Remembers the last few.
// Thread-safe.
std::shared_ptr<const ElasticNetwork> NetworkOf(const JobRecord& job);

}  // namespace precis::server
