// The calls about fronts and choices.
#include "server/candidate_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "search/cost/target.h"
#include "search/pareto.h"
#include "server/candidate_listing.h"
#include "server/convert.h"
#include "server/convert_status.h"
#include "server/job_check.h"
#include "server/job_state.h"
#include "server/resource_name.h"
#include "server/search_service.h"
#include "supernet/formats/check.h"

namespace precis::server {
namespace {

// The larger, the better.
auto Rank(const search::Candidate& candidate, size_t cost) {
  const double loss =
      std::isnan(candidate.search.loss) ? std::numeric_limits<double>::infinity() : candidate.search.loss;
  return std::tuple(candidate.search.accuracy, -loss, -candidate.costs[cost], -candidate.number);
}

absl::Status CheckRange(const char* field, double value, bool allowed, const char* what) {
  if (allowed) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, " is not allowed: give ", what, "."));
}

absl::Status CheckFrontRequest(const v1::GetParetoFrontRequest& request) {
  const double points = request.within_points(), cost = request.reference_cost();
  const double accuracy = request.reference_accuracy();
  absl::Status status = CheckRange("within_points", points, points >= 0 && points <= 100,
                                   "percentage points of accuracy from 0 to 100");
  if (status.ok() && request.has_reference_cost()) {
    status = CheckRange("reference_cost", cost, cost > 0 && std::isfinite(cost), "a finite cost above 0");
  }
  if (status.ok()) {
    status = CheckRange("reference_accuracy", accuracy, accuracy >= 0 && accuracy < 1,
                        "a share from 0 up to but not including 1");
  }
  return status;
}

}  // namespace

absl::StatusOr<double> ResolveTargetOf(const JobRecord& job, const JobFiles& files, int64_t cost_index,
                                       const std::string& text) {
  const auto index = static_cast<size_t>(cost_index);
  const std::string& metric = job.plan.cost_names[index];
  const absl::StatusOr<search::Target> target = search::ParseTarget(text, metric, job.plan.cost_units[index]);
  if (!target.ok()) return absl::InvalidArgumentError(absl::StrCat("target: ", target.status().message()));
  if (!target->relative_to) return target->amount;
  const absl::StatusOr<std::shared_ptr<const search::Plan>> plan = RecompilePlan(job, files);
  if (!plan.ok()) return plan.status();
  const search::CostModel& model = *(*plan)->costs[index];
  PRECIS_CHECK(model.name() == metric);
  const size_t layers = (*plan)->layers.size();
  if (absl::Status status = search::CheckTarget(*target, model, layers); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("target: ", status.message()));
  }
  return search::ResolveTarget(*target, model, layers);
}

Choice ChooseWithin(const std::vector<search::Candidate>& candidates, const PlanSummary& plan,
                    int64_t cost_index, double target) {
  const auto index = static_cast<size_t>(cost_index);
  Choice choice;
  for (const search::Candidate& candidate : candidates) {
    bool within = true;
    for (size_t i = 0; i < plan.cost_limits.size(); ++i) {
      const bool replaced = i == index || static_cast<int64_t>(i) == plan.constrained;
      within = within && (replaced || candidate.costs[i] <= plan.cost_limits[i].value_or(HUGE_VAL));
    }
    if (!within) continue;
    const double cost = candidate.costs[index];
    search::CostRange range = choice.measured.value_or(search::CostRange{cost, cost});
    range.min = std::min(range.min, cost);
    range.max = std::max(range.max, cost);
    choice.measured = range;
    if (cost > target) continue;
    if (!choice.candidate || Rank(candidate, index) > Rank(*choice.candidate, index)) {
      choice.candidate = candidate;
    }
  }
  return choice;
}

