// export: which candidate is asked for, and a file that is whole or absent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "client/exit_codes.h"
#include "tests/client/fake_search_service.h"
#include "tests/fakes/temp_dir.h"

namespace precis::client {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ExportTest : public CommandTest {
 protected:
  std::string Asked() const { return service_.exports.empty() ? "" : service_.exports.back().name(); }

  TempDir dir_;
};

TEST_F(ExportTest, WritesTheAnswerToAFile) {
  const std::string path = dir_.path() + "/out.json";
  const Ran ran = Precis({"export", "abc", "--format", "json", "-o", path});
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, HasSubstr("Wrote " + path));
  EXPECT_EQ(Asked(), "jobs/abc");
  EXPECT_EQ(service_.exports.back().format(), "json");
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), service_.exported);
}

TEST_F(ExportTest, WritesToStandardOutputWithoutAFile) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"export", "abc"}, {"export", "abc", "-o", "-"}}) {
    const Ran ran = Precis(arguments);
    EXPECT_EQ(ran.code, kExitOk);
    EXPECT_EQ(ran.out, service_.exported);
    EXPECT_THAT(ran.err, IsEmpty());
  }
}

TEST_F(ExportTest, GarblesNoTerminal) {
  out_is_terminal_ = true;
  EXPECT_EQ(Precis({"export", "abc"}).out, service_.exported) << "text";
  service_.exported = std::string("\0binary", 7);
  service_.exported_sha256 = "268576d50a742ae1cd715dd6a92d811c5b04f1a66a7e13ae15f75f315a3ebe5c";
  const Ran ran = Precis({"export", "abc", "--format", "onnx"});
  EXPECT_NE(ran.code, kExitOk);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, HasSubstr("name a file, -o "));
  EXPECT_EQ(Precis({"export", "abc", "-o", "-"}).out, service_.exported) << "as asked";
}

TEST_F(ExportTest, TakesACandidateByNumberOrName) {
  Precis({"export", "abc", "--candidate", "3"});
  EXPECT_EQ(Asked(), "jobs/abc/candidates/3");
  Precis({"export", "abc", "--candidate", "jobs/abc/candidates/5"});
  EXPECT_EQ(Asked(), "jobs/abc/candidates/5");
}

TEST_F(ExportTest, PicksTheMostAccurateWithinABudget) {
  for (const auto& [budget, number] : std::vector<std::pair<std::string, std::string>>{
           {"0.24 GBOPs", "4"}, {"220000000", "1"}, {"1x int4", "1"}, {"1.1x int4", "4"}, {"1 GBOPs", "4"}}) {
    const Ran ran = Precis({"export", "abc", "--max-cost", budget});
    EXPECT_EQ(ran.code, kExitOk) << budget << ran.err;
    EXPECT_EQ(Asked(), "jobs/abc/candidates/" + number) << budget;
    EXPECT_THAT(ran.err, HasSubstr("the most accurate is candidate " + number)) << budget;
  }
}

TEST_F(ExportTest, OfEquallyAccurateOnesTakesTheCheaper) {
  for (const size_t index : {1, 2}) service_.candidates[index].mutable_search()->set_accuracy(0.95);
  Precis({"export", "abc", "--max-cost", "1 GBOPs"});
  EXPECT_EQ(Asked(), "jobs/abc/candidates/3");
}

