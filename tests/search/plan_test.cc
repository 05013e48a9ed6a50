// Plans: targets in and out of reach, references, derived fields, fingerprints.
#include "search/plan.h"

#include <gmock/gmock.h>

#include <functional>
#include <set>

#include "absl/strings/str_cat.h"
#include "search/cost/target.h"
#include "search/fingerprint.h"
#include "tests/search/sample_job.h"

namespace precis::search {
namespace {

using ::testing::HasSubstr;

Violation OnlyViolation(const JobSpec& spec) {
  const CompiledPlan compiled = CompilePlan(spec, SampleDatasets());
  EXPECT_EQ(compiled.plan, nullptr);
  EXPECT_EQ(compiled.violations.size(), 1u);
  return compiled.violations.empty() ? Violation{} : compiled.violations.front();
}

// What stands in `text` between the first `before` and the next `after`.
std::string Between(const std::string& text, const std::string& before, const std::string& after) {
  const size_t begin = text.find(before);
  if (begin == std::string::npos) return "";
  const size_t end = text.find(after, begin + before.size());
  if (end == std::string::npos) return "";
  return text.substr(begin + before.size(), end - begin - before.size());
}

TEST(CompilePlan, WorksOutAJob) {
  const auto plan = PlanOf(SampleJob());
  EXPECT_EQ(plan->layers.size(), plan->space.decisions.size());
  EXPECT_EQ(plan->costs.size(), 2u) << "bops and model_size";
  EXPECT_EQ(plan->ranges.size(), 2u);
  EXPECT_EQ(plan->costs[plan->constrained]->name(), "bops");
  const CostModel& bops = *plan->costs[plan->constrained];
  const auto uniform = [&](const char* format) {
    return TotalCost(bops, UniformAssignment(plan->layers.size(), *ParseFormat(format)));
  };
  EXPECT_DOUBLE_EQ(plan->target, 1.1 * uniform("int4"));
  EXPECT_EQ(plan->cheapest, uniform("int2"));
  EXPECT_EQ(plan->dearest, uniform("int8"));
  EXPECT_EQ(plan->total_steps, plan->spec.training.steps);
  EXPECT_NE(plan->spec.training.seed, plan->spec.seed);
  EXPECT_EQ(plan->spec.reward.beta, 0.1);
  EXPECT_EQ(plan->fingerprint.size(), 64u);
}

TEST(CompilePlan, ReferencesAreTheUniformOnesAndTheHandRule) {
  std::vector<std::string> names;
  const auto plan = PlanOf(SampleJob());
  for (const Reference& reference : plan->references) names.push_back(reference.name);
  EXPECT_THAT(names,
              ::testing::ElementsAre("uniform int2", "uniform int3", "uniform int4", "uniform int8",
                                     "ends int8, rest int2", "ends int8, rest int3", "ends int8, rest int4"));
  EXPECT_EQ(AssignmentText(plan->references.back().assignment),
            "int8,int4,int4,int4,int4,int4,int4,int4,int4,int8");
}

TEST(CompilePlan, ReferencesTakeEveryEightBitFormatOrElseTheWidest) {
  JobSpec spec = SampleJob();
  const auto names = [&spec] {
    std::vector<std::string> all;
    const auto plan = PlanOf(spec);
    for (const Reference& reference : plan->references) all.push_back(reference.name);
    return all;
  };
  spec.space.formats = {"e4m3", "int8", "e2m1"};
  EXPECT_THAT(names(), ::testing::ElementsAre("uniform e4m3", "uniform int8", "uniform e2m1",
                                              "ends e4m3, rest e2m1", "ends int8, rest e2m1"));
  spec.space.formats = {"int8", "bf16", "int4"};
  EXPECT_THAT(names(),
              ::testing::ElementsAre("uniform int8", "uniform bf16", "uniform int4", "ends int8, rest int4"));
  spec.space.formats = {"int2", "int5"};
  EXPECT_THAT(names(), ::testing::ElementsAre("uniform int2", "uniform int5", "ends int5, rest int2"));
  spec.space.formats = {"int4"};
  EXPECT_THAT(names(), ::testing::ElementsAre("uniform int4"));
}

TEST(CompilePlan, ReferencesAreConfigurationsThatTheSpaceHas) {
  JobSpec spec = SampleJob();
  spec.space.formats = {"int4/uint4", "int4/uint4_affine", "int8/uint8_affine"};
  spec.cost.target = "1.1x int4";
  std::vector<std::string> names;
  const auto plan = PlanOf(spec);
  for (const Reference& reference : plan->references) names.push_back(reference.name);
  EXPECT_THAT(names, ::testing::ElementsAre("uniform int4/uint4_affine", "uniform int8/uint8_affine",
                                            "ends int8/uint8_affine, rest int4/uint4",
                                            "ends int8/uint8_affine, rest int4/uint4_affine"));
  spec.cost.target = "0.5x int4";
  const CompiledPlan refused = CompilePlan(spec, SampleDatasets());
  ASSERT_EQ(refused.violations.size(), 1u);
  EXPECT_THAT(refused.violations[0].message, HasSubstr("all int4/uint4_affine;"));
}

TEST(CompilePlan, LayersThatNoOptionSuitsAreNamed) {
  JobSpec spec = SampleJob();
  spec.space.formats = {"int4/uint4", "int8/uint8"};
  const CompiledPlan refused = CompilePlan(spec, SampleDatasets());
  ASSERT_EQ(refused.violations.size(), 1u);
  EXPECT_EQ(refused.violations[0].field, "space.formats");
  EXPECT_THAT(refused.violations[0].message, HasSubstr("leaves 1 layer without an option (stem.conv)"));
}

TEST(CompilePlan, ProductsOfAttentionCostWhatTheJobSays) {
  JobSpec spec = SampleJob();
  spec.model.name = "deit_tiny";
  const auto plan = PlanOf(spec);
  spec.cost.count_attention = true;
  const auto counting = PlanOf(spec);
  const CostModel& without = *plan->costs[plan->constrained];
  const CostModel& with = *counting->costs[counting->constrained];
  EXPECT_GT(counting->target, plan->target);
  EXPECT_NE(counting->fingerprint, plan->fingerprint);
  EXPECT_THAT(without.basis(), HasSubstr("the products of attention are not"));
  EXPECT_THAT(with.basis(), HasSubstr("the products of attention are counted"));
  const LayerFormats int4 = *ParseLayerFormats("int4");
  for (size_t i = 0; i < plan->layers.size(); ++i) {
    const bool is_product = plan->layers[i].kind == Layer::Kind::kMatMul;
    const double cost = static_cast<double>(plan->layers[i].macs) * 16;
    EXPECT_EQ(without.LayerCost(i, int4), is_product ? 0 : cost);
    EXPECT_EQ(with.LayerCost(i, int4), cost);
  }
  EXPECT_THAT(PlanOf(SampleJob())->costs[0]->basis(), ::testing::Not(HasSubstr("attention")));
}

TEST(CompilePlan, RangesAreInTheFingerprintWhereTheyMatter) {
  JobSpec spec = SampleJob();
  const std::string plain = PlanOf(spec)->fingerprint;
  spec.training.ranges.percentile = 99;
  EXPECT_EQ(PlanOf(spec)->fingerprint, plain);
  spec.training.ranges.weights = RangeRule::kPercentile;
  const std::string percentile = PlanOf(spec)->fingerprint;
  EXPECT_NE(percentile, plain);
  spec.training.ranges.percentile = 98;
  EXPECT_NE(PlanOf(spec)->fingerprint, percentile);
  spec.training.ranges = {.activations = RangeRule::kLearned};
  EXPECT_NE(PlanOf(spec)->fingerprint, plain);
}

TEST(CompilePlan, ATargetMayNameAnyFormat) {
  JobSpec spec = SampleJob();
  spec.cost.target = "0.5x bf16";
  EXPECT_GT(PlanOf(spec)->target, 0);
  spec.cost = {"model_size", "40 KiB"};
  EXPECT_EQ(PlanOf(spec)->target, 40 * 8192.0);
}

TEST(CompilePlan, TheCheapestConfigurationIsWithinReach) {
  JobSpec spec = SampleJob();
  spec.cost.target = "1x int2";
  const auto plan = PlanOf(spec);
  EXPECT_EQ(plan->target, plan->cheapest);
}

// The message is the user's way out, so what it offers must work when it is handed in again.
TEST(CompilePlan, ATargetOutOfReachIsRefusedWithOneThatWorks) {
  for (const char* metric : {"bops", "model_size"}) {
    for (const char* target : {"0.1x int4", "0.249x int8", "1000"}) {
      for (const double width : {1.0, 0.37, 2.2}) {
        JobSpec spec = SampleJob();
        spec.cost = {metric, target};
        spec.model.width_multiplier = width;
        if (std::string(metric) == "model_size") spec.space.formats = {"int4", "int8"};
        if (std::string(metric) == "bops" && std::string(target) == "0.249x int8")
          spec.space.formats = {"int4"};
        const Violation violation = OnlyViolation(spec);
        EXPECT_EQ(violation.field, "cost.target");
        EXPECT_THAT(violation.message, HasSubstr("out of reach"));
        EXPECT_THAT(violation.message, HasSubstr("Reachable: "));
        EXPECT_THAT(violation.message, HasSubstr("(all int"));
        for (const auto& [before, after] :
             {std::pair{"at least ", " or \""}, std::pair{" or \"", "\", or allow"}}) {
          spec.cost.target = Between(violation.message, before, after);
          EXPECT_TRUE(CompilePlan(spec, SampleDatasets()).violations.empty()) << violation.message;
        }
      }
    }
  }
}

TEST(CompilePlan, ReportsWhatIsAskedForAndWhatIsLimited) {
  const auto names = [](const Plan& plan) {
    std::vector<std::string> all;
    for (const auto& cost : plan.costs) all.push_back(cost->name());
    return all;
  };
  JobSpec spec = SampleJob();
  spec.cost = {"asic-energy", "1.1x int4"};
  EXPECT_THAT(names(*PlanOf(spec)), ::testing::ElementsAre("bops", "model_size", "asic-energy"));
  spec.cost.limits = {{"fpga-lut", "1x int8"}, {"accumulator_bits", "1x int8"}};
  spec.cost.report = {"asic-area"};
  const auto plan = PlanOf(spec);
  EXPECT_THAT(names(*plan),
              ::testing::ElementsAre("asic-energy", "asic-area", "fpga-lut", "accumulator_bits"));
  ASSERT_EQ(plan->limits.size(), 3u);
  EXPECT_EQ(plan->limits[0].cost, plan->constrained);
  EXPECT_EQ(plan->limits[0].amount, plan->target);
  EXPECT_EQ(plan->limits[2].cost, 3u);
  EXPECT_EQ(plan->limits[2].amount, plan->ranges[3].max);
  for (size_t i = 0; i < plan->costs.size(); ++i) {
    EXPECT_EQ(plan->ranges[i].min, ReachableCost(*plan->costs[i], plan->space).min);
  }
}

TEST(CompilePlan, ALimitOutOfReachIsRefusedWithOneThatWorks) {
  JobSpec spec = SampleJob();
  spec.cost.limits = {{"model_size", "1 KiB"}, {"asic-area", "0.2x int4"}};
  const CompiledPlan refused = CompilePlan(spec, SampleDatasets());
  ASSERT_EQ(refused.violations.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(refused.violations[i].field, absl::StrCat("cost.limits[", i, "].at_most"));
    EXPECT_THAT(refused.violations[i].message, HasSubstr("out of reach"));
    spec.cost.limits[i].at_most = Between(refused.violations[i].message, "at least ", ", or allow");
  }
  EXPECT_TRUE(CompilePlan(spec, SampleDatasets()).violations.empty());
}

// Each within reach, all together not: more bits for one are fewer for the other.
TEST(CompilePlan, LimitsThatExcludeEachOtherAreRefusedWithOneThatWorks) {
  JobSpec spec = SampleJob();
  spec.space.formats = {"int8", "int2"};
  spec.cost = {"table", "1x int2"};
  spec.cost.table = "*,int2,4\n*,int8,2\n";
  spec.cost.target = "25";
  spec.cost.limits = {{"model_size", "1x int2"}};
  const CompiledPlan refused = CompilePlan(spec, SampleDatasets());
  ASSERT_EQ(refused.violations.size(), 1u);
  EXPECT_EQ(refused.violations[0].field, "cost.limits");
  EXPECT_THAT(refused.violations[0].message, HasSubstr("no configuration was found"));
  spec.cost.limits[0].at_most = Between(refused.violations[0].message, "comes down to ", " (limit");
  EXPECT_TRUE(CompilePlan(spec, SampleDatasets()).violations.empty()) << refused.violations[0].message;
}

TEST(CompilePlan, EveryFaultOfATableIsToldBesideOthers) {
  JobSpec spec = SampleJob();
  spec.cost = {"wats", "1x int4"};
  spec.cost.table = "*,int2,1\n*,int3,-1\nstem.cnv,int8,1\n";
  std::vector<std::string> faults;
  for (const Violation& violation : CompilePlan(spec, SampleDatasets()).violations) {
    faults.push_back(absl::StrCat(violation.field, " ", violation.message));
  }
  EXPECT_THAT(faults, ::testing::ElementsAre(HasSubstr("cost.metric there is no"),
                                             HasSubstr("cost.table line 2: the cost \"-1\""),
                                             HasSubstr("Did you mean \"stem.conv\"?"),
                                             HasSubstr("cost.table has no cost of int4"),
                                             HasSubstr("cost.table has no cost of int8")));
}

TEST(CompilePlan, ATableIsSearchedOver) {
  JobSpec spec = SampleJob();
  spec.cost = {"table", "21 uJ"};
  spec.cost.table = "# unit: uJ\n*,int2,2\n*,int3,3\n*,int4,4\n*,int8,8\nclassifier,int2,2.5\n";
  const auto plan = PlanOf(spec);
  EXPECT_EQ(plan->costs.back()->unit(), "uJ");
  EXPECT_EQ(plan->cheapest, 20.5);
  EXPECT_EQ(plan->dearest, 80);
  spec.cost.target = "20 uJ";
  const Violation violation = OnlyViolation(spec);
  EXPECT_THAT(violation.message, HasSubstr("Ask for at least 20.5 uJ"));
  spec.cost.target = "1x int5";
  EXPECT_THAT(OnlyViolation(spec).message, HasSubstr("no cost of int5"));
  spec.cost.target = "1 uJ";
  spec.cost.table = "# unit: uJ\n*,int2,0\n*,int3,3\n*,int4,4\n*,int8,8\n";
  EXPECT_THAT(OnlyViolation(spec).message, HasSubstr("cost 0"));
}

TEST(CompilePlan, TellsOfTheTargetBesideOtherFaults) {
  JobSpec spec = SampleJob();
  spec.cost.target = "0.1x int4";
  spec.epochs = -1;
  spec.training.threads = -1;
  std::vector<std::string> fields;
  const CompiledPlan compiled = CompilePlan(spec, SampleDatasets());
  for (const Violation& violation : compiled.violations) fields.push_back(violation.field);
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre("training.epochs", "threads", "cost.target"));
}

TEST(CompilePlan, ImagesTooSmallForTheNetworkAreTheModelsFault) {
  std::vector<DatasetInfo> datasets = SampleDatasets();
  datasets[0].height = datasets[0].width = 2;
  const CompiledPlan compiled = CompilePlan(SampleJob(), datasets);
  ASSERT_EQ(compiled.violations.size(), 1u);
  EXPECT_EQ(compiled.violations[0].field, "model");
}

TEST(Fingerprint, IsThatOfTheCanonicalText) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const auto plan = PlanOf(SampleJob());
  EXPECT_EQ(plan->fingerprint, Sha256Hex(CanonicalText(*plan)));
  EXPECT_EQ(plan->fingerprint, PlanOf(SampleJob())->fingerprint);
}

