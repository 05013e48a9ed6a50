// Plan => text => SHA-256.
#include "search/fingerprint.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "search/range_check.h"
#include "supernet/formats/check.h"
#include "supernet/formats/format.h"

namespace precis::search {
namespace {

class Text {
 public:
  void Line(const std::string& name, const std::string& value) {
    absl::StrAppend(&text_, name, " ", value, "\n");
  }
  void Real(const std::string& name, double value) { Line(name, NumberText(value)); }
  void Whole(const std::string& name, int64_t value) { Line(name, absl::StrCat(value)); }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string OptionText(const LayerFormats& formats) {
  return absl::StrCat(FormatName(formats.weight), "/", FormatName(formats.activation));
}

// Only what differs from the rule that once was the only one, so that older plans keep their fingerprints.
void AddRanges(const RangeOptions& ranges, Text& text) {
  if (ranges.weights != RangeRule::kMaxAbs) text.Whole("ranges.weights", static_cast<int>(ranges.weights));
  if (ranges.activations != RangeRule::kMaxAbs) {
    text.Whole("ranges.activations", static_cast<int>(ranges.activations));
  }
  if (ranges.weights == RangeRule::kPercentile || ranges.activations == RangeRule::kPercentile) {
    text.Real("ranges.percentile", ranges.percentile);
  }
  if (ranges.activations == RangeRule::kMovingAverage) text.Real("ranges.momentum", ranges.momentum);
}

// Likewise, from images taken as they are.
void AddData(const Plan& plan, Text& text) {
  const DataOptions& options = plan.spec.data.options;
  if (!plan.dataset.content.empty()) {
    text.Line("dataset.content", plan.dataset.content);
    text.Whole("data.resize", options.resize == 0 ? plan.dataset.height : options.resize);
    if (options.corrupt_files == CorruptFiles::kSkip) text.Line("data.corrupt_files", "skip");
  }
  for (const double mean : options.mean) text.Real("data.mean", mean);
  for (const double deviation : options.standard_deviation) text.Real("data.standard_deviation", deviation);
  if (options.channel_order == ChannelOrder::kBgr) text.Line("data.channel_order", "bgr");
  const Augmentation& augment = options.augment;
  if (augment.crop_padding != 0) text.Whole("data.augment.crop_padding", augment.crop_padding);
  if (augment.resized_crop != 0) text.Real("data.augment.resized_crop", augment.resized_crop);
  if (augment.flip) text.Whole("data.augment.flip", 1);
}

// Likewise, from a network by name.
void AddStart(const JobSpec& spec, Text& text) {
  if (spec.model.path.empty()) return;
  text.Line("model.start", StartName(spec.model.start));
  text.Line("model.content", spec.model.found ? spec.model.found->content : "");
  if (spec.model.start != Start::kPostTraining) return;
  text.Whole("post_training.recalibrate_batch_norm", spec.post_training.recalibrate_batch_norm ? 1 : 0);
  std::vector<Technique> techniques = spec.post_training.rewriting.techniques;
  std::sort(techniques.begin(), techniques.end());
  for (const Technique technique : techniques) {
    text.Line("post_training.techniques", TechniqueName(technique));
  }
  if (spec.post_training.rewriting.Has(Technique::kSmooth)) {
    text.Real("post_training.smooth_alpha", spec.post_training.rewriting.smooth_alpha);
  }
}

// Likewise, from the algorithm that once was the only one.
void AddAlgorithm(const ControllerSpec& controller, Text& text) {
  if (controller.algorithm != Algorithm::kReinforce) {
    text.Line("controller.algorithm", AlgorithmName(controller.algorithm));
    text.Whole("controller.refinements", controller.refinements);
    text.Whole("controller.evaluations", controller.evaluations);
  }
  if (controller.score != OptionScore::kLoss) {
    text.Line("controller.score", OptionScoreName(controller.score));
  }
  if (controller.rate_schedule != RateSchedule::kConstant) text.Line("controller.rate_schedule", "growing");
  if (controller.adam_beta1 != ControllerSpec().adam_beta1) {
    text.Real("controller.adam_beta1", controller.adam_beta1);
  }
  if (controller.baseline_debiased) text.Line("controller.baseline", "debiased");
}

// Likewise: only costs beside those that once were all, and limits beside the target.
void AddCostsText(const Plan& plan, Text& text) {
  std::string names;
  for (const auto& cost : plan.costs) absl::StrAppend(&names, names.empty() ? "" : " ", cost->name());
  if (names != "bops model_size") text.Line("costs", names);
  for (size_t i = 1; i < plan.limits.size(); ++i) {
    const CostLimit& limit = plan.limits[i];
    text.Line("limit", absl::StrCat(plan.costs[limit.cost]->name(), " ", NumberText(limit.amount)));
  }
  for (const auto& cost : plan.costs) {
    if (cost->name() != "table") continue;
    std::string prices = cost->unit();
    for (const Decision& decision : plan.space.decisions) {
      for (size_t o = 0; o < decision.options.size(); ++o) {
        absl::StrAppend(&prices, " ", NumberText(OptionCost(*cost, decision, o)));
      }
    }
    text.Line("table", Sha256Hex(prices));
  }
}

}  // namespace

std::string CanonicalText(const Plan& plan) {
  const JobSpec& spec = plan.spec;
  Text text;
  text.Line("precis-plan", "1");
  text.Line("dataset", plan.dataset.name);
  for (int64_t size : {plan.dataset.channels, plan.dataset.height, plan.dataset.width, plan.dataset.classes,
                       plan.dataset.train_images, plan.dataset.test_images}) {
    text.Whole("dataset.size", size);
  }
  AddData(plan, text);
  text.Whole("search_images", spec.data.search_images);
  text.Line("graph", absl::CHexEscape(plan.graph.CanonicalText()));
  AddStart(spec, text);
  for (const Decision& decision : plan.space.decisions) {
    std::string line = decision.name;
    for (size_t layer : decision.layers) absl::StrAppend(&line, " ", layer);
    for (const LayerFormats& option : decision.options) absl::StrAppend(&line, " ", OptionText(option));
    for (const std::string& variant : decision.variants) absl::StrAppend(&line, " ", variant);
    text.Line("decision", line);
  }
  for (const Reference& reference : plan.references) {
    text.Line("reference", absl::StrCat(reference.name, ": ", AssignmentText(reference.assignment)));
  }
  text.Line("metric", plan.costs[plan.constrained]->name());
  text.Real("target", plan.target);
  for (size_t i = 1; i < plan.targets.size(); ++i) text.Real("target", plan.targets[i]);
  AddCostsText(plan, text);
  if (spec.cost.count_attention) text.Whole("count_attention", 1);
  text.Whole("warmup_steps", plan.warmup_steps);
  text.Whole("search_steps", plan.search_steps);
  text.Whole("total_steps", plan.total_steps);
  text.Whole("reward.quality", static_cast<int>(spec.reward.quality));
  text.Whole("reward.shape", static_cast<int>(spec.reward.shape));
  text.Real("reward.beta", spec.reward.beta);
  text.Whole("reward.probe_images", spec.reward.probe_images);
  AddAlgorithm(spec.controller, text);
  text.Real("controller.learning_rate", spec.controller.learning_rate);
  text.Real("controller.baseline_momentum", spec.controller.baseline_momentum);
  text.Real("controller.widest_probability", spec.controller.widest_probability);
  text.Real("controller.widest_share", spec.controller.widest_share);
  text.Whole("controller.screening_images", spec.controller.screening_images);
  text.Real("controller.entropy_weight", spec.controller.entropy_weight);
  text.Whole("controller.entropy_schedule", static_cast<int>(spec.controller.entropy_schedule));
  text.Whole("controller.log_prob", static_cast<int>(spec.controller.log_prob));
  text.Whole("training.batch_size", spec.training.batch_size);
  text.Real("training.learning_rate", spec.training.learning_rate);
  text.Real("training.warmup_share", spec.training.warmup_share);
  text.Real("training.decay_share", spec.training.decay_share);
  text.Real("training.momentum", spec.training.momentum);
  text.Whole("training.nesterov", spec.training.nesterov ? 1 : 0);
  text.Real("training.weight_decay", spec.training.weight_decay);
  text.Real("training.label_smoothing", spec.training.label_smoothing);
  text.Real("training.explosion_factor", spec.training.explosion_factor);
  text.Real("training.gradient_explosion_factor", spec.training.gradient_explosion_factor);
  text.Real("training.gradient_clip_norm", spec.training.gradient_clip_norm);
  AddRanges(spec.training.ranges, text);
  text.Whole("training.recalibration_images", spec.training.recalibration_images);
  text.Whole("training.evaluation_batch_size", spec.training.evaluation_batch_size);
  text.Whole("device", static_cast<int>(spec.training.device));
  text.Whole("threads", spec.training.threads);
  text.Whole("sampled_candidates", spec.finish.sampled_candidates);
  text.Line("seed", absl::StrCat(spec.seed));
  return text.Take();
}

std::string Sha256Hex(const std::string& text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int size = 0;
  PRECIS_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  return absl::BytesToHexString(std::string(reinterpret_cast<const char*>(digest.data()), size));
}

}  // namespace precis::search
