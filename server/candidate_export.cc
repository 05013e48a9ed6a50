// The export call.
#include "server/candidate_export.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/candidate_listing.h"
#include "server/convert_status.h"
#include "server/digest.h"
#include "server/export/exporter.h"
#include "server/job_check.h"
#include "server/job_state.h"
#include "server/resource_name.h"
#include "server/search_service.h"
#include "supernet/graph/weight_file.h"

namespace precis::server {
namespace {

constexpr size_t kChunkBytes = 64 * 1024;

std::string SuffixOf(const std::string& format) {
  for (const ExportFormat& each : ExportFormats()) {
    if (each.name == format) return each.file_suffix;
  }
  return "";
}

// The weights that are kept are those of one architecture.
absl::Status CheckArchitecture(const WeightFile& weights, const ElasticNetwork& network,
                               const search::Candidate& candidate, int64_t number) {
  const auto kept = weights.metadata.find("architecture");
  if (kept == weights.metadata.end() || kept->second == network.Describe(candidate.assignment.architecture)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("candidate ", number,
                   " has another architecture than the answer, and weights are kept of the "
                   "answer's alone: export the answer, or submit a job without space.architecture."));
}

// Against what was recorded when the job succeeded, if it was.
absl::Status CheckUnchanged(const JobRecord& job, const std::string& path, const std::string& sha256) {
  const std::string name = std::filesystem::path(path).filename().string();
  const auto known =
      std::ranges::find_if(job.files, [&](const FileRecord& file) { return file.name == name; });
  if (known == job.files.end() || known->sha256 == sha256) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(path, " has changed since the job succeeded. Restore it from a backup."));
}

// Weights that were rounded, or biases that were corrected, for one configuration are of no use to another.
absl::Status CheckTuned(const search::Plan& plan, const search::Candidate& candidate) {
  const bool tuned = plan.spec.model.start == search::Start::kPostTraining &&
                     plan.spec.post_training.rewriting.DependsOnFormats();
  if (!tuned || candidate.origin == search::Origin::kFinal) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "candidate ", candidate.number,
      " is no answer, and with post_training.techniques weights are kept of answers alone, since "
      "they are rounded or corrected for each configuration: export an answer, or submit a job "
      "whose cost.targets have one of this cost."));
}

}  // namespace

