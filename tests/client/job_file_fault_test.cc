// Job files that are wrong: a table of faults, and what stands in for what the server would say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/job_check.h"
#include "client/job_file.h"

namespace precis::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Case {
  const char* name;
  const char* text;
  std::vector<std::string> faults;  // each line begins with this, or holds what stands after a "*"
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class JobFileFaults : public ::testing::TestWithParam<Case> {};

TEST_P(JobFileFaults, AreAllFound) {
  const absl::StatusOr<JobFile> file = ParseJobFile(GetParam().text, {});
  ASSERT_TRUE(file.ok()) << file.status();
  std::vector<std::string> lines;
  for (const Fault& fault : file->faults) lines.push_back(FaultText(fault, "j"));
  ASSERT_EQ(lines.size(), GetParam().faults.size()) << ::testing::PrintToString(lines);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& expected = GetParam().faults[i];
    const size_t star = expected.find('*');
    EXPECT_THAT(lines[i], ::testing::StartsWith(expected.substr(0, star)));
    if (star != std::string::npos) {
      EXPECT_THAT(lines[i], HasSubstr(expected.substr(star + 1)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, JobFileFaults,
    ::testing::Values(
        Case{"UnknownField",
             "modle:\n  name: x\n",
             {"j:1:1: modle: unknown field. Did you mean \"model\"?*Known are: display_name, model"}},
        Case{"UnknownFieldBelow",
             "data:\n  nmae: x\n",
             {"j:2:3: data.nmae: unknown field. Did you mean \"name\"? Known here are: name, path, "
              "search_images, channels, image_size, resize, corrupt_files, augment, loader_threads, "
              "memory_mib, found, mean, standard_deviation, channel_order."}},
        Case{"FieldOfAnotherSection",
             "epochs: 3\n",
             {"j:1:1: epochs: unknown field. Did you mean \"training.epochs\"?"}},
        Case{"FieldOfTwoSections",
             "learning_rate: 3\n",
             {"j:1:1: learning_rate: unknown field. Did you mean \"controller.learning_rate\" or "
              "\"training.learning_rate\"?"}},
        Case{"FieldNothingLike", "zebra: 3\n", {"j:1:1: zebra: unknown field. Known are"}},
        Case{"CamelCase",
             "displayName: x\n",
             {"j:1:1: displayName: unknown field. Did you mean \"display_name\"?"}},
        Case{"WrongCase", "Seed: 1\n", {"j:1:1: Seed: unknown field. Did you mean \"seed\"?"}},
        Case{"TextForNumber", "seed: one\n", {"j:1:7: seed: must be a whole number, not \"one\"."}},
        Case{"FractionForWhole",
             "training: {batch_size: 12.5}\n",
             {"j:1:24: training.batch_size: must be a whole number, not \"12.5\"."}},
        Case{"ExponentForWhole", "seed: 1e3\n", {"j:1:7: seed: must be a whole number, not \"1e3\"."}},
        Case{"HexForWhole", "seed: 0x10\n", {"j:1:7: seed: must be a whole number"}},
        Case{"NegativeUnsigned",
             "seed: -1\n",
             {"j:1:7: seed: -1 is out of range; it must be between 0 and 18446744073709551615."}},
        Case{"TooLargeUnsigned",
             "seed: 18446744073709551616\n",
             {"j:1:7: seed: 18446744073709551616 is out of range"}},
        Case{"TooLargeInt32",
             "threads: 2147483648\n",
             {"j:1:10: threads: 2147483648 is out of range; it must be between -2147483648 and 2147483647."}},
        Case{"TooLargeInt64",
             "data: {search_images: 9223372036854775808}\n",
             {"j:1:23: data.search_images: 9223372036854775808 is out of range"}},
        Case{"QuotedNumber",
             "seed: \"1\"\n",
             {"j:1:7: seed: must be a whole number, not \"1\" in quotes, which is text."}},
        Case{"NotANumber",
             "training: {epochs: .nan}\n",
             {"j:1:20: training.epochs: must be a number, not \".nan\"."}},
        Case{"Infinite", "training: {epochs: 1e999}\n", {"j:1:20: training.epochs: 1e999 is too large."}},
        Case{"NumberWithUnit",
             "training: {epochs: 4 epochs}\n",
             {"j:1:20: training.epochs: must be a number, not \"4 epochs\"."}},
        Case{"YesForTrue",
             "training: {nesterov: yes}\n",
             {"j:1:22: training.nesterov: must be true or false, not \"yes\"."}},
        Case{"NumberForBool",
             "training: {nesterov: 1}\n",
             {"j:1:22: training.nesterov: must be true or false, not \"1\"."}},
        Case{"UnknownChoice",
             "reward: {quality: train_los}\n",
             {"j:1:19: reward.quality: must be one of search_accuracy, train_loss, not \"train_los\". Did "
              "you mean \"train_loss\"?"}},
        Case{"UpperCaseChoice",
             "device: CPU\n",
             {"j:1:9: device: must be one of auto, cpu, cuda, not \"CPU\". Did you mean \"cpu\"?"}},
        Case{"PrefixedChoice",
             "device: DEVICE_CPU\n",
             {"j:1:9: device: must be one of auto, cpu, cuda, not \"DEVICE_CPU\"."}},
        Case{"UnspecifiedChoice", "device: unspecified\n", {"j:1:9: device: must be one of auto, cpu, cuda"}},
        Case{"NumberForChoice", "device: 2\n", {"j:1:9: device: must be one of auto, cpu, cuda, not \"2\"."}},
        Case{"ScalarForSection",
             "model: resnet8\n",
             {"j:1:8: model: must be a mapping of name, path, output, start, labels, found, "
              "width_multiplier, stem, stage1_projection, not "
              "\"resnet8\"."}},
        Case{"ListForSection", "model: [resnet8]\n", {"j:1:8: model: must be a mapping of name"}},
        Case{"SectionForScalar",
             "seed: {value: 1}\n",
             {"j:1:7: seed: must be a whole number, not a mapping."}},
        Case{"UnknownInAListOfNames",
             "post_training:\n  techniques: [gptq, gtpq]\n",
             {"j:2:22: post_training.techniques[1]: must be one of equalization, smooth, bias_correction, "
              "learned_rounding, gptq, not \"gtpq\". Did you mean \"gptq\"?"}},
        Case{"NameForAListOfNames",
             "post_training:\n  techniques: gptq\n",
             {"j:2:15: post_training.techniques: must be a list, such as [gptq], not \"gptq\"."}},
        Case{"ListForScalar", "seed: [1]\n", {"j:1:7: seed: must be a whole number, not a list."}},
        Case{"ScalarForList",
             "space: {formats: int4}\n",
             {"j:1:18: space.formats: must be a list, such as [int4], not \"int4\"."}},
        Case{"MappingForList",
             "space: {formats: {int4: true}}\n",
             {"j:1:18: space.formats: must be a list, such as [int4, int8], not a mapping."}},
        Case{"NothingForList",
             "space:\n  formats:\n",
             {"j:2:3: space.formats: must be a list, such as [int4, int8], not nothing."}},
        Case{"ListInList",
             "space: {formats: [int4, [int8], ~]}\n",
             {"j:1:25: space.formats[1]: must be text, not a list.",
              "j:1:33: space.formats[2]: must be text, not nothing."}},
        Case{"NothingForScalar",
             "model:\n  name:\n",
             {"j:2:3: model.name: has no value; it must be text. Leave the line out to get the default."}},
        Case{"Twice", "seed: 1\nseed: 2\n", {"j:2:1: seed: given twice; the first is in line 1"}},
        Case{"TwiceBelow",
             "model: {name: a}\nmodel: {name: b}\n",
             {"j:2:1: model: given twice; the first is in line 1"}},
        Case{"MergeKey", "<<: {seed: 1}\n", {"j:1:1: <<: unknown field."}},
        Case{"NumberAsKey", "1: 2\n", {"j:1:1: 1: unknown field."}},
        Case{"ControlInKey", "\"a\\x1b[2Jb\": 2\n", {"j:1:1: a?[2Jb: unknown field."}},
        Case{"ManyAtOnce",
             "seed: x\nmodel: {nam: r}\ndevice: gpu\ntraining:\n  epochs: many\n  epoch: 2\n",
             {"j:1:7: seed", "j:2:9: model.nam", "j:3:9: device", "j:5:11: training.epochs",
              "j:6:3: training.epoch"}}),
    [](const auto& info) { return info.param.name; });

v1::FieldViolation Violation(const std::string& field) {
  v1::FieldViolation violation;
  violation.set_field(field);
  violation.set_message("said by the server");
  return violation;
}

std::vector<std::string> ServerLines(const std::string& text, const std::vector<std::string>& fields) {
  const absl::StatusOr<JobFile> file = ParseJobFile(text, {});
  EXPECT_TRUE(file.ok()) << file.status();
  std::vector<v1::FieldViolation> violations;
  for (const std::string& field : fields) violations.push_back(Violation(field));
  std::vector<std::string> lines;
  for (const Fault& fault : ServerFaults(*file, violations)) lines.push_back(FaultText(fault, "j"));
  return lines;
}

TEST(ServerFaults, ArePlacedWhereTheFileHasTheField) {
  EXPECT_THAT(
      ServerLines("model:\n  name: x\nspace:\n  formats: [a, b]\n", {"space.formats[1]", "model.name"}),
      ElementsAre("j:2:3: model.name: said by the server", "j:4:16: space.formats[1]: said by the server"));
}

TEST(ServerFaults, OfWhatIsMissingPointAtTheSectionAroundIt) {
  EXPECT_THAT(ServerLines("seed: 1\nmodel:\n  stem: small\n", {"model.name", "data.name"}),
              ElementsAre("j: data.name: said by the server", "j:2:1: model.name: said by the server"));
}

TEST(ServerFaults, ThatOnlyFollowFromLocalOnesAreLeftOut) {
  // A section of the wrong type lacks everything below it; a misspelt name lacks the right one.
  EXPECT_THAT(ServerLines("model: 3\ndata: {nmae: x}\nseed: y\nepochs: 2\n",
                          {"model.name", "model", "data.name", "seed", "training.epochs", "cost.target"}),
              ElementsAre("j: cost.target: said by the server"));
}

TEST(ServerFaults, OfNamesThatOnlyBeginAlikeStay) {
  EXPECT_THAT(ServerLines("data: {path: [1]}\n", {"data.path", "data.paths"}),
              ElementsAre("j:1:1: data.paths: said by the server"));
}

TEST(JobFileFault, ListsOfMappingsAreChecked) {
  const auto faults = [](const std::string& text) {
    const absl::StatusOr<JobFile> file = ParseJobFile(text, {});
    std::string all;
    for (const Fault& fault : file->faults) all += FaultText(fault, "j") + "\n";
    return all;
  };
  EXPECT_EQ(faults("cost:\n  limits: 3\n"),
            "j:2:11: cost.limits: must be a list, such as [{metric: …, at_most: …}], not \"3\".\n");
  EXPECT_EQ(faults("cost:\n  limits: [3, {metrc: x}]\n"),
            "j:2:12: cost.limits[0]: must be a mapping of metric, at_most, not \"3\".\n"
            "j:2:16: cost.limits[1].metrc: unknown field. Did you mean \"metric\"? Known here are: metric, "
            "at_most.\n");
  EXPECT_EQ(faults("at_most: 3\n").find("Did you mean"), std::string::npos) << "there is none outside a list";
}

}  // namespace
}  // namespace precis::client
