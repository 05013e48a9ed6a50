// pareto's summaries, compare and choose.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/exit_codes.h"
#include "tests/client/fake_search_service.h"

namespace precis::client {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class FrontTest : public CommandTest {
 protected:
  void AddSecondJob() {
    v1::Job second = SampleJob();
    second.set_name("jobs/def");
    second.mutable_spec()->set_display_name("another");
    service_.jobs.push_back(second);
  }
};

TEST_F(FrontTest, TablesAreTheGoldenFiles) {
  AddSecondJob();
  ExpectGolden(Precis({"pareto", "abc", "--summary", "--within", "0.5"}).out, "pareto_summary.txt");
  ExpectGolden(Precis({"compare", "abc", "def"}).out, "compare.txt");
  ExpectGolden(Precis({"choose", "abc", "--target", "1.3x int4"}).out, "choose.txt");
}

TEST_F(FrontTest, OneCandidateCanBeAskedFor) {
  const json knee = json::parse(Precis({"pareto", "abc", "--knee", "-o", "json"}).out);
  ASSERT_THAT(knee, SizeIs(1));
  EXPECT_EQ(knee[0]["name"], "jobs/abc/candidates/1");
  EXPECT_FALSE(service_.fronts.back().has_within_points());
  const json within = json::parse(Precis({"pareto", "abc", "--within", "0.5", "-o", "json"}).out);
  ASSERT_THAT(within, SizeIs(1));
  EXPECT_EQ(within[0]["name"], "jobs/abc/candidates/4");
  EXPECT_EQ(service_.fronts.back().within_points(), 0.5);
  EXPECT_EQ(Precis({"pareto", "abc", "--within", "0.5", "--knee"}).code, kExitUsage);
  EXPECT_EQ(Precis({"pareto", "abc", "--within", "-1"}).code, kExitUsage);
}

TEST_F(FrontTest, SummariesAreTheServersAnswer) {
  const Ran ran = Precis({"pareto", "abc", "--summary", "--feasible", "--reference-cost", "0.9 GBOPs",
                          "--reference-accuracy", "0.8", "-o", "json"});
  ASSERT_EQ(ran.code, kExitOk) << ran.err;
  const json summary = json::parse(ran.out);
  EXPECT_EQ(summary["hypervolume"], 0.6712);
  EXPECT_EQ(summary["reference_cost"], 9e8);
  EXPECT_EQ(summary["knee"], "jobs/abc/candidates/1");
  EXPECT_THAT(summary["candidates"], SizeIs(2));
  EXPECT_TRUE(service_.fronts.back().feasible_only());
  EXPECT_EQ(service_.fronts.back().reference_accuracy(), 0.8);
  EXPECT_THAT(Precis({"pareto", "abc", "--reference-cost", "1 KiB"}).err, HasSubstr("--reference-cost"));
  EXPECT_THAT(Precis({"pareto", "abc", "--reference-cost", "2x int4"}).err, HasSubstr("not a multiple"));
}

TEST_F(FrontTest, ComparesAgainstOneReference) {
  AddSecondJob();
  const Ran ran = Precis({"compare", "abc", "def", "-o", "json"});
  ASSERT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_THAT(ran.err, IsEmpty());
  const json compared = json::parse(ran.out);
  EXPECT_EQ(compared["metric"], "bops");
  EXPECT_EQ(compared["jobs"][1]["hypervolume"], 0.5);
  ASSERT_THAT(compared["rows"], SizeIs(2));
  EXPECT_EQ(compared["rows"][0]["accuracies"].dump(), "[0.895,0.895]");
  EXPECT_EQ(compared["rows"][1]["accuracies"].dump(), "[0.9125,0.895]") << "at no greater cost";
  ASSERT_THAT(service_.fronts, SizeIs(4));
  for (const size_t i : {2u, 3u}) EXPECT_EQ(service_.fronts[i].reference_cost(), 857200000);
  EXPECT_THAT(Precis({"compare", "abc", "def", "-o", "csv"}).out,
              HasSubstr("bops_BOPs,jobs/abc,jobs/def\r\n"));
  service_.jobs[1].mutable_spec()->set_seed(2);
  EXPECT_THAT(Precis({"compare", "abc", "def"}).err, HasSubstr("The seeds differ"));
}

TEST_F(FrontTest, JobsThatDoNotCompareAreRefusedWithTheReason) {
  AddSecondJob();
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& why) {
    const Ran ran = Precis(arguments);
    EXPECT_EQ(ran.code, kExitUsage);
    EXPECT_THAT(ran.out, IsEmpty());
    EXPECT_THAT(ran.err, HasSubstr(why));
  };
  refused({"compare", "abc"}, "at least two jobs");
  refused({"compare", "abc", "jobs/abc"}, "jobs/abc is given twice");
  const v1::Job good = service_.jobs[1];
  service_.jobs[1].mutable_spec()->mutable_data()->set_name("cifar10");
  refused({"compare", "abc", "def"},
          "jobs/abc and jobs/def do not compare: they differ in the data set "
          "(fashion_mnist, cifar10)");
  service_.jobs[1] = good;
  service_.jobs[1].mutable_spec()->mutable_data()->set_search_images(7);
  refused({"compare", "abc", "def"}, "data.search_images (0, 7)");
  service_.jobs[1] = good;
  service_.jobs[1].mutable_plan()->set_constrained_metric("model_size");
  refused({"compare", "abc", "def"}, "the metric (bops, model_size");
  EXPECT_EQ(Precis({"compare", "abc", "def", "--metric", "bops"}).code, kExitOk);
  for (v1::Job* job : {&service_.jobs[0], &service_.jobs[1]}) {
    *job->mutable_plan() = good.plan();
    job->mutable_plan()->set_constrained_metric("table");
  }
  service_.jobs[0].mutable_spec()->mutable_cost()->set_table("*,int4,1");
  refused({"compare", "abc", "def"}, "they differ in cost.table");
}

TEST_F(FrontTest, ChoosesAnew) {
  const json choice = json::parse(Precis({"choose", "abc", "--target", "1.3x int4", "-o", "json"}).out);
  EXPECT_EQ(choice["candidate"]["name"], "jobs/abc/candidates/4");
  EXPECT_EQ(choice["target"], 2e8);
  const Ran none = Precis({"choose", "abc", "--target", "nothing"});
  EXPECT_EQ(none.code, kExitUsage);
  EXPECT_THAT(none.err,
              HasSubstr("no candidate of jobs/abc is within bops 0.2 GBOPs; those that keep its other "
                        "limits cost 0.2143 GBOPs to 0.8572 GBOPs."));
  EXPECT_EQ(Precis({"choose", "abc"}).code, kExitUsage);
}

}  // namespace
}  // namespace precis::client
