// What can be wrong with a job before its network is built.
#include "search/job_spec.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "search/architecture_check.h"
#include "search/cost_check.h"
#include "search/data_check.h"
#include "search/model_check.h"
#include "search/name_check.h"
#include "search/range_check.h"
#include "supernet/formats/did_you_mean.h"
#include "supernet/formats/format.h"
#include "supernet/graph/assignment.h"

namespace precis::search {
namespace {

constexpr int64_t kMostNameCharacters = 100;
constexpr int64_t kMostPathBytes = 4096;
constexpr int64_t kMostThreads = 1024;

bool HasControlCharacter(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

int64_t CharactersOfUtf8(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

void CheckTexts(const JobSpec& spec, Violations& violations) {
  const int64_t characters = CharactersOfUtf8(spec.display_name);
  if (characters > kMostNameCharacters) {
    violations.push_back({"display_name", absl::StrCat("has ", characters, " characters: at most ",
                                                       kMostNameCharacters, " are allowed. Shorten it.")});
  }
  if (HasControlCharacter(spec.display_name)) {
    violations.push_back(
        {"display_name", "has a control character (a line break or tab, for instance): take it out."});
  }
  if (HasControlCharacter(spec.data.path) || static_cast<int64_t>(spec.data.path.size()) > kMostPathBytes) {
    violations.push_back({"data.path", absl::StrCat("is no path: at most ", kMostPathBytes,
                                                    " bytes without control characters are allowed. Give a "
                                                    "folder, or leave it empty for the default one.")});
  }
}

void CheckRanges(const RangeOptions& ranges, RangeCheck& check, Violations& violations) {
  if (ranges.weights == RangeRule::kMovingAverage) {
    violations.push_back(
        {"ranges.weights",
         "moving_average is for activations, which come in batches: give max_abs, percentile, "
         "mean_square_error or learned."});
  }
  check.Real("ranges.percentile", ranges.percentile, {.above = 50, .most = 100}, "The default is 99.99.");
  check.Real("ranges.momentum", ranges.momentum, {.least = 0, .below = 1}, "The default is 0.9.");
}

void CheckTraining(const JobSpec& spec, int64_t training_images, RangeCheck& check, Violations& violations) {
  const TrainingOptions& t = spec.training;
  const std::string images = absl::StrCat("the data set's training images less data.search_images");
  if (spec.model.start != Start::kPostTraining) {
    check.Real("training.epochs", spec.epochs, {.above = 0, .most = 10000}, "The default is 4.");
  }
  check.Whole("training.batch_size", t.batch_size, 2, std::min<int64_t>(training_images, 65536),
              training_images < 65536 ? images : "", "The default is 128.");
  check.Real("training.learning_rate", t.learning_rate, {.above = 0, .most = 100}, "The default is 0.1.");
  check.Real("training.warmup_share", t.warmup_share, {.least = 0, .below = 1}, "The default is 0.05.");
  check.Real("training.decay_share", t.decay_share, {.above = 0, .most = 1}, "The default is 0.5.");
  check.Real("training.momentum", t.momentum, {.least = 0, .below = 1}, "The default is 0.9.");
  if (t.nesterov && t.momentum == 0) {
    violations.push_back(
        {"training.nesterov",
         "true needs a training.momentum above 0, which is 0: raise it (the default is 0.9), or "
         "set nesterov to false."});
  }
  check.Real("training.weight_decay", t.weight_decay, {.least = 0, .most = 1}, "The default is 0.0005.");
  check.Real("training.label_smoothing", t.label_smoothing, {.least = 0, .below = 1}, "The default is 0.");
  check.Real(
      "training.explosion_factor", t.explosion_factor, {.above = 1, .most = 1e6},
      "Untrained weights have a loss of about 1 time ln(classes), so less would refuse every step; the "
      "default is 4.");
  if (t.gradient_explosion_factor != 0) {
    check.Real("training.gradient_explosion_factor", t.gradient_explosion_factor, {.above = 1, .most = 1e6},
               "0 turns it off; the default is 5.");
  }
  check.Real("training.gradient_clip_norm", t.gradient_clip_norm, {.least = 0, .most = 1e6},
             "0 turns it off; the default is 1.");
  check.Whole("training.recalibration_images", t.recalibration_images, 2, training_images, images,
              "The default is 2048.");
  check.Whole("training.evaluation_batch_size", t.evaluation_batch_size, 1, 65536, "", "The default is 256.");
  check.Whole("threads", t.threads, 0, kMostThreads, "", "0 means all cores.");
}

void CheckController(const ControllerSpec& controller, RangeCheck& check) {
  const ControllerSpec defaults;
  const auto fallback = [](double value) { return absl::StrCat("The default is ", value, "."); };
  check.Real("controller.learning_rate", controller.learning_rate, {.above = 0, .most = 10},
             fallback(defaults.learning_rate));
  check.Real("controller.baseline_momentum", controller.baseline_momentum, {.least = 0, .below = 1},
             fallback(defaults.baseline_momentum));
  check.Real("controller.warmup_share", controller.warmup_share, {.least = 0, .below = 1},
             fallback(defaults.warmup_share));
  check.Real("controller.widest_probability", controller.widest_probability, {.least = 0, .most = 1},
             fallback(defaults.widest_probability));
  check.Real("controller.widest_share", controller.widest_share, {.least = 0, .most = 1},
             fallback(defaults.widest_share));
  check.Real("controller.adam_beta1", controller.adam_beta1, {.least = 0, .below = 1},
             fallback(defaults.adam_beta1));
  check.Whole("controller.refinements", controller.refinements, 0, 100, "",
              absl::StrCat("The default is ", defaults.refinements, "."));
  check.Whole("controller.evaluations", controller.evaluations, 0, 1000000, "",
              "0 means as many as precis would measure.");
  check.Real("controller.entropy_weight", controller.entropy_weight, {.least = 0, .most = 1000},
             fallback(defaults.entropy_weight));
}

void CheckScore(const JobSpec& spec, Violations& violations) {
  const ControllerSpec& controller = spec.controller;
  if (controller.score == OptionScore::kLoss) return;
  const auto refuse = [&](const std::string& why) {
    violations.push_back({"controller.score", absl::StrCat(OptionScoreName(controller.score), " ", why)});
  };
  const Algorithm algorithm = controller.algorithm;
  if (algorithm != Algorithm::kPrecis && algorithm != Algorithm::kSensitivity) {
    refuse(absl::StrCat("is for precis and sensitivity, which solve for what each option does by itself; ",
                        AlgorithmName(algorithm),
                        " does not. Set controller.algorithm to one of these, or leave controller.score "
                        "out."));
    return;
  }
  if (!spec.space.architecture.empty()) {
    refuse(
        "judges formats, and space.architecture offers choices that are none. Use loss, or leave "
        "space.architecture out.");
  }
  if (controller.refinements > 0) {
    refuse(
        "does not compare with the losses that refinements measure. Use loss, or set "
        "controller.refinements to 0.");
  }
  if (controller.screening_images == 0) {
    refuse(absl::StrCat("is measured on controller.screening_images, which are 0. Give some; the default is ",
                        ControllerSpec().screening_images, "."));
  }
}

void CheckSchedule(const JobSpec& spec, const DatasetInfo& dataset, Violations& violations) {
  if (spec.model.start == Start::kPostTraining) return;
  const Schedule schedule = ScheduleOf(spec, dataset);
  const int64_t images = dataset.train_images - spec.data.search_images;
  // Answers can be had from the warm-up alone.
  const int64_t needless =
      FamilyOf(spec.controller.algorithm) == Family::kAnswers ? 0 : schedule.warmup_steps;
  if (schedule.total_steps < 1) {
    violations.push_back(
        {"training.epochs",
         absl::StrCat(spec.epochs, " gives no training step: with ", images,
                      " training images and batches of ", spec.training.batch_size, ", one step is ",
                      static_cast<double>(spec.training.batch_size) / static_cast<double>(images),
                      " epochs. Raise epochs.")});
  } else if (schedule.search_steps - needless < 1) {
    violations.push_back(
        {"controller.warmup_share",
         absl::StrCat(spec.controller.warmup_share, " leaves no step for the policy to learn: of ",
                      schedule.total_steps, " steps finish.frozen_share = ", spec.finish.frozen_share,
                      " takes ", schedule.total_steps - schedule.search_steps, " and the warm-up ",
                      schedule.warmup_steps, ". Raise training.epochs, or lower one of the two shares.")});
  }
}

}  // namespace

Family FamilyOf(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kReinforce:
    case Algorithm::kFliqs:
    case Algorithm::kTunas:
      return Family::kPolicy;
    case Algorithm::kRandom:
    case Algorithm::kEvolution:
      return Family::kPopulation;
    case Algorithm::kPrecis:
    case Algorithm::kSensitivity:
    case Algorithm::kUniform:
      break;
  }
  return Family::kAnswers;
}

const char* AlgorithmName(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kPrecis:
      return "precis";
    case Algorithm::kReinforce:
      return "reinforce";
    case Algorithm::kFliqs:
      return "fliqs";
    case Algorithm::kTunas:
      return "tunas";
    case Algorithm::kRandom:
      return "random";
    case Algorithm::kEvolution:
      return "evolution";
    case Algorithm::kSensitivity:
      return "sensitivity";
    case Algorithm::kUniform:
      return "uniform";
  }
  return "unknown";
}

const char* StartName(Start start) {
  switch (start) {
    case Start::kFromScratch:
      return "from_scratch";
    case Start::kFinetune:
      return "finetune";
    case Start::kPostTraining:
      return "post_training";
  }
  return "unknown";
}

const char* OptionScoreName(OptionScore score) {
  switch (score) {
    case OptionScore::kLoss:
      return "loss";
    case OptionScore::kFisher:
      return "fisher";
    case OptionScore::kQsnr:
      return "qsnr";
  }
  return "unknown";
}

void SetAlgorithmDefaults(Algorithm algorithm, JobSpec& spec) {
  spec.reward = {};
  spec.controller = {};
  spec.finish = {};
  spec.training.ranges = kLearnedRanges;
  ControllerSpec& controller = spec.controller;
  controller.algorithm = algorithm;
  switch (algorithm) {
    case Algorithm::kPrecis:
      return;
    case Algorithm::kReinforce:
      spec.finish.frozen_share = 0.5;
      controller.warmup_share = 0.25;
      controller.screening_images = 512;
      return;
    case Algorithm::kFliqs:
      spec.reward.quality = QualitySource::kTrainLoss;
      spec.training.ranges = {};
      controller.warmup_share = 0.25;
      controller.learning_rate = 0.005;
      controller.baseline_momentum = 0.99;
      controller.widest_probability = controller.widest_share = 0;
      controller.screening_images = 0;
      controller.entropy_weight = 0.5;
      spec.finish.frozen_share = 0;
      return;
    case Algorithm::kTunas:
      spec.finish.frozen_share = 0.5;
      controller.warmup_share = 0.25;
      controller.learning_rate = 0.0048;
      controller.rate_schedule = RateSchedule::kGrowing;
      controller.adam_beta1 = 0;
      controller.baseline_debiased = true;
      controller.widest_share = 0;
      controller.screening_images = 0;
      controller.entropy_weight = 0;
      controller.log_prob = LogProbReduction::kSum;
      return;
    case Algorithm::kRandom:
    case Algorithm::kEvolution:
      spec.finish.frozen_share = 0.5;
      controller.warmup_share = 0.25;
      return;
    case Algorithm::kSensitivity:
      controller.warmup_share = 0;
      controller.widest_share = 1;
      return;
    case Algorithm::kUniform:
      spec.finish.frozen_share = 0.5;
      controller.warmup_share = 0;
      controller.widest_share = 0;
      controller.screening_images = 0;
      return;
  }
}

void SetStartDefaults(Start start, JobSpec& spec) {
  spec.model.start = start;
  switch (start) {
    case Start::kFromScratch:
      return;
    case Start::kFinetune:
      spec.epochs = 2;
      spec.training.learning_rate = 0.01;
      return;
    case Start::kPostTraining:
      spec.epochs = 0;
      spec.data.search_images = 2000;
      spec.controller.screening_images = 512;
      spec.training.ranges = {.weights = RangeRule::kMeanSquareError,
                              .activations = RangeRule::kMeanSquareError};
      return;
  }
}

Schedule ScheduleOf(const JobSpec& spec, const DatasetInfo& dataset) {
  const double images = static_cast<double>(dataset.train_images - spec.data.search_images);
  Schedule schedule;
  schedule.total_steps = std::llround(spec.epochs * images / static_cast<double>(spec.training.batch_size));
  schedule.search_steps = schedule.total_steps -
                          std::llround(spec.finish.frozen_share * static_cast<double>(schedule.total_steps));
  schedule.warmup_steps =
      std::llround(spec.controller.warmup_share * static_cast<double>(schedule.search_steps));
  return schedule;
}

DatasetInfo WithFound(const DatasetInfo& dataset, const DataSpec& spec) {
  DatasetInfo info = dataset;
  if (dataset.SizesKnown() || !spec.found) return info;
  info.channels = spec.options.channels;
  info.height = info.width = spec.found->image_size;
  info.classes = spec.found->classes;
  info.train_images = spec.found->train_images;
  info.test_images = spec.found->test_images;
  info.content = spec.found->content;
  return info;
}

Violations Validate(const JobSpec& spec, const std::vector<DatasetInfo>& datasets) {
  Violations violations;
  RangeCheck check(violations);
  CheckTexts(spec, violations);

  std::optional<DatasetInfo> known;
  std::vector<std::string> dataset_names;
  for (const DatasetInfo& each : datasets) {
    dataset_names.push_back(each.name);
    if (each.name == spec.data.name) known = WithFound(each, spec.data);
  }
  CheckName("data.name", spec.data.name, "data set", dataset_names, violations);

  CheckModel(spec, known && known->SizesKnown() ? &*known : nullptr, check, violations);
  if (spec.model.path.empty()) CheckArchitecture(spec, violations);
  CheckData(spec.data, known ? &*known : nullptr, check, violations);

  // Without the data set its sizes bound nothing.
  const DatasetInfo* dataset = known && known->SizesKnown() ? &*known : nullptr;
  const int64_t all_images = dataset != nullptr ? dataset->train_images : kUnbounded;
  const bool search_images_ok = check.Whole(
      "data.search_images", spec.data.search_images, 1, dataset != nullptr ? all_images / 2 : kUnbounded,
      dataset != nullptr ? absl::StrCat("half of the ", all_images, " training images of ", dataset->name)
                         : "",
      "The default is 6000.");
  const int64_t training_images =
      dataset != nullptr && search_images_ok ? all_images - spec.data.search_images : all_images;

  CheckSpace(spec.space, violations);
  CheckCost(spec.cost, violations);
  if (spec.reward.beta != kUnsetBeta) {
    check.Real("reward.beta", spec.reward.beta, {.least = 0, .most = 1000},
               "The default is 0.1 for search_accuracy, 1 for train_loss.");
  }
  check.Whole("reward.probe_images", spec.reward.probe_images, 1,
              search_images_ok ? spec.data.search_images : kUnbounded, "data.search_images",
              "The default is 128.");
  CheckRanges(spec.training.ranges, check, violations);
  CheckController(spec.controller, check);
  check.Whole("controller.screening_images", spec.controller.screening_images, 0, kUnbounded, "",
              absl::StrCat("0 turns it off; the default is ", ControllerSpec().screening_images, "."));
  CheckScore(spec, violations);
  check.Real("finish.frozen_share", spec.finish.frozen_share, {.least = 0, .most = 0.9},
             absl::StrCat("The default is ", FinishSpec().frozen_share, "."));
  check.Whole("finish.sampled_candidates", spec.finish.sampled_candidates, 0, 1000, "", "The default is 12.");

  const size_t before_schedule = violations.size();
  CheckTraining(spec, training_images, check, violations);
  if (dataset != nullptr && before_schedule == violations.size() && !check.failed()) {
    CheckSchedule(spec, *dataset, violations);
  }
  return violations;
}

}  // namespace precis::search
