// Job specs to and from the wire.
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/convert.h"
#include "server/convert_enum.h"
#include "server/digest.h"

namespace precis::server {
namespace {

constexpr EnumRow<v1::Device, Device> kDevices[] = {
    {v1::DEVICE_AUTO, Device::kAuto},
    {v1::DEVICE_CPU, Device::kCpu},
    {v1::DEVICE_CUDA, Device::kCuda},
};
constexpr EnumRow<v1::Stem, Stem> kStems[] = {
    {v1::STEM_AUTO, Stem::kAuto},
    {v1::STEM_SMALL, Stem::kSmall},
    {v1::STEM_IMAGENET, Stem::kImageNet},
};
constexpr EnumRow<v1::QualitySource, search::QualitySource> kQualitySources[] = {
    {v1::QUALITY_SOURCE_SEARCH_ACCURACY, search::QualitySource::kSearchAccuracy},
    {v1::QUALITY_SOURCE_TRAIN_LOSS, search::QualitySource::kTrainLoss},
};
constexpr EnumRow<v1::RewardShape, search::RewardShape> kRewardShapes[] = {
    {v1::REWARD_SHAPE_ABSOLUTE, search::RewardShape::kAbsolute},
    {v1::REWARD_SHAPE_ONE_SIDED, search::RewardShape::kOneSided},
    {v1::REWARD_SHAPE_SOFT_EXPONENTIAL, search::RewardShape::kSoftExponential},
    {v1::REWARD_SHAPE_HARD_EXPONENTIAL, search::RewardShape::kHardExponential},
};
constexpr EnumRow<v1::EntropySchedule, search::EntropySchedule> kEntropySchedules[] = {
    {v1::ENTROPY_SCHEDULE_COSINE, search::EntropySchedule::kCosine},
    {v1::ENTROPY_SCHEDULE_LINEAR, search::EntropySchedule::kLinear},
    {v1::ENTROPY_SCHEDULE_CONSTANT, search::EntropySchedule::kConstant},
};
constexpr EnumRow<v1::LogProbReduction, search::LogProbReduction> kLogProbReductions[] = {
    {v1::LOG_PROB_REDUCTION_MEAN, search::LogProbReduction::kMean},
    {v1::LOG_PROB_REDUCTION_SUM, search::LogProbReduction::kSum},
};

constexpr EnumRow<v1::RangeRule, RangeRule> kRangeRules[] = {
    {v1::RANGE_RULE_MAX_ABS, RangeRule::kMaxAbs},
    {v1::RANGE_RULE_PERCENTILE, RangeRule::kPercentile},
    {v1::RANGE_RULE_MEAN_SQUARE_ERROR, RangeRule::kMeanSquareError},
    {v1::RANGE_RULE_MOVING_AVERAGE, RangeRule::kMovingAverage},
    {v1::RANGE_RULE_LEARNED, RangeRule::kLearned},
};

template <typename Wire, typename Value, size_t N>
void ReadEnum(const EnumRow<Wire, Value> (&table)[N], Wire wire, const std::string& field, Value& value,
              search::Violations& violations) {
  if (static_cast<int>(wire) == 0) return;
  if (std::optional<Value> known = FromWire(table, wire)) {
    value = *known;
  } else {
    violations.push_back({field, UnknownEnumText(table, wire)});
  }
}

// if (wire.has_x()) value = wire.x();
#define PRECIS_READ_OPTIONAL(wire, name, value) \
  if ((wire).has_##name()) (value) = (wire).name()

void ReadModelAndData(const v1::JobSpec& wire, search::JobSpec& spec, search::Violations& violations) {
  spec.model.name = wire.model().name();
  PRECIS_READ_OPTIONAL(wire.model(), width_multiplier, spec.model.width_multiplier);
  ReadEnum(kStems, wire.model().stem(), "model.stem", spec.model.stem, violations);
  PRECIS_READ_OPTIONAL(wire.model(), stage1_projection, spec.model.stage1_projection);
  spec.data.name = wire.data().name();
  spec.data.path = wire.data().path();
  PRECIS_READ_OPTIONAL(wire.data(), search_images, spec.data.search_images);
  spec.space.formats.assign(wire.space().formats().begin(), wire.space().formats().end());
  if (!wire.cost().metric().empty()) spec.cost.metric = wire.cost().metric();
  spec.cost.target = wire.cost().target();
  for (const v1::CostLimit& limit : wire.cost().limits()) {
    spec.cost.limits.push_back({limit.metric(), limit.at_most()});
  }
  spec.cost.report.assign(wire.cost().report().begin(), wire.cost().report().end());
  spec.cost.table = wire.cost().table();
}

void ReadRewardAndController(const v1::JobSpec& wire, search::JobSpec& spec, search::Violations& violations) {
  const v1::RewardSpec& reward = wire.reward();
  ReadEnum(kQualitySources, reward.quality(), "reward.quality", spec.reward.quality, violations);
  ReadEnum(kRewardShapes, reward.shape(), "reward.shape", spec.reward.shape, violations);
  if (reward.has_beta() && reward.beta() < 0) {
    violations.push_back(
        {"reward.beta",
         absl::StrCat("is ", reward.beta(), ": it must be 0 or more. Leave it out for the default.")});
  } else {
    PRECIS_READ_OPTIONAL(reward, beta, spec.reward.beta);
  }
  PRECIS_READ_OPTIONAL(reward, probe_images, spec.reward.probe_images);
  const v1::ControllerSpec& controller = wire.controller();
  PRECIS_READ_OPTIONAL(controller, learning_rate, spec.controller.learning_rate);
  PRECIS_READ_OPTIONAL(controller, baseline_momentum, spec.controller.baseline_momentum);
  PRECIS_READ_OPTIONAL(controller, warmup_share, spec.controller.warmup_share);
  PRECIS_READ_OPTIONAL(controller, widest_probability, spec.controller.widest_probability);
  PRECIS_READ_OPTIONAL(controller, widest_share, spec.controller.widest_share);
  PRECIS_READ_OPTIONAL(controller, screening_images, spec.controller.screening_images);
  PRECIS_READ_OPTIONAL(controller, entropy_weight, spec.controller.entropy_weight);
  ReadEnum(kEntropySchedules, controller.entropy_schedule(), "controller.entropy_schedule",
           spec.controller.entropy_schedule, violations);
  ReadEnum(kLogProbReductions, controller.log_prob(), "controller.log_prob", spec.controller.log_prob,
           violations);
}

void ReadTrainingAndFinish(const v1::JobSpec& wire, search::JobSpec& spec, search::Violations& violations) {
  const v1::TrainingSpec& training = wire.training();
  PRECIS_READ_OPTIONAL(training, epochs, spec.epochs);
  PRECIS_READ_OPTIONAL(training, batch_size, spec.training.batch_size);
  PRECIS_READ_OPTIONAL(training, learning_rate, spec.training.learning_rate);
  PRECIS_READ_OPTIONAL(training, warmup_share, spec.training.warmup_share);
  PRECIS_READ_OPTIONAL(training, decay_share, spec.training.decay_share);
  PRECIS_READ_OPTIONAL(training, momentum, spec.training.momentum);
  PRECIS_READ_OPTIONAL(training, nesterov, spec.training.nesterov);
  PRECIS_READ_OPTIONAL(training, weight_decay, spec.training.weight_decay);
  PRECIS_READ_OPTIONAL(training, label_smoothing, spec.training.label_smoothing);
  PRECIS_READ_OPTIONAL(training, explosion_factor, spec.training.explosion_factor);
  PRECIS_READ_OPTIONAL(training, gradient_explosion_factor, spec.training.gradient_explosion_factor);
  PRECIS_READ_OPTIONAL(training, gradient_clip_norm, spec.training.gradient_clip_norm);
  PRECIS_READ_OPTIONAL(training, recalibration_images, spec.training.recalibration_images);
  PRECIS_READ_OPTIONAL(training, evaluation_batch_size, spec.training.evaluation_batch_size);
  RangeOptions& ranges = spec.training.ranges;
  ReadEnum(kRangeRules, wire.ranges().weights(), "ranges.weights", ranges.weights, violations);
  ReadEnum(kRangeRules, wire.ranges().activations(), "ranges.activations", ranges.activations, violations);
  PRECIS_READ_OPTIONAL(wire.ranges(), percentile, ranges.percentile);
  PRECIS_READ_OPTIONAL(wire.ranges(), momentum, ranges.momentum);
  PRECIS_READ_OPTIONAL(wire.finish(), frozen_share, spec.finish.frozen_share);
  PRECIS_READ_OPTIONAL(wire.finish(), sampled_candidates, spec.finish.sampled_candidates);
  PRECIS_READ_OPTIONAL(wire, seed, spec.seed);
  ReadEnum(kDevices, wire.device(), "device", spec.training.device, violations);
  PRECIS_READ_OPTIONAL(wire, threads, spec.training.threads);
}

#undef PRECIS_READ_OPTIONAL

}  // namespace

search::JobSpec JobSpecFromWire(const v1::JobSpec& wire, search::Violations& violations) {
  search::JobSpec spec;
  spec.display_name = wire.display_name();
  ReadModelAndData(wire, spec, violations);
  ReadRewardAndController(wire, spec, violations);
  ReadTrainingAndFinish(wire, spec, violations);
  return spec;
}

v1::JobSpec JobSpecToWire(const search::JobSpec& spec) {
  v1::JobSpec wire;
  wire.set_display_name(spec.display_name);
  v1::ModelSpec& model = *wire.mutable_model();
  model.set_name(spec.model.name);
  model.set_width_multiplier(spec.model.width_multiplier);
  model.set_stem(ToWire(kStems, spec.model.stem));
  model.set_stage1_projection(spec.model.stage1_projection);
  v1::DataSpec& data = *wire.mutable_data();
  data.set_name(spec.data.name);
  data.set_path(spec.data.path);
  data.set_search_images(spec.data.search_images);
  for (const std::string& format : spec.space.formats) wire.mutable_space()->add_formats(format);
  wire.mutable_cost()->set_metric(spec.cost.metric);
  wire.mutable_cost()->set_target(spec.cost.target);
  for (const search::CostLimitSpec& limit : spec.cost.limits) {
    v1::CostLimit& each = *wire.mutable_cost()->add_limits();
    each.set_metric(limit.metric);
    each.set_at_most(limit.at_most);
  }
  for (const std::string& metric : spec.cost.report) wire.mutable_cost()->add_report(metric);
  wire.mutable_cost()->set_table(spec.cost.table);
  v1::RewardSpec& reward = *wire.mutable_reward();
  reward.set_quality(ToWire(kQualitySources, spec.reward.quality));
  reward.set_shape(ToWire(kRewardShapes, spec.reward.shape));
  if (spec.reward.beta != search::kUnsetBeta) reward.set_beta(spec.reward.beta);
  reward.set_probe_images(spec.reward.probe_images);
  v1::ControllerSpec& controller = *wire.mutable_controller();
  controller.set_learning_rate(spec.controller.learning_rate);
  controller.set_baseline_momentum(spec.controller.baseline_momentum);
  controller.set_warmup_share(spec.controller.warmup_share);
  controller.set_widest_probability(spec.controller.widest_probability);
  controller.set_screening_images(spec.controller.screening_images);
  controller.set_widest_share(spec.controller.widest_share);
  controller.set_entropy_weight(spec.controller.entropy_weight);
  controller.set_entropy_schedule(ToWire(kEntropySchedules, spec.controller.entropy_schedule));
  controller.set_log_prob(ToWire(kLogProbReductions, spec.controller.log_prob));
  v1::TrainingSpec& training = *wire.mutable_training();
  training.set_epochs(spec.epochs);
  training.set_batch_size(spec.training.batch_size);
  training.set_learning_rate(spec.training.learning_rate);
  training.set_warmup_share(spec.training.warmup_share);
  training.set_decay_share(spec.training.decay_share);
  training.set_momentum(spec.training.momentum);
  training.set_nesterov(spec.training.nesterov);
  training.set_weight_decay(spec.training.weight_decay);
  training.set_label_smoothing(spec.training.label_smoothing);
  training.set_explosion_factor(spec.training.explosion_factor);
  training.set_gradient_explosion_factor(spec.training.gradient_explosion_factor);
  training.set_gradient_clip_norm(spec.training.gradient_clip_norm);
  training.set_recalibration_images(spec.training.recalibration_images);
  training.set_evaluation_batch_size(spec.training.evaluation_batch_size);
  v1::RangeSpec& ranges = *wire.mutable_ranges();
  ranges.set_weights(ToWire(kRangeRules, spec.training.ranges.weights));
  ranges.set_activations(ToWire(kRangeRules, spec.training.ranges.activations));
  ranges.set_percentile(spec.training.ranges.percentile);
  ranges.set_momentum(spec.training.ranges.momentum);
  wire.mutable_finish()->set_frozen_share(spec.finish.frozen_share);
  wire.mutable_finish()->set_sampled_candidates(spec.finish.sampled_candidates);
  wire.set_seed(spec.seed);
  wire.set_device(ToWire(kDevices, spec.training.device));
  wire.set_threads(spec.training.threads);
  return wire;
}

std::string SpecBytes(const search::JobSpec& spec) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  PRECIS_CHECK(JobSpecToWire(spec).SerializeToCodedStream(&coded));
  coded.Trim();
  return bytes;
}

std::string SpecDigest(const search::JobSpec& spec) { return Sha256Hex(SpecBytes(spec)); }

absl::StatusOr<search::JobSpec> SpecFromBytes(const std::string& bytes) {
  v1::JobSpec wire;
  search::Violations violations;
  if (wire.ParseFromString(bytes)) {
    search::JobSpec spec = JobSpecFromWire(wire, violations);
    if (violations.empty()) return spec;
  }
  return absl::DataLossError("the stored spec of the job cannot be read");
}

}  // namespace precis::server
