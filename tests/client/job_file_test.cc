// Job files that are right: every field arrives where the proto has it.
#include "client/job_file.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

namespace precis::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

JobFile Parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const absl::StatusOr<JobFile> file = ParseJobFile(text, overrides);
  EXPECT_TRUE(file.ok()) << file.status();
  return file.value_or(JobFile());
}

void ExpectSpec(const JobFile& file, const std::string& text_proto) {
  v1::JobSpec expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(text_proto, &expected));
  for (const Fault& fault : file.faults) ADD_FAILURE() << FaultText(fault, "job.yaml");
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(file.spec, expected))
      << file.spec.DebugString();
}

TEST(JobFile, ReadsEveryKindOfField) {
  ExpectSpec(Parse("display_name: first try\n"
                   "model: {name: resnet8, width_multiplier: 0.5, stem: small, stage1_projection: false}\n"
                   "data:\n  name: fashion_mnist\n  search_images: 500\n"
                   "space:\n  formats: [int4, int8]\n"
                   "cost:\n  target: 1.1x int4\n"
                   "reward: {quality: train_loss, shape: one_sided, beta: 1e-1}\n"
                   "training:\n  epochs: .5\n  learning_rate: 0\n  nesterov: true\n"
                   "seed: 18446744073709551615\n"
                   "device: cpu\n"
                   "threads: 2\n"),
             R"(display_name: "first try"
                model { name: "resnet8" width_multiplier: 0.5 stem: STEM_SMALL stage1_projection: false }
                data { name: "fashion_mnist" search_images: 500 }
                space { formats: "int4" formats: "int8" }
                cost { target: "1.1x int4" }
                reward { quality: QUALITY_SOURCE_TRAIN_LOSS shape: REWARD_SHAPE_ONE_SIDED beta: 0.1 }
                training { epochs: 0.5 learning_rate: 0 nesterov: true }
                seed: 18446744073709551615 device: DEVICE_CPU threads: 2)");
}

TEST(JobFile, TakesTextAsItIsWritten) {
  ExpectSpec(Parse("cost:\n  target: 153000000\ndisplay_name: true\n"),
             R"(cost { target: "153000000" } display_name: "true")");
}

TEST(JobFile, KeepsZeroApartFromUnset) {
  const JobFile file = Parse("finish: {sampled_candidates: 0}\n");
  EXPECT_TRUE(file.spec.finish().has_sampled_candidates());
  EXPECT_FALSE(file.spec.finish().has_frozen_share());
}

TEST(JobFile, AnEmptySectionIsNoFault) { ExpectSpec(Parse("reward:\n  # beta: 0.1\nseed: 3\n"), "seed: 3"); }

TEST(JobFile, BlockListsAndFlowListsAreTheSame) {
  ExpectSpec(Parse("space:\n  formats:\n    - int4\n    - \"int8\"\n"),
             R"(space { formats: "int4" formats: "int8" })");
}

TEST(JobFile, ReadsListsOfNumbers) {
  ExpectSpec(Parse("space:\n  architecture: {kernel: [3, 5], width: [0.5, 1], skip: true}\n"),
             "space { architecture { kernel: 3 kernel: 5 width: 0.5 width: 1 skip: true } }");
  const JobFile file = Parse("space:\n  architecture: {kernel: [3, five], expansion: 6}\n");
  ASSERT_EQ(file.faults.size(), 2u);
  EXPECT_EQ(FaultText(file.faults[0], "j").find("j:2:30: space.architecture.kernel[1]: must be a whole number"),
            0u)
      << FaultText(file.faults[0], "j");
  EXPECT_NE(FaultText(file.faults[1], "j").find("such as [6]"), std::string::npos);
}