absl::StatusOr<ExportedFile> ExportFromStore(Store& store, const JobFiles& files, const JobRecord& job,
                                             int64_t number, const std::string& format) {
  if (job.state != JobState::kSucceeded || !job.result) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", job.id, " is ", JobStateName(job.state),
                     ". Only candidates of a job that has SUCCEEDED can be exported."));
  }
  if (number == 0) number = job.result->final_candidate;
  absl::StatusOr<std::vector<search::Candidate>> candidates = AllCandidates(store, job.id, false);
  if (!candidates.ok()) return candidates.status();
  const auto chosen = std::find_if(candidates->begin(), candidates->end(),
                                   [&](const search::Candidate& each) { return each.number == number; });
  if (chosen == candidates->end()) {
    return absl::NotFoundError(absl::StrCat("job ", job.id, " has no candidate ", number));
  }
  absl::StatusOr<std::shared_ptr<const search::Plan>> plan = RecompilePlan(job, files);
  if (!plan.ok()) return plan.status();
  if (absl::Status tuned = CheckTuned(**plan, *chosen); !tuned.ok()) return tuned;
  // Answers for several targets have weights of their own; all else was measured under the last.
  const bool has_own = job.plan.targets.size() > 1 && chosen->origin == search::Origin::kFinal;
  const std::string weights_path =
      has_own ? files.AnswerWeightsPath(job.id, number) : files.WeightsPath(job.id);
  absl::StatusOr<WeightFile> weights = ReadWeightFile(weights_path);
  if (!weights.ok()) return weights.status();

  absl::StatusOr<std::string> weights_sha256 = Sha256HexOfFile(weights_path);
  if (!weights_sha256.ok()) return weights_sha256.status();
  if (absl::Status same = CheckUnchanged(job, weights_path, *weights_sha256); !same.ok()) return same;

  // Of a network that is cut out of a larger one nothing else is exported.
  search::Plan cut_plan = **plan;
  search::Candidate cut = *chosen;
  if (cut_plan.network != nullptr) {
    if (absl::Status fits = CheckArchitecture(*weights, *cut_plan.network, *chosen, number); !fits.ok())
      return fits;
    cut_plan.graph = cut_plan.GraphOf(cut.assignment.architecture);
    cut_plan.layers = cut_plan.graph.Layers();
    cut.assignment = cut_plan.network->CutOut(cut.assignment);
  }

  ExportInput input;
  input.plan = &cut_plan;
  input.candidate = &cut;
  if (cut_plan.network != nullptr)
    input.architecture = cut_plan.network->Describe(chosen->assignment.architecture);
  input.result = *job.result;
  input.weights = &*weights;
  input.weights_file_name = std::filesystem::path(weights_path).filename().string();
  input.weights_sha256 = *std::move(weights_sha256);
  input.job_name = JobName(job.id);
  input.server_version = PRECIS_VERSION;
  input.worker_version = job.worker_version;
  // By assignment, since a reference may have become the final choice.
  const auto is_reference = [&](const search::Candidate& each) {
    return std::any_of((*plan)->references.begin(), (*plan)->references.end(),
                       [&](const search::Reference& known) { return known.assignment == each.assignment; });
  };
  std::copy_if(candidates->begin(), candidates->end(), std::back_inserter(input.references), is_reference);
  absl::StatusOr<std::string> bytes = ExportCandidate(format, input);
  if (!bytes.ok()) return bytes.status();
  const std::string stem = absl::StrCat((*plan)->graph.name(), "-", job.id, "-", number);
  return ExportedFile{.candidate_number = number,
                      .bytes = *std::move(bytes),
                      .suggested_name = absl::StrCat(stem, SuffixOf(format))};
}

grpc::Status SearchServiceImpl::ExportCandidate(grpc::ServerContext* /*context*/,
                                                const v1::ExportCandidateRequest* request,
                                                grpc::ServerWriter<v1::ExportCandidateResponse>* writer) {
  CandidateName name;
  if (absl::StatusOr<std::string> job_id = ParseJobName(request->name(), "name"); job_id.ok()) {
    name.job_id = *job_id;
  } else {
    absl::StatusOr<CandidateName> candidate = ParseCandidateName(request->name(), "name");
    if (!candidate.ok()) return ToGrpcStatus(candidate.status());
    name = *candidate;
  }
  absl::StatusOr<JobRecord> job = FindJob(JobName(name.job_id), "name");
  if (!job.ok()) return ToGrpcStatus(job.status());
  const std::string format = request->format().empty() ? "json" : request->format();
  absl::StatusOr<ExportedFile> file = ExportFromStore(*store_, files_, *job, name.number, format);
  if (!file.ok()) return ToGrpcStatus(file.status());

  v1::ExportCandidateResponse response;
  v1::ExportMetadata& metadata = *response.mutable_metadata();
  metadata.set_candidate(CandidateResourceName(job->id, file->candidate_number));
  metadata.set_size_bytes(static_cast<int64_t>(file->bytes.size()));
  metadata.set_sha256(Sha256Hex(file->bytes));
  metadata.set_suggested_file_name(file->suggested_name);
  if (!writer->Write(response)) return grpc::Status::CANCELLED;
  for (size_t begin = 0; begin < file->bytes.size(); begin += kChunkBytes) {
    response.set_chunk(file->bytes.substr(begin, kChunkBytes));
    if (!writer->Write(response)) return grpc::Status::CANCELLED;
  }
  return grpc::Status::OK;
}

}  // namespace precis::server
