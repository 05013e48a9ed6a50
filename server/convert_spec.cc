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
constexpr EnumRow<v1::ModelStart, search::Start> kStarts[] = {
    {v1::MODEL_START_FROM_SCRATCH, search::Start::kFromScratch},
    {v1::MODEL_START_FINETUNE, search::Start::kFinetune},
    {v1::MODEL_START_POST_TRAINING, search::Start::kPostTraining},
};
constexpr EnumRow<v1::PostTrainingTechnique, Technique> kTechniques[] = {
    {v1::POST_TRAINING_TECHNIQUE_EQUALIZATION, Technique::kEqualization},
    {v1::POST_TRAINING_TECHNIQUE_SMOOTH, Technique::kSmooth},
    {v1::POST_TRAINING_TECHNIQUE_BIAS_CORRECTION, Technique::kBiasCorrection},
    {v1::POST_TRAINING_TECHNIQUE_LEARNED_ROUNDING, Technique::kLearnedRounding},
    {v1::POST_TRAINING_TECHNIQUE_GPTQ, Technique::kGptq},
};
constexpr EnumRow<v1::ChannelOrder, ChannelOrder> kChannelOrders[] = {
    {v1::CHANNEL_ORDER_RGB, ChannelOrder::kRgb},
    {v1::CHANNEL_ORDER_BGR, ChannelOrder::kBgr},
};
constexpr EnumRow<v1::CorruptFiles, CorruptFiles> kCorruptFiles[] = {
    {v1::CORRUPT_FILES_FAIL, CorruptFiles::kFail},
    {v1::CORRUPT_FILES_SKIP, CorruptFiles::kSkip},
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

constexpr EnumRow<v1::Granularity, search::Granularity> kGranularities[] = {
    {v1::GRANULARITY_LAYER, search::Granularity::kLayer},
    {v1::GRANULARITY_BLOCK, search::Granularity::kBlock},
    {v1::GRANULARITY_NETWORK, search::Granularity::kNetwork},
};
constexpr EnumRow<v1::Grouping, search::Grouping> kGroupings[] = {
    {v1::GROUPING_FUSED, search::Grouping::kFused},
    {v1::GROUPING_SHARED_INPUT, search::Grouping::kSharedInput},
    {v1::GROUPING_NONE, search::Grouping::kNone},
};
constexpr EnumRow<v1::Algorithm, search::Algorithm> kAlgorithms[] = {
    {v1::ALGORITHM_PRECIS, search::Algorithm::kPrecis},
    {v1::ALGORITHM_REINFORCE, search::Algorithm::kReinforce},
    {v1::ALGORITHM_FLIQS, search::Algorithm::kFliqs},
    {v1::ALGORITHM_TUNAS, search::Algorithm::kTunas},
    {v1::ALGORITHM_RANDOM, search::Algorithm::kRandom},
    {v1::ALGORITHM_EVOLUTION, search::Algorithm::kEvolution},
    {v1::ALGORITHM_SENSITIVITY, search::Algorithm::kSensitivity},
    {v1::ALGORITHM_UNIFORM, search::Algorithm::kUniform},
};
constexpr EnumRow<v1::OptionScore, search::OptionScore> kOptionScores[] = {
    {v1::OPTION_SCORE_LOSS, search::OptionScore::kLoss},
    {v1::OPTION_SCORE_FISHER, search::OptionScore::kFisher},
    {v1::OPTION_SCORE_QSNR, search::OptionScore::kQsnr},
};
constexpr EnumRow<v1::RateSchedule, search::RateSchedule> kRateSchedules[] = {
    {v1::RATE_SCHEDULE_CONSTANT, search::RateSchedule::kConstant},
    {v1::RATE_SCHEDULE_GROWING, search::RateSchedule::kGrowing},
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

void ReadData(const v1::DataSpec& wire, search::DataSpec& data, search::Violations& violations) {
  data.name = wire.name();
  data.path = wire.path();
  PRECIS_READ_OPTIONAL(wire, search_images, data.search_images);
  DataOptions& options = data.options;
  PRECIS_READ_OPTIONAL(wire, channels, options.channels);
  PRECIS_READ_OPTIONAL(wire, image_size, options.image_size);
  PRECIS_READ_OPTIONAL(wire, resize, options.resize);
  ReadEnum(kCorruptFiles, wire.corrupt_files(), "data.corrupt_files", options.corrupt_files, violations);
  PRECIS_READ_OPTIONAL(wire.augment(), crop_padding, options.augment.crop_padding);
  PRECIS_READ_OPTIONAL(wire.augment(), resized_crop, options.augment.resized_crop);
  PRECIS_READ_OPTIONAL(wire.augment(), flip, options.augment.flip);
  PRECIS_READ_OPTIONAL(wire, loader_threads, options.loader_threads);
  PRECIS_READ_OPTIONAL(wire, memory_mib, options.memory_mib);
  options.mean.assign(wire.mean().begin(), wire.mean().end());
  options.standard_deviation.assign(wire.standard_deviation().begin(), wire.standard_deviation().end());
  ReadEnum(kChannelOrders, wire.channel_order(), "data.channel_order", options.channel_order, violations);
  if (wire.has_found()) {
    const v1::FoundData& found = wire.found();
    data.found = {found.image_size(), found.classes(), found.train_images(), found.test_images(),
                  found.content()};
  }
}

// What algorithm and start stand for, before anything is read that may say otherwise.
void SetDefaults(const v1::JobSpec& wire, search::JobSpec& spec, search::Violations& violations) {
  search::Algorithm algorithm = search::Algorithm::kPrecis;
  ReadEnum(kAlgorithms, wire.controller().algorithm(), "controller.algorithm", algorithm, violations);
  search::SetAlgorithmDefaults(algorithm, spec);
  search::Start start = wire.model().path().empty() ? search::Start::kFromScratch : search::Start::kFinetune;
  ReadEnum(kStarts, wire.model().start(), "model.start", start, violations);
  search::SetStartDefaults(start, spec);
}

// All but the start.
void ReadModel(const v1::ModelSpec& wire, search::ModelSpec& model, search::Violations& violations) {
  model.name = wire.name();
  model.path = wire.path();
  model.output = wire.output();
  PRECIS_READ_OPTIONAL(wire, width_multiplier, model.width_multiplier);
  ReadEnum(kStems, wire.stem(), "model.stem", model.stem, violations);
  PRECIS_READ_OPTIONAL(wire, stage1_projection, model.stage1_projection);
  model.labels.assign(wire.labels().begin(), wire.labels().end());
  if (wire.has_found()) model.found = {.content = wire.found().content()};
}

void ReadModelAndData(const v1::JobSpec& wire, search::JobSpec& spec, search::Violations& violations) {
  ReadModel(wire.model(), spec.model, violations);
  ReadData(wire.data(), spec.data, violations);
  if (!wire.cost().metric().empty()) spec.cost.metric = wire.cost().metric();
  spec.cost.target = wire.cost().target();
  spec.cost.targets.assign(wire.cost().targets().begin(), wire.cost().targets().end());
  spec.cost.range = {wire.cost().range().from(), wire.cost().range().to(), wire.cost().range().count()};
  for (const v1::CostLimit& limit : wire.cost().limits()) {
    spec.cost.limits.push_back({limit.metric(), limit.at_most()});
  }
  spec.cost.report.assign(wire.cost().report().begin(), wire.cost().report().end());
  spec.cost.table = wire.cost().table();
  PRECIS_READ_OPTIONAL(wire.cost(), count_attention, spec.cost.count_attention);
}

void ReadSpace(const v1::SpaceSpec& wire, search::SpaceSpec& space, search::Violations& violations) {
  space.formats.assign(wire.formats().begin(), wire.formats().end());
  space.activation_formats.assign(wire.activation_formats().begin(), wire.activation_formats().end());
  ReadEnum(kGranularities, wire.granularity(), "space.granularity", space.granularity, violations);
  ReadEnum(kGroupings, wire.grouping(), "space.grouping", space.grouping, violations);
  for (const v1::SpaceOverride& entry : wire.overrides()) {
    space.overrides.push_back({.layers = entry.layers(),
                               .allow = {entry.allow().begin(), entry.allow().end()},
                               .deny = {entry.deny().begin(), entry.deny().end()},
                               .pin = entry.pin()});
  }
  for (const v1::SpaceTie& tie : wire.ties()) {
    space.ties.push_back({.layers = {tie.layers().begin(), tie.layers().end()}});
  }
  const v1::ArchitectureSpec& architecture = wire.architecture();
  space.architecture = {.kernel = {architecture.kernel().begin(), architecture.kernel().end()},
                        .expansion = {architecture.expansion().begin(), architecture.expansion().end()},
                        .width = {architecture.width().begin(), architecture.width().end()},
                        .skip = architecture.skip()};
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
  PRECIS_READ_OPTIONAL(controller, refinements, spec.controller.refinements);
  ReadEnum(kOptionScores, controller.score(), "controller.score", spec.controller.score, violations);
  PRECIS_READ_OPTIONAL(controller, evaluations, spec.controller.evaluations);
  ReadEnum(kRateSchedules, controller.rate_schedule(), "controller.rate_schedule",
           spec.controller.rate_schedule, violations);
  PRECIS_READ_OPTIONAL(controller, adam_beta1, spec.controller.adam_beta1);
  PRECIS_READ_OPTIONAL(controller, baseline_debiased, spec.controller.baseline_debiased);
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

void ReadTechniques(const v1::PostTrainingSpec& wire, PostTraining& rewriting,
                    search::Violations& violations) {
  for (int i = 0; i < wire.techniques_size(); ++i) {
    if (const std::optional<Technique> known = FromWire(kTechniques, wire.techniques(i))) {
      rewriting.techniques.push_back(*known);
    } else {
      violations.push_back({absl::StrCat("post_training.techniques[", i, "]"),
                            UnknownEnumText(kTechniques, wire.techniques(i))});
    }
  }
  PRECIS_READ_OPTIONAL(wire, smooth_alpha, rewriting.smooth_alpha);
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
  PRECIS_READ_OPTIONAL(wire.post_training(), calibration_images, spec.post_training.calibration_images);
  PRECIS_READ_OPTIONAL(wire.post_training(), recalibrate_batch_norm,
                       spec.post_training.recalibrate_batch_norm);
  ReadTechniques(wire.post_training(), spec.post_training.rewriting, violations);
  PRECIS_READ_OPTIONAL(wire.finish(), frozen_share, spec.finish.frozen_share);
  PRECIS_READ_OPTIONAL(wire.finish(), sampled_candidates, spec.finish.sampled_candidates);
  PRECIS_READ_OPTIONAL(wire, seed, spec.seed);
  ReadEnum(kDevices, wire.device(), "device", spec.training.device, violations);
  PRECIS_READ_OPTIONAL(wire, threads, spec.training.threads);
}

#undef PRECIS_READ_OPTIONAL

void WriteData(const search::DataSpec& data, v1::DataSpec& wire) {
  wire.set_name(data.name);
  wire.set_path(data.path);
  wire.set_search_images(data.search_images);
  const DataOptions& options = data.options;
  wire.set_channels(options.channels);
  wire.set_image_size(options.image_size);
  wire.set_resize(options.resize);
  wire.set_corrupt_files(ToWire(kCorruptFiles, options.corrupt_files));
  v1::AugmentSpec& augment = *wire.mutable_augment();
  augment.set_crop_padding(options.augment.crop_padding);
  augment.set_resized_crop(options.augment.resized_crop);
  augment.set_flip(options.augment.flip);
  wire.set_loader_threads(options.loader_threads);
  wire.set_memory_mib(options.memory_mib);
  wire.mutable_mean()->Assign(options.mean.begin(), options.mean.end());
  wire.mutable_standard_deviation()->Assign(options.standard_deviation.begin(),
                                            options.standard_deviation.end());
  wire.set_channel_order(ToWire(kChannelOrders, options.channel_order));
  if (!data.found) return;
  v1::FoundData& found = *wire.mutable_found();
  found.set_image_size(data.found->image_size);
  found.set_classes(data.found->classes);
  found.set_train_images(data.found->train_images);
  found.set_test_images(data.found->test_images);
  found.set_content(data.found->content);
}

void WriteModel(const search::ModelSpec& model, v1::ModelSpec& wire) {
  wire.set_name(model.name);
  wire.set_path(model.path);
  wire.set_output(model.output);
  wire.set_start(ToWire(kStarts, model.start));
  wire.set_width_multiplier(model.width_multiplier);
  wire.set_stem(ToWire(kStems, model.stem));
  wire.set_stage1_projection(model.stage1_projection);
  wire.mutable_labels()->Assign(model.labels.begin(), model.labels.end());
  if (model.found) wire.mutable_found()->set_content(model.found->content);
}

void WriteSpace(const search::SpaceSpec& space, v1::SpaceSpec& wire) {
  wire.mutable_formats()->Assign(space.formats.begin(), space.formats.end());
  wire.mutable_activation_formats()->Assign(space.activation_formats.begin(), space.activation_formats.end());
  wire.set_granularity(ToWire(kGranularities, space.granularity));
  wire.set_grouping(ToWire(kGroupings, space.grouping));
  for (const search::SpaceOverride& entry : space.overrides) {
    v1::SpaceOverride& out = *wire.add_overrides();
    out.set_layers(entry.layers);
    out.mutable_allow()->Assign(entry.allow.begin(), entry.allow.end());
    out.mutable_deny()->Assign(entry.deny.begin(), entry.deny.end());
    out.set_pin(entry.pin);
  }
  for (const search::SpaceTie& tie : space.ties) {
    wire.add_ties()->mutable_layers()->Assign(tie.layers.begin(), tie.layers.end());
  }
  const ElasticOptions& options = space.architecture;
  if (options.empty()) return;
  v1::ArchitectureSpec& architecture = *wire.mutable_architecture();
  architecture.mutable_kernel()->Assign(options.kernel.begin(), options.kernel.end());
  architecture.mutable_expansion()->Assign(options.expansion.begin(), options.expansion.end());
  architecture.mutable_width()->Assign(options.width.begin(), options.width.end());
  architecture.set_skip(options.skip);
}

}  // namespace

search::JobSpec JobSpecFromWire(const v1::JobSpec& wire, search::Violations& violations) {
  search::JobSpec spec;
  spec.display_name = wire.display_name();
  SetDefaults(wire, spec, violations);
  ReadModelAndData(wire, spec, violations);
  ReadSpace(wire.space(), spec.space, violations);
  ReadRewardAndController(wire, spec, violations);
  ReadTrainingAndFinish(wire, spec, violations);
  return spec;
}

v1::JobSpec JobSpecToWire(const search::JobSpec& spec) {
  v1::JobSpec wire;
  wire.set_display_name(spec.display_name);
  WriteModel(spec.model, *wire.mutable_model());
  WriteData(spec.data, *wire.mutable_data());
  WriteSpace(spec.space, *wire.mutable_space());
  v1::CostSpec& cost = *wire.mutable_cost();
  cost.set_metric(spec.cost.metric);
  cost.set_target(spec.cost.target);
  cost.mutable_targets()->Assign(spec.cost.targets.begin(), spec.cost.targets.end());
  if (spec.cost.range.count != 0) {
    cost.mutable_range()->set_from(spec.cost.range.from);
    cost.mutable_range()->set_to(spec.cost.range.to);
    cost.mutable_range()->set_count(spec.cost.range.count);
  }
  for (const search::CostLimitSpec& limit : spec.cost.limits) {
    v1::CostLimit& each = *cost.add_limits();
    each.set_metric(limit.metric);
    each.set_at_most(limit.at_most);
  }
  cost.mutable_report()->Assign(spec.cost.report.begin(), spec.cost.report.end());
  cost.set_table(spec.cost.table);
  cost.set_count_attention(spec.cost.count_attention);
  v1::RewardSpec& reward = *wire.mutable_reward();
  reward.set_quality(ToWire(kQualitySources, spec.reward.quality));
  reward.set_shape(ToWire(kRewardShapes, spec.reward.shape));
  if (spec.reward.beta != search::kUnsetBeta) reward.set_beta(spec.reward.beta);
  reward.set_probe_images(spec.reward.probe_images);
  v1::ControllerSpec& controller = *wire.mutable_controller();
  controller.set_algorithm(ToWire(kAlgorithms, spec.controller.algorithm));
  controller.set_refinements(spec.controller.refinements);
  controller.set_score(ToWire(kOptionScores, spec.controller.score));
  controller.set_evaluations(spec.controller.evaluations);
  controller.set_rate_schedule(ToWire(kRateSchedules, spec.controller.rate_schedule));
  controller.set_adam_beta1(spec.controller.adam_beta1);
  controller.set_baseline_debiased(spec.controller.baseline_debiased);
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
  wire.mutable_post_training()->set_calibration_images(spec.post_training.calibration_images);
  wire.mutable_post_training()->set_recalibrate_batch_norm(spec.post_training.recalibrate_batch_norm);
  for (const Technique technique : spec.post_training.rewriting.techniques) {
    wire.mutable_post_training()->add_techniques(ToWire(kTechniques, technique));
  }
  wire.mutable_post_training()->set_smooth_alpha(spec.post_training.rewriting.smooth_alpha);
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
    // Jobs stored before there was a choice.
    if (wire.controller().algorithm() == v1::ALGORITHM_UNSPECIFIED) {
      wire.mutable_controller()->set_algorithm(v1::ALGORITHM_REINFORCE);
      v1::RangeSpec& ranges = *wire.mutable_ranges();
      if (ranges.weights() == v1::RANGE_RULE_UNSPECIFIED) ranges.set_weights(v1::RANGE_RULE_MAX_ABS);
      if (ranges.activations() == v1::RANGE_RULE_UNSPECIFIED) ranges.set_activations(v1::RANGE_RULE_MAX_ABS);
    }
    search::JobSpec spec = JobSpecFromWire(wire, violations);
    if (violations.empty()) return spec;
  }
  return absl::DataLossError("the stored spec of the job cannot be read");
}

}  // namespace precis::server
