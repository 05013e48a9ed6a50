// Whole searches as readable text, compared with what was recorded.
// To record anew after a change that is meant: PRECIS_REWRITE_GOLDEN=1 search_test --gtest_filter='Golden*'
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "search/cost/target.h"
#include "search/search_loop.h"
#include "tests/fakes/fake_oracle.h"
#include "tests/fakes/temp_dir.h"
#include "tests/search/recording_sink.h"
#include "tests/search/sample_job.h"

namespace precis::search {
namespace {

std::string CandidateText(const Plan& plan, const Candidate& c) {
  std::string text = absl::StrFormat("%3d %-9s %s step %d search %.4f", c.number, OriginName(c.origin),
                                     c.feasible ? "fits" : "dear", c.step, c.search.accuracy);
  if (c.test.has_value()) absl::StrAppendFormat(&text, " test %.4f", c.test->accuracy);
  for (size_t i = 0; i < plan.costs.size(); ++i) {
    absl::StrAppend(&text, " ", CostText(plan.costs[i]->name(), c.costs[i]));
  }
  absl::StrAppend(&text, " ", AssignmentText(c.assignment));
  if (c.sampled_at >= 0) absl::StrAppend(&text, " sampled at ", c.sampled_at);
  if (!c.label.empty()) absl::StrAppend(&text, " (", c.label, ")");
  return text + "\n";
}

std::string ProgressText(const Plan& plan, const Progress& p) {
  return absl::StrFormat(
      "%-7s step %d of %d, done %.3f, loss %.3f, accuracy %.3f, reward %.3f, cost %s, "
      "entropy %.3f, max probability %.3f, rejected %d\n",
      PhaseName(p.phase), p.step, p.total_steps, p.fraction, p.loss, p.train_accuracy, p.reward,
      CostText(plan.costs[plan.constrained]->name(), p.cost), p.mean_entropy, p.mean_max_probability,
      p.rejected_steps);
}

std::string Play(const JobSpec& spec) {
  const auto plan = PlanOf(spec);
  FakeOracleOptions options;
  options.seed = spec.seed;
  options.search_images = spec.data.search_images;
  options.exploding_steps = {5, 6, 100};
  FakeOracle oracle(plan->graph, options);
  RecordingSink sink;
  const TempDir folder;
  const auto result = RunSearch(*plan, oracle, sink, folder.path() + "/weights");
  EXPECT_TRUE(result.ok()) << result.status();

  std::string text =
      absl::StrCat("# A search on the fake oracle, recorded by golden_search_test.cc.\nfingerprint ",
                   plan->fingerprint, "\n");
  const std::string metric = plan->costs[plan->constrained]->name();
  absl::StrAppend(&text, "target ", CostText(metric, plan->target), ", reachable ",
                  CostText(metric, plan->cheapest), " to ", CostText(metric, plan->dearest),
                  "\n\n# progress: the first and every 100th call, and the "
                  "last of each phase\n");
  for (size_t i = 0; i < sink.progress.size(); ++i) {
    const bool last = i + 1 == sink.progress.size() || sink.progress[i + 1].phase != sink.progress[i].phase;
    if (i % 100 == 0 || last) text += ProgressText(*plan, sink.progress[i]);
  }
  text += "\n# candidates as they were reported\n";
  for (const Candidate& report : sink.reports) text += CandidateText(*plan, report);
  if (!result.ok()) return text;
  absl::StrAppendFormat(&text,
                        "\n# result\nfinal %d, float %.4f search %.4f test, rejected %d, entropy %.3f, max "
                        "probability %.3f\n",
                        result->final_candidate, result->float_search.accuracy, result->float_test.accuracy,
                        result->rejected_steps, result->policy.mean_entropy,
                        result->policy.mean_max_probability);
  return text;
}

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path = absl::StrCat(PRECIS_GOLDEN_DIR, "/", name, ".txt");
  if (std::getenv("PRECIS_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream in(path);
  std::stringstream recorded;
  recorded << in.rdbuf();
  std::istringstream expected_lines(recorded.str()), actual_lines(text);
  std::string expected, actual;
  for (int line = 1; std::getline(expected_lines, expected); ++line) {
    std::getline(actual_lines, actual);
    ASSERT_EQ(actual, expected) << name << ".txt line " << line
                                << "; if the change is meant, run again with PRECIS_REWRITE_GOLDEN=1";
  }
  EXPECT_EQ(text, recorded.str()) << name;
}

TEST(GoldenSearch, Resnet8BopsByAccuracy) { ExpectGolden("resnet8_bops_accuracy", Play(SampleJob())); }

TEST(GoldenSearch, Resnet20ModelSizeByLoss) {
  JobSpec spec = SampleJob();
  spec.model.name = "resnet20";
  spec.space.formats = {"e2m1", "int4", "e4m3", "int8"};
  spec.cost = {"model_size", "1.2x int4"};
  spec.reward.quality = QualitySource::kTrainLoss;
  spec.reward.shape = RewardShape::kOneSided;
  spec.controller.log_prob = LogProbReduction::kSum;
  spec.finish.sampled_candidates = 5;
  spec.seed = 3;
  ExpectGolden("resnet20_size_loss", Play(spec));
}

}  // namespace
}  // namespace precis::search