TEST(Fingerprint, IgnoresWhatDecidesNothing) {
  const std::string original = PlanOf(SampleJob())->fingerprint;
  JobSpec spec = SampleJob();
  spec.display_name = "another";
  spec.data.path = "/elsewhere";
  spec.data.options.loader_threads = 3;
  spec.data.options.memory_mib = 0;
  spec.reward.beta = 0.1;  // the default, said aloud
  spec.cost.target = "1.10 x INT4";
  spec.space.formats[0] = "INT2";
  spec.cost.report = {"model_size", "bops"};  // as without
  EXPECT_EQ(PlanOf(spec)->fingerprint, original);
}

JobSpec FolderJob() {
  JobSpec spec = SampleJob();
  spec.data.name = "image_folder";
  spec.data.found = FoundData{24, 7, 60000, 100, "f00d"};
  return spec;
}

TEST(CompilePlan, TakesTheSizesThatWereFound) {
  const auto plan = PlanOf(FolderJob());
  EXPECT_EQ(plan->graph.input_shape(), Shape({3, 24, 24}));
  EXPECT_EQ(plan->graph.node(plan->graph.output()).shape, Shape({7}));
  EXPECT_EQ(plan->dataset.train_images, 60000);
  JobSpec unseen = FolderJob();
  unseen.data.found.reset();
  const CompiledPlan compiled = CompilePlan(unseen, SampleDatasets());
  EXPECT_EQ(compiled.plan, nullptr);
  ASSERT_EQ(compiled.violations.size(), 1u);
  EXPECT_EQ(compiled.violations[0].field, "data.path");
}

