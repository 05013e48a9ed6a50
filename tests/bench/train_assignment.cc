// Trains one fixed assignment from scratch and prints its accuracies as JSON: the yardstick for a search,
// which must do as well without retraining. Everything but the assignment is as in a job of the same
// options (same data split, same schedule, same seed derivation).
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "search/job_spec.h"
#include "search/plan.h"
#include "supernet/data/dataset.h"
#include "supernet/execution/oracle_factory.h"
#include "supernet/graph/assignment.h"

namespace {

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "train_assignment: %s\n", std::string(status.message()).c_str());
  return 1;
}

nlohmann::ordered_json ToJson(const precis::Quality& quality) {
  return {{"accuracy", quality.accuracy}, {"loss", quality.loss}, {"images", quality.images}};
}

}  // namespace

int main(int argc, char** argv) {
  precis::search::JobSpec spec;
  spec.model.name = "resnet8";
  spec.data.name = "fashion_mnist";
  spec.space.formats = {"int8"};
  spec.cost.target = "1x int8";
  std::string assignment_text;

  CLI::App app("Trains one assignment from scratch.");
  app.add_option("--assignment", assignment_text, "Formats, one a layer: int8,int4,…; one alone is uniform")
      ->required();
  app.add_option("--model", spec.model.name)->capture_default_str();
  app.add_option("--dataset", spec.data.name)->capture_default_str();
  app.add_option("--path", spec.data.path, "Folder of the data set; default: Debian's");
  app.add_option("--epochs", spec.epochs)->capture_default_str();
  app.add_option("--batch-size", spec.training.batch_size)->capture_default_str();
  app.add_option("--learning-rate", spec.training.learning_rate)->capture_default_str();
  app.add_option("--seed", spec.seed)->capture_default_str();
  app.add_option("--threads", spec.training.threads)->capture_default_str();
  const std::map<std::string, precis::RangeRule> rules = {
      {"max_abs", precis::RangeRule::kMaxAbs},
      {"percentile", precis::RangeRule::kPercentile},
      {"mean_square_error", precis::RangeRule::kMeanSquareError},
      {"moving_average", precis::RangeRule::kMovingAverage},
      {"learned", precis::RangeRule::kLearned}};
  precis::RangeOptions& ranges = spec.training.ranges;
  app.add_option("--weight-range", ranges.weights)->transform(CLI::CheckedTransformer(rules));
  app.add_option("--activation-range", ranges.activations)->transform(CLI::CheckedTransformer(rules));
  app.add_option("--percentile", ranges.percentile)->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  const precis::search::CompiledPlan compiled = precis::search::CompilePlan(spec, precis::Datasets());
  for (const precis::search::Violation& violation : compiled.violations) {
    std::fprintf(stderr, "train_assignment: %s: %s\n", violation.field.c_str(), violation.message.c_str());
  }
  if (compiled.plan == nullptr) return 1;
  const precis::search::Plan& plan = *compiled.plan;

  absl::StatusOr<precis::Assignment> assignment = precis::ParseAssignment(assignment_text);
  if (!assignment.ok()) return Fail(assignment.status());
  if (assignment->layers.size() == 1) {
    assignment->layers.resize(plan.layers.size(), assignment->layers.front());
  }
  if (assignment->layers.size() != plan.layers.size()) {
    return Fail(absl::InvalidArgumentError("--assignment names " + std::to_string(assignment->layers.size()) +
                                           " layers; " + spec.model.name + " has " +
                                           std::to_string(plan.layers.size())));
  }

  absl::StatusOr<precis::Dataset> dataset = precis::LoadDataset(plan.dataset, spec.data.path);
  if (!dataset.ok()) return Fail(dataset.status());
  precis::OracleOptions options{plan.spec.training, plan.spec.data.search_images};
  absl::StatusOr<std::unique_ptr<precis::Oracle>> oracle =
      precis::MakeSupernetOracle(plan.graph, *std::move(dataset), options);
  if (!oracle.ok()) return Fail(oracle.status());

  for (int64_t step = 0; step < plan.total_steps; ++step) {
    absl::StatusOr<precis::StepOutcome> outcome = (*oracle)->TrainStep(*assignment);
    if (!outcome.ok()) return Fail(outcome.status());
    if (step % 50 == 0)
      std::fprintf(stderr, "step %ld/%ld loss %.4f\n", step, plan.total_steps, outcome->loss);
  }
  absl::StatusOr<precis::Evaluation> search = (*oracle)->Evaluate(*assignment, precis::Split::kSearch);
  if (!search.ok()) return Fail(search.status());
  absl::StatusOr<precis::Evaluation> test = (*oracle)->Evaluate(*assignment, precis::Split::kTest);
  if (!test.ok()) return Fail(test.status());
  const nlohmann::ordered_json result = {{"assignment", precis::AssignmentText(*assignment)},
                                         {"seed", spec.seed},
                                         {"steps", plan.total_steps},
                                         {"search", ToJson(search->quality)},
                                         {"test", ToJson(test->quality)}};
  std::printf("%s\n", result.dump().c_str());
  return 0;
}
