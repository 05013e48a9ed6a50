// What workers report, to and from the wire.
#include "server/convert.h"
#include "server/convert_common.h"
#include "server/convert_enum.h"

namespace precis::server {
namespace {

constexpr EnumRow<v1::Phase, search::Phase> kPhases[] = {
    {v1::PHASE_PREPARE, search::Phase::kPrepare}, {v1::PHASE_WARMUP, search::Phase::kWarmup},
    {v1::PHASE_SEARCH, search::Phase::kSearch},   {v1::PHASE_FREEZE, search::Phase::kFreeze},
    {v1::PHASE_FROZEN, search::Phase::kFrozen},   {v1::PHASE_FINISH, search::Phase::kFinish},
};

}  // namespace

v1::Progress ProgressToWire(const search::Progress& progress) {
  v1::Progress wire;
  wire.set_phase(ToWire(kPhases, progress.phase));
  wire.set_step(progress.step);
  wire.set_total_steps(progress.total_steps);
  wire.set_fraction(progress.fraction);
  wire.set_loss(progress.loss);
  wire.set_train_accuracy(progress.train_accuracy);
  wire.set_reward(progress.reward);
  wire.set_cost(progress.cost);
  wire.set_mean_entropy(progress.mean_entropy);
  wire.set_mean_max_probability(progress.mean_max_probability);
  wire.set_rejected_steps(progress.rejected_steps);
  wire.set_images_per_second(progress.images_per_second);
  wire.set_loader_wait_share(progress.loader_wait_share);
  return wire;
}

absl::StatusOr<search::Progress> ProgressFromWire(const v1::Progress& wire) {
  const std::optional<search::Phase> phase = FromWire(kPhases, wire.phase());
  if (!phase) {
    return absl::InvalidArgumentError(
        absl::StrCat("progress.phase: ", UnknownEnumText(kPhases, wire.phase())));
  }
  search::Progress progress;
  progress.phase = *phase;
  progress.step = wire.step();
  progress.total_steps = wire.total_steps();
  progress.fraction = wire.fraction();
  progress.loss = wire.loss();
  progress.train_accuracy = wire.train_accuracy();
  progress.reward = wire.reward();
  progress.cost = wire.cost();
  progress.mean_entropy = wire.mean_entropy();
  progress.mean_max_probability = wire.mean_max_probability();
  progress.rejected_steps = wire.rejected_steps();
  progress.images_per_second = wire.images_per_second();
  progress.loader_wait_share = wire.loader_wait_share();
  return progress;
}

v1::WorkerCandidate WorkerCandidateToWire(const search::Candidate& candidate) {
  v1::WorkerCandidate wire;
  wire.set_number(candidate.number);
  wire.set_assignment(AssignmentText(candidate.assignment));
  wire.set_origin(OriginToWire(candidate.origin));
  wire.set_label(candidate.label);
  wire.set_step(candidate.step);
  if (candidate.sampled_at >= 0) wire.set_sampled_at_step(candidate.sampled_at);
  *wire.mutable_search() = QualityToWire(candidate.search);
  if (candidate.test) *wire.mutable_test() = QualityToWire(*candidate.test);
  wire.mutable_costs()->Assign(candidate.costs.begin(), candidate.costs.end());
  wire.set_feasible(candidate.feasible);
  for (const ActivationRange& range : candidate.activation_ranges) {
    wire.add_activation_low(range.low);
    wire.add_activation_high(range.high);
  }
  return wire;
}

absl::StatusOr<search::Candidate> WorkerCandidateFromWire(const v1::WorkerCandidate& wire) {
  search::Candidate candidate;
  candidate.number = wire.number();
  absl::StatusOr<Assignment> assignment = ParseAssignment(wire.assignment());
  if (!assignment.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("candidate ", wire.number(), ": assignment: ", assignment.status().message()));
  }
  candidate.assignment = *std::move(assignment);
  const std::optional<search::Origin> origin = FromWire(kOrigins, wire.origin());
  if (!origin) {
    return absl::InvalidArgumentError(
        absl::StrCat("candidate ", wire.number(), ": origin ", UnknownEnumText(kOrigins, wire.origin())));
  }
  candidate.origin = *origin;
  candidate.label = wire.label();
  candidate.step = wire.step();
  candidate.sampled_at = wire.has_sampled_at_step() ? wire.sampled_at_step() : -1;
  candidate.search = QualityFromWire(wire.search());
  if (wire.has_test()) candidate.test = QualityFromWire(wire.test());
  candidate.costs.assign(wire.costs().begin(), wire.costs().end());
  candidate.feasible = wire.feasible();
  if (wire.activation_low_size() != wire.activation_high_size()) {
    return absl::InvalidArgumentError(absl::StrCat("candidate ", wire.number(), ": ",
                                                   wire.activation_low_size(), " lower ends of ranges and ",
                                                   wire.activation_high_size(), " upper ones"));
  }
  for (int i = 0; i < wire.activation_low_size(); ++i) {
    candidate.activation_ranges.push_back({wire.activation_low(i), wire.activation_high(i)});
  }
  return candidate;
}

