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