grpc::Status SearchServiceImpl::GetParetoFront(grpc::ServerContext* /*context*/,
                                               const v1::GetParetoFrontRequest* request,
                                               v1::GetParetoFrontResponse* response) {
  if (absl::Status status = CheckFrontRequest(*request); !status.ok()) return ToGrpcStatus(status);
  absl::StatusOr<JobRecord> job = FindJob(request->parent(), "parent");
  if (!job.ok()) return ToGrpcStatus(job.status());
  absl::StatusOr<int64_t> metric = FindMetric(request->metric(), job->plan);
  if (!metric.ok()) return ToGrpcStatus(metric.status());
  const absl::StatusOr<JobFront> front = fronts_->Front(job->id, *metric, request->feasible_only());
  if (!front.ok()) return ToGrpcStatus(front.status());
  response->set_metric(job->plan.cost_names[static_cast<size_t>(*metric)]);

  search::ParetoPoint reference = {request->reference_cost(), request->reference_accuracy()};
  if (!request->has_reference_cost()) reference.cost = front->dearest;
  // Hypervolume, knee and what is cheapest near the best are decided on the front alone.
  std::vector<search::ParetoPoint> points;
  const std::shared_ptr<const ElasticNetwork> network = NetworkOf(*job);
  for (const FrontPoint& point : front->points) points.push_back({point.cost, point.accuracy});
  for (const search::Candidate& candidate : *front->candidates)
    *response->add_candidates() = CandidateToWire(job->id, job->plan, candidate, network.get());
  const double rectangle = reference.cost * (1 - reference.quality);
  response->set_hypervolume(rectangle > 0 ? search::Hypervolume(points, reference) / rectangle : 0);
  response->set_reference_cost(reference.cost);
  response->set_reference_accuracy(reference.quality);
  const auto name = [&](std::optional<size_t> index) {
    return index ? CandidateResourceName(job->id, front->points[*index].number) : "";
  };
  response->set_knee(name(search::KneePoint(points)));
  if (request->has_within_points()) {
    // Accuracies are shares of images: what is off by rounding alone is within.
    response->set_cheapest_within(
        name(search::CheapestWithin(points, request->within_points() / 100 + 1e-12)));
  }
  return grpc::Status::OK;
}

grpc::Status SearchServiceImpl::ChooseCandidate(grpc::ServerContext* /*context*/,
                                                const v1::ChooseCandidateRequest* request,
                                                v1::ChooseCandidateResponse* response) {
  absl::StatusOr<JobRecord> job = FindJob(request->parent(), "parent");
  if (!job.ok()) return ToGrpcStatus(job.status());
  absl::StatusOr<int64_t> metric = FindMetric(request->metric(), job->plan);
  if (!metric.ok()) return ToGrpcStatus(metric.status());
  if (job->state != JobState::kSucceeded) {
    return ToGrpcStatus(absl::FailedPreconditionError(
        absl::StrCat("job ", job->id, " is ", JobStateName(job->state),
                     ". Only among candidates of a job that has SUCCEEDED can be chosen: they compare.")));
  }
  const absl::StatusOr<double> target = ResolveTargetOf(*job, files_, *metric, request->target());
  if (!target.ok()) return ToGrpcStatus(target.status());
  const absl::StatusOr<std::vector<search::Candidate>> all = AllCandidates(*store_, job->id, false);
  if (!all.ok()) return ToGrpcStatus(all.status());
  const Choice choice = ChooseWithin(*all, job->plan, *metric, *target);
  if (choice.candidate) {
    *response->mutable_candidate() =
        CandidateToWire(job->id, job->plan, *choice.candidate, NetworkOf(*job).get());
  }
  response->set_metric(job->plan.cost_names[static_cast<size_t>(*metric)]);
  response->set_unit(job->plan.cost_units[static_cast<size_t>(*metric)]);
  response->set_target(*target);
  if (choice.measured) {
    response->set_measured_min(choice.measured->min);
    response->set_measured_max(choice.measured->max);
  }
  return grpc::Status::OK;
}

}  // namespace precis::server
