// Jobs, candidates, events and catalogues to the wire.
#include <algorithm>
#include <thread>

#include "search/work.h"
#include "server/convert.h"
#include "server/convert_common.h"
#include "server/convert_enum.h"
#include "server/job_check.h"
#include "server/resource_name.h"

namespace precis::server {
namespace {

constexpr EnumRow<v1::Job::State, JobState> kStates[] = {
    {v1::Job::PENDING, JobState::kPending},     {v1::Job::RUNNING, JobState::kRunning},
    {v1::Job::SUCCEEDED, JobState::kSucceeded}, {v1::Job::FAILED, JobState::kFailed},
    {v1::Job::CANCELLED, JobState::kCancelled}, {v1::Job::PAUSED, JobState::kPaused},
};

void SetTime(int64_t us, google::protobuf::Timestamp* time) {
  time->set_seconds(us / 1'000'000);
  time->set_nanos(static_cast<int32_t>(us % 1'000'000) * 1000);
}

v1::JobResult ResultToWire(const JobRecord& job) {
  const search::SearchResult& result = *job.result;
  v1::JobResult wire;
  wire.set_final_candidate(CandidateResourceName(job.id, result.final_candidate));
  *wire.mutable_float_search() = QualityToWire(result.float_search);
  *wire.mutable_float_test() = QualityToWire(result.float_test);
  wire.set_rejected_steps(result.rejected_steps);
  wire.set_mean_entropy(result.policy.mean_entropy);
  wire.set_mean_max_probability(result.policy.mean_max_probability);
  wire.set_worker_version(job.worker_version);
  wire.set_images_trained(result.images_trained);
  wire.set_images_evaluated(result.images_evaluated);
  wire.set_loader_wait_share(result.loader_wait_share);
  wire.set_skipped_images(result.skipped_images);
  return wire;
}

}  // namespace

v1::Job::State JobStateToWire(JobState state) { return ToWire(kStates, state); }

absl::StatusOr<JobState> JobStateFromWire(v1::Job::State state, const std::string& field) {
  if (std::optional<JobState> known = FromWire(kStates, state)) return *known;
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", UnknownEnumText(kStates, state)));
}

v1::Job JobToWire(const JobRecord& job) {
  v1::Job wire;
  if (!job.id.empty()) wire.set_name(JobName(job.id));
  // One that is damaged on disk is shown as missing; who works with it gets DATA_LOSS.
  if (!wire.mutable_spec()->ParseFromString(job.spec)) wire.clear_spec();
  wire.set_state(JobStateToWire(job.state));
  wire.set_error(job.error);
  wire.set_notice(job.notice);
  wire.set_restarts(job.restarts);
  wire.set_pausing(job.pause_requested && job.state == JobState::kRunning);
  *wire.mutable_plan() = PlanToWire(job.plan);
  if (job.started_us != 0) *wire.mutable_progress() = ProgressToWire(job.progress);
  if (job.created_us != 0) SetTime(job.created_us, wire.mutable_create_time());
  if (job.started_us != 0) SetTime(job.started_us, wire.mutable_start_time());
  if (job.ended_us != 0) SetTime(job.ended_us, wire.mutable_end_time());
  if (job.result) *wire.mutable_result() = ResultToWire(job);
  wire.set_request_id(job.request_id);
  return wire;
}

v1::Plan PlanToWire(const PlanSummary& plan) {
  v1::Plan wire;
  wire.set_fingerprint(plan.fingerprint);
  for (size_t i = 0; i < plan.cost_names.size(); ++i) {
    v1::CostMetric& metric = *wire.add_costs();
    metric.set_name(plan.cost_names[i]);
    metric.set_unit(plan.cost_units[i]);
    metric.set_basis(plan.cost_bases[i]);
    metric.set_reachable_min(plan.cost_ranges.at(i).min);
    metric.set_reachable_max(plan.cost_ranges.at(i).max);
    if (plan.cost_limits.at(i)) metric.set_at_most(*plan.cost_limits[i]);
  }
  wire.set_constrained_metric(plan.cost_names.at(static_cast<size_t>(plan.constrained)));
  wire.set_target(plan.target);
  wire.set_reachable_min(plan.cheapest);
  wire.set_reachable_max(plan.dearest);
  wire.set_total_steps(plan.total_steps);
  wire.set_total_macs(plan.total_macs);
  wire.set_parameters(plan.parameters);
  wire.mutable_targets()->Assign(plan.targets.begin(), plan.targets.end());
  return wire;
}

void SpaceToWire(const search::Plan& plan, v1::Plan& wire) {
  wire.set_space_size_log10(search::SpaceSizeLog10(plan.space));
  for (const Decision& decision : plan.space.decisions) {
    v1::DecisionInfo& info = *wire.add_decisions();
    info.set_name(decision.name);
    for (size_t layer : decision.layers) info.add_layers(plan.layers[layer].name);
    info.set_options(static_cast<int64_t>(decision.size()));
  }
}

void WorkToWire(const search::Plan& plan, v1::WorkEstimate& wire) {
  const int asked = plan.spec.training.threads;
  const int threads = asked > 0 ? asked : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const search::WorkEstimate work = search::EstimateWork(plan, threads);
  wire.set_images_trained(work.images_trained);
  wire.set_images_evaluated(work.images_evaluated);
  wire.set_seconds(work.seconds);
  wire.set_threads(threads);
}

v1::Candidate CandidateToWire(const std::string& job_id, const PlanSummary& plan,
                              const search::Candidate& candidate, const ElasticNetwork* network) {
  v1::Candidate wire;
  wire.set_name(CandidateResourceName(job_id, candidate.number));
  wire.set_origin(OriginToWire(candidate.origin));
  wire.set_label(candidate.label);
  wire.set_step(candidate.step);
  if (candidate.sampled_at >= 0) wire.set_sampled_at_step(candidate.sampled_at);
  *wire.mutable_search() = QualityToWire(candidate.search);
  if (candidate.test) *wire.mutable_test() = QualityToWire(*candidate.test);
  for (size_t i = 0; i < candidate.costs.size(); ++i) {
    v1::Cost& cost = *wire.add_costs();
    cost.set_metric(plan.cost_names.at(i));
    cost.set_value(candidate.costs[i]);
    cost.set_unit(plan.cost_units.at(i));
  }
  wire.set_feasible(candidate.feasible);
  std::vector<size_t> shapes(candidate.assignment.layers.size(), 0);
  if (network != nullptr) {
    shapes = network->ShapesOf(candidate.assignment.architecture);
    wire.set_architecture(network->Describe(candidate.assignment.architecture));
  }
  for (size_t i = 0; i < candidate.assignment.layers.size(); ++i) {
    if (shapes[i] == ElasticNetwork::kAbsent) continue;
    v1::LayerFormats& layer = *wire.add_layers();
    layer.set_layer(plan.layer_names.at(i));
    layer.set_weight(FormatName(candidate.assignment.layers[i].weight));
    layer.set_activation(FormatName(candidate.assignment.layers[i].activation));
  }
  return wire;
}

v1::JobEvent EventToWire(const JobRecord& job, const Event& event, const search::Candidate* candidate) {
  v1::JobEvent wire;
  wire.set_number(event.number);
  SetTime(event.time_us, wire.mutable_time());
  switch (event.kind) {
    case Event::Kind::kState:
      wire.mutable_state_change()->set_state(JobStateToWire(event.state));
      if (event.state == JobState::kFailed) {
        wire.mutable_state_change()->set_error(event.message);
      } else {
        wire.mutable_state_change()->set_notice(event.message);
      }
      break;
    case Event::Kind::kProgress:
      *wire.mutable_progress() = ProgressToWire(event.progress);
      break;
    case Event::Kind::kCandidate:
      PRECIS_CHECK(candidate != nullptr);
      *wire.mutable_candidate() = CandidateToWire(job.id, job.plan, *candidate, NetworkOf(job).get());
      break;
  }
  return wire;
}

v1::InvalidArgument ViolationsToWire(const search::Violations& violations) {
  v1::InvalidArgument wire;
  for (const search::Violation& violation : violations) {
    v1::FieldViolation& each = *wire.add_violations();
    each.set_field(violation.field);
    each.set_message(violation.message);
  }
  return wire;
}

v1::FormatInfo FormatToWire(const Format& format) {
  v1::FormatInfo wire;
  wire.set_name(FormatName(format));
  wire.set_bits(format.element.bits);
  wire.set_max_finite(MaxFinite(format.element));
  wire.set_smallest_step(SmallestStep(format.element));
  wire.set_has_nan(HasNan(format.element));
  wire.set_has_infinity(HasInfinity(format.element));
  wire.set_description(DescribeFormat(format));
  return wire;
}

v1::DatasetInfo DatasetToWire(const DatasetInfo& dataset) {
  v1::DatasetInfo wire;
  wire.set_name(dataset.name);
  wire.set_description(dataset.description);
  wire.set_channels(dataset.channels);
  wire.set_height(dataset.height);
  wire.set_width(dataset.width);
  wire.set_classes(dataset.classes);
  wire.set_train_images(dataset.train_images);
  wire.set_test_images(dataset.test_images);
  return wire;
}

}  // namespace precis::server
