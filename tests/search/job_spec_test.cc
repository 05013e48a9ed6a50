// Validation: every fault, all at once, each with its field and remedy.
#include "search/job_spec.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/search/sample_job.h"

namespace precis::search {
namespace {

using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Validate, ASensibleJobHasNoFault) {
  EXPECT_TRUE(Validate(SampleJob(), SampleDatasets()).empty());
  EXPECT_TRUE(Validate(ShortJob(), SampleDatasets()).empty());
}

struct Fault {
  const char* field;
  const char* says;  // part of the message
  std::function<void(JobSpec&)> make;
};

// A job about a folder of 1000 + 100 images of 24 pixels, looked at.
void MakeFolder(JobSpec& spec) {
  spec.data.name = "image_folder";
  spec.data.search_images = 200;
  spec.data.found = FoundData{24, 7, 1000, 100, "f00d"};
  spec.reward.probe_images = 100;
  spec.training.batch_size = 10;
  spec.training.recalibration_images = 100;
}

// A job about a model from a file, as it is.
void MakeOwn(JobSpec& spec) {
  SetAlgorithmDefaults(Algorithm::kPrecis, spec);
  SetStartDefaults(Start::kPostTraining, spec);
  spec.model.name.clear();
  spec.model.path = "/m.onnx";
}

// One fault each: exactly that field is blamed, and the message holds what helps.
const std::vector<Fault>& Faults() {
  static const std::vector<Fault> faults = {
      {"display_name", "at most 100", [](JobSpec& s) { s.display_name = std::string(101, 'a'); }},
      {"display_name", "control character", [](JobSpec& s) { s.display_name = "a\nb"; }},
      {"model.name", "is required", [](JobSpec& s) { s.model.name = ""; }},
      {"model.name", "Did you mean \"resnet8\"?", [](JobSpec& s) { s.model.name = "resnet_8"; }},
      {"model.width_multiplier", "from 0.1 up to 4", [](JobSpec& s) { s.model.width_multiplier = 5; }},
      {"model.width_multiplier", "nan is not allowed", [](JobSpec& s) { s.model.width_multiplier = kNan; }},
      {"model.start", "networks by name have none", [](JobSpec& s) { s.model.start = Start::kFinetune; }},
      {"model.output", "from a file", [](JobSpec& s) { s.model.output = "logits"; }},
      {"model.name", "two networks", [](JobSpec& s) { s.model.path = "/m.onnx"; }},
      {"model.path", "no absolute path",
       [](JobSpec& s) {
         MakeOwn(s);
         s.model.path = "m.onnx";
       }},
      {"model.width_multiplier", "taken as it is",
       [](JobSpec& s) {
         MakeOwn(s);
         s.model.width_multiplier = 2;
       }},
      {"space.architecture", "taken as it is",
       [](JobSpec& s) {
         MakeOwn(s);
         s.space.architecture.skip = true;
       }},
      {"model.labels", "has 2 names, and fashion_mnist has 10",
       [](JobSpec& s) {
         s.model.labels = {"a", "b"};
       }},
      {"model.labels[1]", "given twice",
       [](JobSpec& s) { s.model.labels = {"a", "a", "c", "d", "e", "f", "g", "h", "i", "j"}; }},
      {"training.epochs", "trains nothing",
       [](JobSpec& s) {
         MakeOwn(s);
         s.epochs = 1;
       }},
      {"ranges.weights", "come of training",
       [](JobSpec& s) {
         MakeOwn(s);
         s.training.ranges.weights = RangeRule::kLearned;
       }},
      {"ranges.activations", "come of training",
       [](JobSpec& s) {
         MakeOwn(s);
         s.training.ranges.activations = RangeRule::kMovingAverage;
       }},
      {"controller.algorithm", "learns while it trains",
       [](JobSpec& s) {
         MakeOwn(s);
         s.controller.algorithm = Algorithm::kTunas;
       }},
      {"post_training.calibration_images", "2 to 58000",
       [](JobSpec& s) {
         MakeOwn(s);
         s.post_training.calibration_images = 1;
       }},
      {"post_training.techniques[2]", "gptq is given twice",
       [](JobSpec& s) {
         MakeOwn(s);
         s.post_training.rewriting.techniques = {Technique::kGptq, Technique::kSmooth, Technique::kGptq};
       }},
      {"post_training.techniques", "equalization and smooth set the same factors",
       [](JobSpec& s) {
         MakeOwn(s);
         s.post_training.rewriting.techniques = {Technique::kSmooth, Technique::kEqualization};
       }},
      {"post_training.techniques", "learned_rounding and gptq both choose",
       [](JobSpec& s) {
         MakeOwn(s);
         s.post_training.rewriting.techniques = {Technique::kLearnedRounding, Technique::kGptq};
       }},
      {"post_training.techniques", "model.start is from_scratch",
       [](JobSpec& s) { s.post_training.rewriting.techniques = {Technique::kGptq}; }},
      {"post_training.smooth_alpha", "from 0 up to 1",
       [](JobSpec& s) {
         MakeOwn(s);
         s.post_training.rewriting.smooth_alpha = 1.5;
       }},
      {"data.mean", "has 3 numbers, and images have 1 channel",
       [](JobSpec& s) {
         s.data.options.mean = {0, 0, 0};
       }},
      {"data.mean[0]", "divide by 255", [](JobSpec& s) { s.data.options.mean = {12300}; }},
      {"data.standard_deviation[0]", "0 is out of range",
       [](JobSpec& s) { s.data.options.standard_deviation = {0}; }},
      {"data.channel_order", "images of 3 channels",
       [](JobSpec& s) { s.data.options.channel_order = ChannelOrder::kBgr; }},
      {"data.name", "Did you mean \"fashion_mnist\"?", [](JobSpec& s) { s.data.name = "fashion-mnist"; }},
      {"data.name", "is required", [](JobSpec& s) { s.data.name = ""; }},
      {"data.path", "control characters", [](JobSpec& s) { s.data.path = std::string("a\0b", 3); }},
      {"data.path", "at most 4096", [](JobSpec& s) { s.data.path = std::string(5000, 'a'); }},
      {"data.search_images", "1 to 30000 (half of the 60000",
       [](JobSpec& s) { s.data.search_images = 30001; }},
      {"data.search_images", "-5 is not allowed", [](JobSpec& s) { s.data.search_images = -5; }},
      {"data.channels", "is for image_folder: the images of fashion_mnist",
       [](JobSpec& s) { s.data.options.channels = 1; }},
      {"data.image_size", "is for image_folder", [](JobSpec& s) { s.data.options.image_size = 32; }},
      {"data.resize", "is for image_folder", [](JobSpec& s) { s.data.options.resize = 40; }},
      {"data.corrupt_files", "is for image_folder",
       [](JobSpec& s) { s.data.options.corrupt_files = CorruptFiles::kSkip; }},
      {"data.channels", "2 is not allowed: give 1 (grey) or 3",
       [](JobSpec& s) {
         MakeFolder(s);
         s.data.options.channels = 2;
       }},
      {"data.image_size", "8 to 1024",
       [](JobSpec& s) {
         MakeFolder(s);
         s.data.options.image_size = 7;
       }},
      {"data.resize", "24 to 2048",
       [](JobSpec& s) {
         MakeFolder(s);
         s.data.options.resize = 23;
       }},
      {"data.search_images", "1 to 500 (half of the 1000",
       [](JobSpec& s) {
         MakeFolder(s);
         s.data.search_images = 501;
       }},
      {"data.augment.crop_padding", "0 to 64", [](JobSpec& s) { s.data.options.augment.crop_padding = 65; }},
      {"data.augment.crop_padding", "0 to 64", [](JobSpec& s) { s.data.options.augment.crop_padding = -1; }},
      {"data.augment.resized_crop", "from 0 up to 1",
       [](JobSpec& s) { s.data.options.augment.resized_crop = kNan; }},
      {"data.augment", "two ways",
       [](JobSpec& s) { s.data.options.augment = {.crop_padding = 4, .resized_crop = 0.08}; }},
      {"data.loader_threads", "0 to 256", [](JobSpec& s) { s.data.options.loader_threads = 257; }},
      {"data.memory_mib", "0 to 16777216", [](JobSpec& s) { s.data.options.memory_mib = -1; }},
      {"space.formats", "at least one", [](JobSpec& s) { s.space.formats = {}; }},
      {"space.formats[1]", "int4",
       [](JobSpec& s) {
         s.space.formats = {"int8", "int44"};
       }},
      {"space.formats[0]", "as in \"int4/uint4\"",
       [](JobSpec& s) {
         s.space.formats = {"uint4", "int8"};
       }},
      {"space.formats[1]", "activation format: ",
       [](JobSpec& s) {
         s.space.formats = {"int8", "int8/unit8"};
       }},
      {"space.formats[1]", "weight format: ",
       [](JobSpec& s) {
         s.space.formats = {"int8", "/int8"};
       }},
      {"ranges.weights", "for activations",
       [](JobSpec& s) { s.training.ranges.weights = RangeRule::kMovingAverage; }},
      {"ranges.percentile", "above 50", [](JobSpec& s) { s.training.ranges.percentile = 50; }},
      {"ranges.percentile", "100.5 is not allowed", [](JobSpec& s) { s.training.ranges.percentile = 100.5; }},
      {"ranges.momentum", "below 1", [](JobSpec& s) { s.training.ranges.momentum = 1; }},
      {"space.formats[2]", "already in the list",
       [](JobSpec& s) {
         s.space.formats = {"int8", "int4", "int8"};
       }},
      {"space.formats[1]", "another name of the same format",
       [](JobSpec& s) {
         s.space.formats = {"e4m3", "e4m3sat"};
       }},
      {"space.formats[1]", "another name of the same format",
       [](JobSpec& s) {
         s.space.formats = {"int4", "INT4"};
       }},
      {"space.formats[1]", "another name of the same format",
       [](JobSpec& s) {
         s.space.formats = {"int4", "int4/int4"};
       }},
      {"cost.metric", "Did you mean \"bops\"?", [](JobSpec& s) { s.cost.metric = "bop"; }},
      {"cost.metric", "is required", [](JobSpec& s) { s.cost.metric = ""; }},
      {"cost.target", "required", [](JobSpec& s) { s.cost.target = ""; }},
      {"cost.target", "unit of the metric model_size", [](JobSpec& s) { s.cost.target = "40 KiB"; }},
      {"cost.limits[0].metric", "Did you mean \"fpga-lut\"?",
       [](JobSpec& s) {
         s.cost.limits = {{"fpga_lut", "1x int4"}};
       }},
      {"cost.limits[0].at_most", "required",
       [](JobSpec& s) {
         s.cost.limits = {{"model_size", ""}};
       }},
      {"cost.limits[0].at_most", "unit of the metric bops",
       [](JobSpec& s) {
         s.cost.limits = {{"model_size", "1 GBOPs"}};
       }},
      {"cost.limits[0].metric", "has a limit already, cost.target",
       [](JobSpec& s) {
         s.cost.limits = {{"bops", "1x int8"}};
       }},
      {"cost.limits[1].metric", "has a limit already, cost.limits[0]",
       [](JobSpec& s) {
         s.cost.limits = {{"model_size", "1x int8"}, {"model_size", "1x int4"}};
       }},
      {"cost.report[0]", "Did you mean \"asic-energy\"?", [](JobSpec& s) { s.cost.report = {"asic-enery"}; }},
      {"cost.report[1]", "already in the list",
       [](JobSpec& s) {
         s.cost.report = {"bops", "bops"};
       }},
      {"cost.table", "is required for the metric", [](JobSpec& s) { s.cost.report = {"table"}; }},
      {"cost.table", "1048577 bytes", [](JobSpec& s) { s.cost.table = std::string((1 << 20) + 1, '#'); }},
      {"reward.beta", "from 0", [](JobSpec& s) { s.reward.beta = -0.5; }},
      {"reward.beta", "inf is not allowed", [](JobSpec& s) { s.reward.beta = kInf; }},
      {"reward.probe_images", "1 to 6000 (data.search_images)",
       [](JobSpec& s) { s.reward.probe_images = 6001; }},
      {"reward.probe_images", "0 is not allowed", [](JobSpec& s) { s.reward.probe_images = 0; }},
      {"controller.learning_rate", "above 0", [](JobSpec& s) { s.controller.learning_rate = 0; }},
      {"controller.baseline_momentum", "below 1", [](JobSpec& s) { s.controller.baseline_momentum = 1; }},
      {"controller.warmup_share", "below 1", [](JobSpec& s) { s.controller.warmup_share = 1; }},
      {"controller.warmup_share", "leaves no step", [](JobSpec& s) { s.controller.warmup_share = 0.9999; }},
      {"controller.entropy_weight", "from 0", [](JobSpec& s) { s.controller.entropy_weight = -1; }},
      {"controller.score", "is for precis and sensitivity",
       [](JobSpec& s) { s.controller.score = OptionScore::kQsnr; }},
      {"controller.score", "reinforce does not",
       [](JobSpec& s) { s.controller.score = OptionScore::kFisher; }},
      {"controller.score", "set controller.refinements to 0",
       [](JobSpec& s) {
         s.controller.algorithm = Algorithm::kPrecis;
         s.controller.score = OptionScore::kQsnr;
         s.controller.refinements = 1;
       }},
      {"controller.score", "which are 0",
       [](JobSpec& s) {
         s.controller.algorithm = Algorithm::kSensitivity;
         s.controller.score = OptionScore::kFisher;
         s.controller.screening_images = 0;
       }},
      {"controller.score", "leave space.architecture out",
       [](JobSpec& s) {
         s.model.name = "mobilenet_v2";
         s.space.architecture.skip = true;
         s.controller.algorithm = Algorithm::kSensitivity;
         s.controller.score = OptionScore::kFisher;
       }},
      {"training.epochs", "above 0", [](JobSpec& s) { s.epochs = 0; }},
      {"training.epochs", "up to 10000", [](JobSpec& s) { s.epochs = 1e300; }},
      {"training.epochs", "no training step", [](JobSpec& s) { s.epochs = 1e-6; }},
      {"training.batch_size", "2 to 54000", [](JobSpec& s) { s.training.batch_size = 54001; }},
      {"training.batch_size", "-1 is not allowed", [](JobSpec& s) { s.training.batch_size = -1; }},
      {"training.learning_rate", "above 0", [](JobSpec& s) { s.training.learning_rate = -0.1; }},
      {"training.warmup_share", "below 1", [](JobSpec& s) { s.training.warmup_share = kNan; }},
      {"training.momentum", "below 1", [](JobSpec& s) { s.training.momentum = 1; }},
      {"training.nesterov", "momentum above 0", [](JobSpec& s) { s.training.momentum = 0; }},
      {"training.weight_decay", "from 0 up to 1", [](JobSpec& s) { s.training.weight_decay = -1; }},
      {"training.label_smoothing", "below 1", [](JobSpec& s) { s.training.label_smoothing = 1; }},
      {"training.explosion_factor", "above 1", [](JobSpec& s) { s.training.explosion_factor = 1; }},
      {"training.gradient_explosion_factor", "0 turns it off",
       [](JobSpec& s) { s.training.gradient_explosion_factor = 0.5; }},
      {"training.gradient_clip_norm", "0 turns it off",
       [](JobSpec& s) { s.training.gradient_clip_norm = -1; }},
      {"training.recalibration_images", "2 to 54000",
       [](JobSpec& s) { s.training.recalibration_images = 1; }},
      {"training.evaluation_batch_size", "1 to 65536",
       [](JobSpec& s) { s.training.evaluation_batch_size = 0; }},
      {"threads", "0 to 1024", [](JobSpec& s) { s.training.threads = -1; }},
      {"threads", "all cores", [](JobSpec& s) { s.training.threads = 5000; }},
      {"finish.frozen_share", "up to 0.9", [](JobSpec& s) { s.finish.frozen_share = 0.95; }},
      {"finish.sampled_candidates", "0 to 1000", [](JobSpec& s) { s.finish.sampled_candidates = 1001; }},
  };
  return faults;
}

TEST(Validate, EveryFaultIsFoundAloneAndBlamesItsField) {
  for (const Fault& fault : Faults()) {
    JobSpec spec = SampleJob();
    fault.make(spec);
    const Violations violations = Validate(spec, SampleDatasets());
    ASSERT_EQ(violations.size(), 1u) << fault.field << " " << fault.says;
    EXPECT_EQ(violations[0].field, fault.field) << violations[0].message;
    EXPECT_THAT(violations[0].message, HasSubstr(fault.says)) << fault.field;
    EXPECT_THAT(violations[0].message.substr(violations[0].message.size() - 1), ::testing::AnyOf(".", "?"));
  }
}

TEST(Validate, TellsAllFaultsAtOnce) {
  JobSpec spec = SampleJob();
  spec.display_name = "a\tb";
  spec.model.name = "resnet9";
  spec.data.search_images = 0;
  spec.space.formats = {"int4", "int4", "int99"};
  spec.cost.metric = "watts";
  spec.cost.target = "free";
  spec.controller.learning_rate = kNan;
  spec.epochs = -1;
  spec.training.momentum = 0;
  spec.finish.frozen_share = 1;
  std::vector<std::string> fields;
  for (const Violation& violation : Validate(spec, SampleDatasets())) fields.push_back(violation.field);
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre(
                          "display_name", "model.name", "data.search_images", "space.formats[1]",
                          "space.formats[2]", "cost.metric", "cost.target", "controller.learning_rate",
                          "training.epochs", "training.nesterov", "finish.frozen_share"));
}

