// A search that was cut off and goes on from answers and state does as one that never stopped.
#include "search/recorded_oracle.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>

#include "search/answer.h"
#include "tests/search/search_trial.h"

namespace precis::search {
namespace {

using ::testing::HasSubstr;

bool SameBits(double a, double b) { return std::memcmp(&a, &b, sizeof(a)) == 0; }

void ExpectSame(const Quality& a, const Quality& b) {
  EXPECT_TRUE(SameBits(a.accuracy, b.accuracy) && SameBits(a.loss, b.loss));
  EXPECT_EQ(a.images, b.images);
}

void ExpectSame(const std::vector<Candidate>& a, const std::vector<Candidate>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].number, b[i].number);
    EXPECT_EQ(a[i].assignment, b[i].assignment);
    EXPECT_EQ(a[i].label, b[i].label);
    EXPECT_EQ(a[i].origin, b[i].origin);
    EXPECT_EQ(a[i].costs, b[i].costs);
    EXPECT_EQ(a[i].activation_ranges, b[i].activation_ranges);
    ExpectSame(a[i].search, b[i].search);
    ASSERT_EQ(a[i].test.has_value(), b[i].test.has_value());
    if (a[i].test) ExpectSame(*a[i].test, *b[i].test);
  }
}

// One run of a job's search from `known` answers and the state in `state` (none: from the beginning), which
// is cut off before its call number `cut` reaches the oracle; the answers until then, and the state, are
// kept.
struct Attempt {
  Attempt(const std::shared_ptr<const Plan>& plan, const std::string& state, std::vector<Answer> known,
          int64_t cut)
      : oracle(plan->graph, Matching(*plan)) {
    if (!known.empty()) {
      EXPECT_TRUE(oracle.LoadState(state).ok());
    }
    sink.has_legs = plan->targets.size() > 1;
    RecordedOracle recorded(oracle, std::move(known), [&](const std::vector<Answer>& answers) {
      if (static_cast<int64_t>(answers.size()) < cut) return absl::OkStatus();
      kept = answers;
      EXPECT_TRUE(oracle.SaveState(state).ok());
      return absl::CancelledError("cut off");
    });
    result = RunSearch(*plan, recorded, sink, state + ".weights");
    calls = static_cast<int64_t>(oracle.calls().size());
  }

  FakeOracle oracle;
  RecordingSink sink;
  std::vector<Answer> kept;
  absl::StatusOr<SearchResult> result = absl::UnknownError("");
  int64_t calls = 0;
};

constexpr int64_t kNever = 1 << 30;

void ExpectGoesOn(const JobSpec& spec) {
  SCOPED_TRACE(AlgorithmName(spec.controller.algorithm));
  const TempDir folder;
  const std::string state = folder.path() + "/state";
  const auto plan = PlanOf(spec);
  const Attempt whole(plan, state, {}, kNever);
  ASSERT_TRUE(whole.result.ok()) << whole.result.status();
  std::vector<Answer> known;
  int64_t calls = 0;
  for (const int64_t eighths : {1, 2, 5, 7}) {
    const Attempt part(plan, state, known, whole.calls * eighths / 8);
    EXPECT_EQ(part.result.status().code(), absl::StatusCode::kCancelled);
    // What was known is not asked again.
    calls += part.calls;
    known = part.kept;
  }
  const Attempt last(plan, state, AnswersFromBytes(AnswersToBytes(known)).value(), kNever);
  ASSERT_TRUE(last.result.ok()) << last.result.status();
  EXPECT_EQ(calls + last.calls, whole.calls);
  EXPECT_EQ(last.result->final_candidate, whole.result->final_candidate);
  EXPECT_EQ(last.result->images_trained, whole.result->images_trained);
  EXPECT_EQ(last.result->images_evaluated, whole.result->images_evaluated);
  EXPECT_EQ(last.result->rejected_steps, whole.result->rejected_steps);
  EXPECT_EQ(last.sink.progress.size(), whole.sink.progress.size());
  ExpectSame(last.sink.reports, whole.sink.reports);
}

TEST(RecordedOracle, EveryAlgorithmGoesOnWhereItWasCutOff) {
  for (const Algorithm algorithm :
       {Algorithm::kPrecis, Algorithm::kReinforce, Algorithm::kFliqs, Algorithm::kTunas, Algorithm::kRandom,
        Algorithm::kEvolution, Algorithm::kSensitivity, Algorithm::kUniform}) {
    JobSpec spec = ShortJob();
    SetAlgorithmDefaults(algorithm, spec);
    ExpectGoesOn(spec);
  }
}

TEST(RecordedOracle, AnswersOfAnotherSearchAreNoticed) {
  const TempDir folder;
  const auto plan = PlanOf(ShortJob());
  ASSERT_TRUE(FakeOracle(plan->graph, Matching(*plan)).SaveState(folder.path() + "/state").ok());
  const Attempt attempt(plan, folder.path() + "/state", {Evaluation{}, WeightsSaved{}, WeightsSaved{}},
                        kNever);
  EXPECT_EQ(attempt.result.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(attempt.result.status().message()), HasSubstr("answer"));
}

TEST(RecordedOracle, AFailedCallIsNotKept) {
  const auto plan = PlanOf(ShortJob());
  FakeOracleOptions options = Matching(*plan);
  options.failing_step = 1;
  FakeOracle oracle(plan->graph, options);
  size_t answers = 0;
  RecordedOracle recorded(oracle, {}, [&](const std::vector<Answer>& kept) {
    answers = kept.size();
    return absl::OkStatus();
  });
  const Assignment int8 = UniformAssignment(plan->layers.size(), *ParseFormat("int8"));
  EXPECT_TRUE(recorded.TrainStep(int8).ok());
  EXPECT_EQ(recorded.TrainStep(int8).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(recorded.TrainStep(int8).ok());
  EXPECT_EQ(answers, 1);
  EXPECT_FALSE(recorded.IsReplaying());
}

TEST(Answers, ComeBackBitForBit) {
  const std::vector<Answer> answers = {
      StepOutcome{.loss = std::nan("7"), .accuracy = 0.5, .applied = false},
      StepOutcome{.loss = 5e-324, .accuracy = 1},
      Quality{.accuracy = 0.25, .loss = INFINITY, .images = 1 << 20},
      Evaluation{.quality = {0.125, -0.0, 3}, .activation_ranges = {{-1, 2}, {0, 1e300}}},
      Evaluation{},
      WeightsSaved{}};
  const std::string bytes = AnswersToBytes(answers);
  const auto back = AnswersFromBytes(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->size(), answers.size());
  EXPECT_EQ(AnswersToBytes(*back), bytes);
  EXPECT_EQ(std::get<Evaluation>((*back)[3]).activation_ranges,
            std::get<Evaluation>(answers[3]).activation_ranges);
  EXPECT_FALSE(std::get<StepOutcome>((*back)[0]).applied);
}

TEST(Answers, DamageIsReported) {
  const std::string bytes =
      AnswersToBytes({StepOutcome{}, Evaluation{.quality = {}, .activation_ranges = {{-1, 1}}}});
  for (size_t length = 1; length < bytes.size(); ++length) {
    if (length == AnswersToBytes({StepOutcome{}}).size()) continue;
    EXPECT_EQ(AnswersFromBytes(bytes.substr(0, length)).status().code(), absl::StatusCode::kDataLoss)
        << length;
  }
  std::string huge = AnswersToBytes({Evaluation{}});
  huge.replace(huge.size() - 4, 4, "\xff\xff\xff\xff");
  EXPECT_EQ(AnswersFromBytes(huge).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(AnswersFromBytes("X").status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace precis::search
