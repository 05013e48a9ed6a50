// Exporters: a chosen candidate becomes files that other tools read.
//
// Threading: pure functions.
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
  // The final shared weights. Its metadata "pixel_mean" and "pixel_stddev" (decimals separated by commas,
  // one a channel, of pixels scaled to 0…1) say how images are normalised, where they are there.
  const WeightFile* weights = nullptr;
  // Where the weights are, for the reader of the export; both "" where there is no file to point at.
  std::string weights_file_name;  // without folders: "jobs-abc.safetensors"
  std::string weights_sha256;     // lower-case hex, of the file
  std::string job_name;           // "jobs/…"
  // Where plan's graph and layers are those of another architecture than the network's own: what differs, as
  // ElasticNetwork::Describe.
  std::string architecture = {};
  std::string server_version;
  std::string worker_version;
};

struct ExportFormat {
  std::string name;         // "json"
  std::string description;  // one line
  std::string file_suffix;  // ".json"
};
const std::vector<ExportFormat>& ExportFormats();

// The bytes of the export. The same input gives the same bytes. INVALID_ARGUMENT with a did-you-mean for
// an unknown format; FAILED_PRECONDITION, naming the layer, if the format cannot express it or its
// calibrated range is not a finite number; DATA_LOSS, naming the tensor, if the weights do not fit the plan.
absl::StatusOr<std::string> ExportCandidate(const std::string& format, const ExportInput& input);

}  // namespace precis::server