v1::ReportBatchRequest BatchToWire(const std::string& job_id, const WorkerBatch& batch) {
  v1::ReportBatchRequest wire;
  wire.set_job(job_id);
  wire.set_number(batch.number);
  if (batch.progress) *wire.mutable_progress() = ProgressToWire(*batch.progress);
  for (const search::Candidate& candidate : batch.candidates) {
    *wire.add_candidates() = WorkerCandidateToWire(candidate);
  }
  return wire;
}

absl::StatusOr<WorkerBatch> BatchFromWire(const v1::ReportBatchRequest& wire) {
  WorkerBatch batch;
  batch.number = wire.number();
  if (wire.has_progress()) {
    absl::StatusOr<search::Progress> progress = ProgressFromWire(wire.progress());
    if (!progress.ok()) return progress.status();
    batch.progress = *progress;
  }
  for (const v1::WorkerCandidate& each : wire.candidates()) {
    absl::StatusOr<search::Candidate> candidate = WorkerCandidateFromWire(each);
    if (!candidate.ok()) return candidate.status();
    batch.candidates.push_back(*std::move(candidate));
  }
  return batch;
}

v1::WorkerResult WorkerResultToWire(const search::SearchResult& result) {
  v1::WorkerResult wire;
  wire.set_final_candidate(result.final_candidate);
  *wire.mutable_float_search() = QualityToWire(result.float_search);
  *wire.mutable_float_test() = QualityToWire(result.float_test);
  wire.set_rejected_steps(result.rejected_steps);
  wire.set_mean_entropy(result.policy.mean_entropy);
  wire.set_mean_max_probability(result.policy.mean_max_probability);
  wire.set_images_trained(result.images_trained);
  wire.set_images_evaluated(result.images_evaluated);
  wire.set_loader_wait_share(result.loader_wait_share);
  wire.set_skipped_images(result.skipped_images);
  return wire;
}

absl::StatusOr<search::SearchResult> WorkerResultFromWire(const v1::WorkerResult& wire) {
  if (wire.final_candidate() < 1) {
    return absl::InvalidArgumentError(absl::StrCat("result.final_candidate is ", wire.final_candidate(),
                                                   ": candidates are numbered from 1"));
  }
  search::SearchResult result;
  result.final_candidate = wire.final_candidate();
  result.float_search = QualityFromWire(wire.float_search());
  result.float_test = QualityFromWire(wire.float_test());
  result.rejected_steps = wire.rejected_steps();
  result.policy.mean_entropy = wire.mean_entropy();
  result.policy.mean_max_probability = wire.mean_max_probability();
  result.images_trained = wire.images_trained();
  result.images_evaluated = wire.images_evaluated();
  result.loader_wait_share = wire.loader_wait_share();
  result.skipped_images = wire.skipped_images();
  return result;
}

}  // namespace precis::server
