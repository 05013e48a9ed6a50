// Candidates and jobs as people see them, against golden files.
#include "client/candidate_text.h"

#include <gtest/gtest.h>

#include "client/job_text.h"
#include "tests/client/sample_messages.h"

namespace precis::client {
namespace {

TEST(CandidateTable, IsTheGoldenFile) {
  ExpectGolden(CandidateTable(SampleJob(), SampleCandidates(), false).Text(), "candidates.txt");
  ExpectGolden(CandidateTable(SampleJob(), SampleCandidates(), true).Text(), "candidates_wide.txt");
}

TEST(CandidateTable, OfNoneHasHeadersOnly) {
  const std::string text = CandidateTable(SampleJob(), {}, false).Text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(CandidateTable, SurvivesAJobWithoutAPlan) {
  v1::Job job;
  const std::string text = CandidateTable(job, SampleCandidates(), true).Text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 6);
}

TEST(CandidateCsv, IsTheGoldenFile) {
  ExpectGolden(CandidateCsv(SampleJob(), SampleCandidates()).Csv(), "candidates.csv");
}

TEST(JobText, IsTheGoldenFile) {
  ExpectGolden(JobText(SampleJob()), "job.txt");
  v1::Job failed = SampleJob();
  failed.set_state(v1::Job::FAILED);
  failed.set_error("the worker was killed by signal 9 (Killed)");
  failed.clear_result();
  ExpectGolden(JobText(failed), "job_failed.txt");
  v1::Job checked = SampleJob();
  checked.clear_name();
  v1::WorkEstimate& work = *checked.mutable_plan()->mutable_work();
  work.set_images_trained(216064);
  work.set_images_evaluated(401552);
  work.set_seconds(254);
  work.set_threads(2);
  ExpectGolden(PlanText(checked), "plan.txt");
}

}  // namespace
}  // namespace precis::client
