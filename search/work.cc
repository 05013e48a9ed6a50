// Sums over what the trunk and the legs will ask of the oracle.
#include "search/work.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "search/anchors.h"
#include "search/progress_meter.h"
#include "search/refinement.h"
#include "search/screening.h"
#include "search/search_loop.h"

namespace precis::search {
namespace {

// Of one thread, fitted to resnet8, resnet20 and a small mobilenet_v2 in training: what products of matrices
// reach, and how many outputs of nodes are quantised, normalised and written meanwhile.
constexpr double kMacsPerSecond = 7e10;
constexpr double kElementsPerSecond = 1.5e9;

double SecondsOfPass(const ModelGraph& graph) {
  double elements = 0;
  for (const Node& node : graph.nodes()) {
    elements += static_cast<double>(
        std::accumulate(node.shape.begin(), node.shape.end(), int64_t{1}, std::multiplies<>()));
  }
  return static_cast<double>(TotalMacs(graph)) / kMacsPerSecond + elements / kElementsPerSecond;
}

double RefinementPasses(const Plan& plan, double share_of_search) {
  if (plan.spec.controller.algorithm != Algorithm::kPrecis) return 0;
  const double rounds = std::ceil(share_of_search * static_cast<double>(plan.spec.controller.refinements));
  return rounds * static_cast<double>(plan.targets.size()) * Refinement::ImagesOf(plan);
}

// With an elastic network: architectures measured whole for every target, and what is around the best.
double AnchorPasses(const Plan& plan) {
  if (plan.network == nullptr) return 0;
  const auto anchors = static_cast<double>((kAnchors + 1) * plan.spec.controller.screening_images);
  return static_cast<double>(plan.targets.size()) * (anchors + Refinement::ImagesOf(plan));
}

double PassesOfTrunk(const Plan& plan, int64_t step) {
  const ProgressMeter meter(plan);
  const Family family = FamilyOf(plan.spec.controller.algorithm);
  const int64_t left = plan.search_steps - step;
  double measured = 0;
  if (family == Family::kPopulation) {
    measured = static_cast<double>(Evaluations(plan) * plan.spec.controller.screening_images);
  } else if (step <= plan.warmup_steps || plan.spec.controller.algorithm == Algorithm::kSensitivity) {
    measured = Screening::ImagesOf(plan);
    if (plan.spec.controller.algorithm == Algorithm::kPrecis) measured += AnchorPasses(plan);
  }
  const auto after_warmup = static_cast<double>(std::max<int64_t>(plan.search_steps - plan.warmup_steps, 1));
  measured += RefinementPasses(plan, std::min(1.0, static_cast<double>(left) / after_warmup));
  const double probe = family == Family::kPolicy ? meter.probe_images() : 0;
  return static_cast<double>(left) * (meter.step_images() + probe) + measured;
}

}  // namespace

int64_t Evaluations(const Plan& plan) {
  const int64_t asked = plan.spec.controller.evaluations;
  const int64_t images = plan.spec.controller.screening_images;
  if (asked > 0 || images == 0) return asked;
  const auto rounds =
      static_cast<double>(plan.spec.controller.refinements) * static_cast<double>(plan.targets.size());
  const double all = Screening::ImagesOf(plan) + AnchorPasses(plan) + rounds * Refinement::ImagesOf(plan);
  return static_cast<int64_t>(all / static_cast<double>(images));
}

double PassesToFreeze(const Plan& plan, int64_t step) {
  const ProgressMeter meter(plan);
  const auto steps = static_cast<double>(plan.search_steps - step);
  const double provisional =
      plan.spec.finish.sampled_candidates == 0 || plan.search_steps == 0
          ? 0
          : std::floor(steps * kProvisionalIntervals / static_cast<double>(plan.search_steps));
  const auto at_freeze = static_cast<double>(plan.references.size() + 2 + kFreezeSamples);
  return PassesOfTrunk(plan, step) + (provisional + at_freeze) * meter.evaluation_images(false);
}

double PassesAfterFreeze(const Plan& plan, size_t target, int64_t step) {
  const ProgressMeter meter(plan);
  const auto legs = static_cast<double>(plan.targets.size() - target);
  const auto references = static_cast<double>(plan.references.size());
  const auto sampled = static_cast<double>(plan.spec.finish.sampled_candidates);
  const double steps = static_cast<double>(plan.total_steps - step) * meter.step_images();
  if (plan.targets.size() > 1) {
    const auto measured = static_cast<double>(kLegProposals + kLegReferences + 1);
    return steps + (legs * measured + references) * meter.evaluation_images(false) +
           (legs + 1) * meter.evaluation_images(true);
  }
  return steps + (references + sampled + 3) * meter.evaluation_images(false) +
         (references + 2) * meter.evaluation_images(true);
}

WorkEstimate EstimateWork(const Plan& plan, int threads) {
  WorkEstimate work;
  const double passes = PassesToFreeze(plan, 0) + PassesAfterFreeze(plan, 0, plan.search_steps);
  work.images_trained = plan.total_steps * plan.spec.training.batch_size;
  work.images_evaluated = std::llround(passes) - 3 * work.images_trained;
  work.seconds = passes * SecondsOfPass(plan.graph) / threads;
  return work;
}

}  // namespace precis::search