TEST_F(ExportTest, RefusesABudgetThatNothingFits) {
  const Ran ran = Precis({"export", "abc", "--max-cost", "0.1 GBOPs"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("the cheapest costs 0.2143 GBOPs"));
  EXPECT_THAT(Precis({"export", "abc", "--max-cost", "a lot"}).err, HasSubstr("--max-cost"));
  EXPECT_THAT(Precis({"export", "abc", "--max-cost", "1x int5"}).err, HasSubstr("no candidate that is int5"));
  EXPECT_THAT(Precis({"export", "abc", "--max-cost", "1x int44"}).err, HasSubstr("Did you mean \"int4\"?"));
  EXPECT_THAT(service_.exports, IsEmpty());
}

void SetSize(v1::Candidate& candidate, double kibibytes) {
  candidate.mutable_costs(1)->set_value(8 * 1024 * kibibytes);
}

TEST_F(ExportTest, PicksWithinEveryMetricThatIsNamed) {
  const std::vector<double> sizes = {38, 76, 55, 41, 39};
  for (size_t i = 0; i < sizes.size(); ++i) SetSize(service_.candidates[i], sizes[i]);
  struct Row {
    std::vector<std::string> budgets;
    std::string number;
  };
  for (const Row& row : std::vector<Row>{{{"model_size=40KiB"}, "1"},
                                         {{"model_size=41 KiB"}, "4"},
                                         {{" model_size = 335872"}, "4"},
                                         {{"model_size=1.1x int4"}, "4"},
                                         {{"bops=0.22 GBOPs"}, "1"},
                                         {{"model_size=60 KiB", "bops=0.22 GBOPs"}, "1"},
                                         {{"0.31 GBOPs", "model_size=40KiB"}, "1"},
                                         {{"1 GBOPs", "model_size=50KiB"}, "4"}}) {
    std::vector<std::string> arguments = {"export", "abc"};
    for (const std::string& budget : row.budgets) arguments.insert(arguments.end(), {"--max-cost", budget});
    const Ran ran = Precis(arguments);
    EXPECT_EQ(ran.code, kExitOk) << ran.err;
    EXPECT_EQ(Asked(), "jobs/abc/candidates/" + row.number) << row.budgets[0];
  }
  EXPECT_THAT(Precis({"export", "abc", "--max-cost", "0.31 GBOPs", "--max-cost", "model_size=40KiB"}).err,
              HasSubstr("Within 0.31 GBOPs and model_size=40KiB the most accurate is candidate 1: "
                        "0.2143 GBOPs, 38 KiB, search accuracy 89.50%."));
}

// The job's target gives way, its limit of 60 KiB does not, unless it is the metric that is named.
TEST_F(ExportTest, OtherLimitsOfTheJobStay) {
  for (v1::Candidate& candidate : service_.candidates) SetSize(candidate, 50);
  SetSize(service_.candidates[3], 61);
  service_.candidates[1].mutable_search()->set_accuracy(0.9);
  service_.candidates[2].mutable_search()->set_accuracy(0.91);
  Precis({"export", "abc", "--max-cost", "1 GBOPs"});
  EXPECT_EQ(Asked(), "jobs/abc/candidates/3");
  Precis({"export", "abc", "--max-cost", "1 GBOPs", "--max-cost", "model_size=61KiB"});
  EXPECT_EQ(Asked(), "jobs/abc/candidates/4");
  for (v1::Candidate& candidate : service_.candidates) SetSize(candidate, 61);
  EXPECT_THAT(Precis({"export", "abc", "--max-cost", "1 GBOPs"}).err,
              HasSubstr("no candidate of jobs/abc keeps the job's other limits"));
}

TEST_F(ExportTest, OfEquallyAccurateOnesTakesTheLowerLoss) {
  for (const size_t index : {1, 2}) service_.candidates[index].mutable_search()->set_accuracy(0.95);
  service_.candidates[1].mutable_search()->set_loss(0.2);
  Precis({"export", "abc", "--max-cost", "1 GBOPs"});
  EXPECT_EQ(Asked(), "jobs/abc/candidates/2");
}

TEST_F(ExportTest, EveryFaultOfBudgetsIsNamedAtOnce) {
  const Ran ran = Precis({"export", "abc", "--max-cost", "modelsize=30KiB", "--max-cost", "bops=30KiB",
                          "--max-cost", "model_size=50KiB", "--max-cost", "model_size=60KiB"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("\"modelsize\" is not a metric of this job: use one of bops, model_size. "
                                 "Did you mean \"model_size\"?"));
  EXPECT_THAT(ran.err, HasSubstr("\"30KiB\""));
  EXPECT_THAT(ran.err, HasSubstr("model_size is given twice"));
  const Ran none = Precis({"export", "abc", "--max-cost", "1 GBOPs", "--max-cost", "model_size=30KiB"});
  EXPECT_EQ(none.code, kExitUsage);
  EXPECT_THAT(none.err, HasSubstr("costs at most bops 1 GBOPs and model_size 30 KiB; the cheapest in each "
                                  "costs bops 0.2143 GBOPs, model_size 38 KiB."));
  EXPECT_THAT(service_.exports, IsEmpty());
}

TEST_F(ExportTest, ADamagedStreamLeavesNoFile) {
  service_.damage_export = true;
  const Ran ran = Precis({"export", "abc", "-o", dir_.path() + "/out.json"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("arrived damaged"));
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(ExportTest, AFileThatCannotBeWrittenIsAnError) {
  const Ran ran = Precis({"export", "abc", "-o", dir_.path() + "/no/out.json"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("cannot write " + dir_.path() + "/no/out.json"));
}

}  // namespace
}  // namespace precis::client