TEST(Fingerprint, ChangesWithWhatAFolderHolds) {
  const std::vector<std::function<void(JobSpec&)>> changes = {
      [](JobSpec&) {},
      [](JobSpec& s) { s.data.found->content = "beef"; },
      [](JobSpec& s) { s.data.found->classes = 8; },
      [](JobSpec& s) { s.data.options.resize = 28; },
      [](JobSpec& s) { s.data.options.channels = 1; },
      [](JobSpec& s) { s.data.options.corrupt_files = CorruptFiles::kSkip; },
  };
  std::set<std::string> fingerprints;
  for (const auto& change : changes) {
    JobSpec spec = FolderJob();
    change(spec);
    fingerprints.insert(PlanOf(spec)->fingerprint);
  }
  EXPECT_EQ(fingerprints.size(), changes.size());
  JobSpec spec = FolderJob();
  spec.data.options.resize = 24;  // the default, said aloud
  EXPECT_EQ(PlanOf(spec)->fingerprint, PlanOf(FolderJob())->fingerprint);
}

TEST(Fingerprint, ChangesWithEverythingElse) {
  const std::vector<std::function<void(JobSpec&)>> changes = {
      [](JobSpec&) {},
      [](JobSpec& s) { s.model.name = "resnet20"; },
      [](JobSpec& s) { s.model.width_multiplier = 2; },
      [](JobSpec& s) { s.data.search_images = 5000; },
      [](JobSpec& s) { s.data.options.augment.crop_padding = 2; },
      [](JobSpec& s) { s.data.options.augment.resized_crop = 0.5; },
      [](JobSpec& s) { s.data.options.augment.flip = true; },
      [](JobSpec& s) {
        s.space.formats = {"int3", "int2", "int4", "int8"};
      },
      [](JobSpec& s) {
        s.space.formats = {"int3", "int4", "int8"};
      },
      [](JobSpec& s) { s.cost.target = "1.2x int4"; },
      [](JobSpec& s) { s.cost.metric = "model_size"; },
      [](JobSpec& s) { s.cost.metric = "asic-energy"; },
      [](JobSpec& s) { s.cost.report = {"bops"}; },
      [](JobSpec& s) {
        s.cost.limits = {{"model_size", "1x int4"}};
      },
      [](JobSpec& s) {
        s.cost.limits = {{"model_size", "1x int8"}};
      },
      [](JobSpec& s) { s.cost.table = "*,int2,2\n*,int3,3\n*,int4,4\n*,int8,8"; },
      [](JobSpec& s) { s.cost.table = "*,int2,2\n*,int3,3\n*,int4,5\n*,int8,8"; },
      [](JobSpec& s) { s.cost.table = "# unit: J\n*,int2,2\n*,int3,3\n*,int4,5\n*,int8,8"; },
      [](JobSpec& s) { s.reward.quality = QualitySource::kTrainLoss; },
      [](JobSpec& s) { s.reward.shape = RewardShape::kOneSided; },
      [](JobSpec& s) { s.reward.beta = 0.2; },
      [](JobSpec& s) { s.reward.probe_images = 64; },
      [](JobSpec& s) { s.controller.learning_rate = 0.01; },
      [](JobSpec& s) { s.controller.baseline_momentum = 0.9; },
      [](JobSpec& s) { s.controller.warmup_share = 0.1; },
      [](JobSpec& s) { s.controller.entropy_weight = 0.1; },
      [](JobSpec& s) { s.controller.entropy_schedule = EntropySchedule::kLinear; },
      [](JobSpec& s) { s.controller.log_prob = LogProbReduction::kSum; },
      [](JobSpec& s) { s.epochs = 5; },
      [](JobSpec& s) { s.training.batch_size = 64; },
      [](JobSpec& s) { s.training.learning_rate = 0.2; },
      [](JobSpec& s) { s.training.warmup_share = 0.1; },
      [](JobSpec& s) { s.training.momentum = 0.8; },
      [](JobSpec& s) { s.training.nesterov = false; },
      [](JobSpec& s) { s.training.weight_decay = 0; },
      [](JobSpec& s) { s.training.label_smoothing = 0.1; },
      [](JobSpec& s) { s.training.explosion_factor = 5; },
      [](JobSpec& s) { s.training.gradient_explosion_factor = 0; },
      [](JobSpec& s) { s.training.gradient_clip_norm = 0; },
      [](JobSpec& s) { s.training.recalibration_images = 1024; },
      [](JobSpec& s) { s.training.evaluation_batch_size = 128; },
      [](JobSpec& s) { s.training.device = Device::kCpu; },
      [](JobSpec& s) { s.training.threads = 2; },
      [](JobSpec& s) { s.finish.frozen_share = 0.2; },
      [](JobSpec& s) { s.finish.sampled_candidates = 4; },
      [](JobSpec& s) { s.seed = 2; },
  };
  std::set<std::string> fingerprints;
  for (size_t i = 0; i < changes.size(); ++i) {
    JobSpec spec = SampleJob();
    changes[i](spec);
    EXPECT_TRUE(fingerprints.insert(PlanOf(spec)->fingerprint).second) << "change " << i;
  }
}

}  // namespace
}  // namespace precis::search