TEST(JobFile, ReadsListsOfMappings) {
  ExpectSpec(Parse("cost:\n  limits:\n    - metric: model_size\n      at_most: 40 KiB\n"
                   "    - {metric: asic-energy, at_most: 1.1x int4}\n  report: [fpga-lut]\n"),
             R"(cost { limits { metric: "model_size" at_most: "40 KiB" }
                       limits { metric: "asic-energy" at_most: "1.1x int4" } report: "fpga-lut" })");
  EXPECT_EQ(Parse("cost:\n  limits:\n    - metric: x\n").places.at("cost.limits[0].metric").line, 3);
}

TEST(JobFile, EveryFieldAndChoiceOfTheHelpCanBeWritten) {
  const std::string help = JobFileHelp();
  for (const char* field :
       {"display_name", "width_multiplier", "formats: <list of text>", "train_loss", "seed"})
    EXPECT_THAT(help, HasSubstr(field));
}

TEST(JobFile, OverridesReplaceAddAndMakeSections) {
  ExpectSpec(Parse("seed: 1\nmodel: {name: resnet8}\ntraining:\n",
                   {"seed=7", "training.epochs=0.1", "space.formats=[int2, int8]", "model.stem=imagenet",
                    "cost.target=0.2 GBOPs"}),
             R"(seed: 7 model { name: "resnet8" stem: STEM_IMAGENET } training { epochs: 0.1 }
                space { formats: "int2" formats: "int8" } cost { target: "0.2 GBOPs" })");
}

TEST(JobFile, FaultsOfAnOverrideNameIt) {
  const JobFile file = Parse("seed: 1\n", {"training.epoch=2", "seed=x", "display_name="});
  ASSERT_EQ(file.faults.size(), 3u);
  EXPECT_THAT(FaultText(file.faults[2], "job.yaml"), HasSubstr("display_name: has no value"));
  EXPECT_EQ(FaultText(file.faults[0], "job.yaml"), "--set seed: seed: must be a whole number, not \"x\".");
  EXPECT_THAT(FaultText(file.faults[1], "job.yaml"), HasSubstr("Did you mean \"epochs\"?"));
}

TEST(JobFile, RefusesOverridesWithoutForm) {
  for (const char* bad : {"seed", "=3", "a..b=3", "seed.x=3", "seed=[1", "seed=*x"}) {
    const auto file = ParseJobFile("seed: 1\n", {bad});
    EXPECT_TRUE(absl::IsInvalidArgument(file.status())) << bad;
    EXPECT_THAT(std::string(file.status().message()), HasSubstr("--set")) << bad;
  }
}

TEST(JobFile, RefusesWhatIsNoMapping) {
  for (const char* bad : {"just words", "[1, 2]", "~", "\"model: x\""}) {
    const auto file = ParseJobFile(bad, {});
    EXPECT_TRUE(absl::IsInvalidArgument(file.status())) << bad;
  }
}

// No truncation and no flipped bit may do worse than be refused.
TEST(JobFile, SurvivesDamage) {
  const std::string text =
      "# a comment\nmodel: {name: resnet8, width_multiplier: 0.5}\nspace:\n  formats:\n    - int4\n    - "
      "\"int8\"\n"
      "cost:\n  target: >-\n    1.1x\n    int4\ntraining: {epochs: 4, nesterov: true}\n? seed\n: 18\n";
  ASSERT_TRUE(ParseJobFile(text, {}).ok());
  int read = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    read += ParseJobFile(text.substr(0, i), {}).ok();
    read += ParseJobFile(text.substr(i), {}).ok();
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      read += ParseJobFile(damaged, {}).ok();
    }
  }
  EXPECT_GT(read, 0);
}

TEST(JobFile, RemembersWhereEverythingStands) {
  const JobFile file = Parse("model:\n  name: resnet8\nspace:\n  formats: [int4, int8]\n");
  EXPECT_EQ(file.places.at("model.name"), (Place{2, 3, ""}));
  EXPECT_EQ(file.places.at("space.formats[1]"), (Place{4, 19, ""}));
  EXPECT_THAT(file.suspect_paths, IsEmpty());
}

}  // namespace
}  // namespace precis::client