TEST(Validate, CountsCharactersNotBytes) {
  JobSpec spec = SampleJob();
  for (int i = 0; i < 100; ++i) spec.display_name += "é";
  EXPECT_TRUE(Validate(spec, SampleDatasets()).empty());
}

TEST(Validate, KnowsNoDataSetIfTheServerHasNone) {
  const Violations violations = Validate(SampleJob(), {});
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "data.name");
}

TEST(Validate, TakesTheEndsOfEveryRange) {
  JobSpec spec = SampleJob();
  spec.data.search_images = 30000;
  spec.reward.probe_images = 30000;
  spec.reward.beta = 0;
  spec.controller.baseline_momentum = 0;
  spec.controller.warmup_share = 0;
  spec.controller.entropy_weight = 0;
  spec.finish.frozen_share = 0.9;
  spec.finish.sampled_candidates = 0;
  spec.training.momentum = 0;
  spec.training.nesterov = false;
  spec.training.weight_decay = 0;
  spec.training.gradient_clip_norm = 0;
  spec.training.batch_size = 30000;
  spec.epochs = 10000;
  EXPECT_TRUE(Validate(spec, SampleDatasets()).empty());
}

TEST(Schedule, SharesOutTheSteps) {
  const DatasetInfo dataset = SampleDatasets().front();
  JobSpec spec = SampleJob();
  const Schedule usual = ScheduleOf(spec, dataset);
  EXPECT_EQ(usual.total_steps, 1688);  // 4 · 54000 / 128
  EXPECT_EQ(usual.search_steps, 844);
  EXPECT_EQ(usual.warmup_steps, 211);
  spec.finish.frozen_share = 0;
  spec.controller.warmup_share = 0;
  const Schedule bare = ScheduleOf(spec, dataset);
  EXPECT_EQ(bare.search_steps, bare.total_steps);
  EXPECT_EQ(bare.warmup_steps, 0);
}

}  // namespace
}  // namespace precis::search
