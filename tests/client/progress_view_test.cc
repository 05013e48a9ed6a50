// The progress line at every width, and what events do to it.
#include "client/progress_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/utf8.h"
#include "tests/client/sample_messages.h"

namespace precis::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::Job RunningJob() {
  v1::Job job = SampleJob();
  job.set_state(v1::Job::RUNNING);
  job.clear_result();
  job.clear_end_time();
  return job;
}

v1::JobEvent ProgressEvent() {
  v1::JobEvent event;
  event.set_number(17);
  event.mutable_time()->set_seconds(1700000051);  // 50 s after the start
  v1::Progress& progress = *event.mutable_progress();
  progress.set_phase(v1::PHASE_SEARCH);
  progress.set_step(768);
  progress.set_total_steps(1872);
  progress.set_fraction(0.41);
  progress.set_train_accuracy(0.8712);
  progress.set_reward(0.8124);
  progress.set_cost(238500000);
  progress.set_rejected_steps(3);
  progress.set_images_per_second(2150.4);
  return event;
}

ProgressView Searching() {
  ProgressView view(RunningJob());
  v1::JobEvent event;
  event.set_number(16);
  *event.mutable_candidate() = SampleCandidates()[3];
  view.Apply(event);
  view.Apply(ProgressEvent());
  return view;
}

TEST(ProgressView, ShowsEverythingWhereThereIsRoom) {
  EXPECT_EQ(Searching().LiveLine(200, false),
            "search   [########------------]   41%  step 768/1872  2150 images/s  1m12s left  reward 0.812  "
            "cost 0.2385 GBOPs (101.2% of target)  accuracy 87.1%  best 91.25%  rejected 3");
}

TEST(ProgressView, LinesByWidthAreTheGoldenFile) {
  std::string lines;
  for (const int columns : {20, 40, 60, 80, 100, 120, 140, 160, 180, 200})
    lines += std::to_string(columns) + ": " + Searching().LiveLine(columns, false) + "\n";
  ExpectGolden(lines, "progress_lines.txt");
}

TEST(ProgressView, NeverReachesTheLastColumn) {
  for (int columns = 1; columns < 220; ++columns)
    EXPECT_LT(DisplayWidth(Searching().LiveLine(columns, false)), static_cast<size_t>(std::max(columns, 2)));
}

TEST(ProgressView, AtEightyColumnsHasWhatMattersMost) {
  const std::string line = Searching().LiveLine(80, false);
  for (const char* part :
       {"search", "768/1872", "2150 img/s", "1m12s left", "0.2385 GBOPs (101%)", "acc 87.1%"})
    EXPECT_THAT(line, HasSubstr(part));
}

TEST(ProgressView, ShowsRewardAndCostOnlyWhileThereAreSamples) {
  ProgressView view(RunningJob());
  v1::JobEvent event = ProgressEvent();
  event.mutable_progress()->set_phase(v1::PHASE_FROZEN);
  view.Apply(event);
  EXPECT_THAT(view.PlainLine(), Not(HasSubstr("reward")));
  EXPECT_THAT(view.PlainLine(), Not(HasSubstr("cost")));
  EXPECT_THAT(view.PlainLine(), HasSubstr("accuracy 87.1%"));
}

TEST(ProgressView, ColoursThePhaseOnly) {
  const std::string line = Searching().LiveLine(200, true);
  EXPECT_THAT(line, ::testing::StartsWith("\x1b[1;36msearch\x1b[0m "));
  EXPECT_THAT(Searching().LiveLine(200, false), Not(HasSubstr("\x1b")));
}

TEST(ProgressView, ALogLineHasNoBar) {
  EXPECT_EQ(
      Searching().PlainLine(),
      "search    41%  step 768/1872  2150 images/s  1m12s left  reward 0.812  cost 0.2385 GBOPs (101.2% of "
      "target)  accuracy 87.1%  best 91.25%  rejected 3");
}

TEST(ProgressView, FollowsTheStates) {
  v1::Job job = RunningJob();
  job.set_state(v1::Job::PENDING);
  job.clear_start_time();
  job.clear_progress();
  ProgressView view(job);
  EXPECT_EQ(view.PlainLine(), "waiting for its turn");
  v1::JobEvent event;
  event.set_number(2);
  event.mutable_time()->set_seconds(1700000001);
  event.mutable_state_change()->set_state(v1::Job::RUNNING);
  view.Apply(event);
  EXPECT_THAT(view.PlainLine(), HasSubstr("starting"));
  view.Apply(ProgressEvent());
  EXPECT_THAT(view.PlainLine(), HasSubstr("1m12s left")) << "counted from the RUNNING event";
  event.mutable_state_change()->set_state(v1::Job::FAILED);
  view.Apply(event);
  EXPECT_EQ(view.PlainLine(), "failed");
  EXPECT_EQ(view.state(), v1::Job::FAILED);
}

TEST(ProgressView, SurvivesOddNumbers) {
  ProgressView view(RunningJob());
  v1::JobEvent event = ProgressEvent();
  event.mutable_progress()->set_fraction(std::numeric_limits<double>::quiet_NaN());
  event.mutable_progress()->set_phase(static_cast<v1::Phase>(99));
  view.Apply(event);
  EXPECT_THAT(view.LiveLine(200, false), Not(HasSubstr("left")));
  event.mutable_progress()->set_fraction(7);
  view.Apply(event);
  EXPECT_THAT(view.LiveLine(200, false), HasSubstr("0s left"));
}

TEST(ProgressView, TellsCandidates) {
  const ProgressView view = Searching();
  EXPECT_EQ(
      view.CandidateLine(SampleCandidates()[0]),
      "candidate 1 (reference, uniform int4): 0.2143 GBOPs (90.9% of target), search accuracy 89.50%, test "
      "accuracy 89.31%");
  EXPECT_EQ(view.CandidateLine(SampleCandidates()[2]),
            "candidate 3 (sampled): 0.3 GBOPs (127.3% of target), search accuracy 91.00%");
}

}  // namespace
}  // namespace precis::client
