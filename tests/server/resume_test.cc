// Jobs that go on: a worker's own code over a fake oracle, stopped and started again on a real store.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/server/fake_work.h"
#include "tests/server/server_fixture.h"

namespace precis::server {
namespace {

// All candidates of a job, without its name.
std::string CandidatesText(ServerFixture& fixture, const std::string& name) {
  std::string text;
  const auto page = fixture.store().QueryCandidates({.job_id = name.substr(5)});
  for (const search::Candidate& candidate : page->items)
    absl::StrAppend(&text, CandidateText(candidate), "\n");
  return text;
}

int64_t CandidateEvents(ServerFixture& fixture, const std::string& name) {
  const auto page = fixture.store().QueryEvents({.job_id = name.substr(5)});
  return std::count_if(page->items.begin(), page->items.end(),
                       [](const Event& event) { return event.kind == Event::Kind::kCandidate; });
}

std::string FileText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// What a job comes to whose worker is never stopped.
struct Undisturbed {
  explicit Undisturbed(ServerFixture& fixture) {
    const std::string name = fixture.SubmitGood();
    ServerLink link(LinkOptions(fixture.launcher().AwaitStart(name.substr(5))));
    EXPECT_TRUE(Work(link, FakeWork()).ok());
    EXPECT_EQ(fixture.AwaitEnd(name).state(), v1::Job::SUCCEEDED);
    candidates = CandidatesText(fixture, name);
    events = CandidateEvents(fixture, name);
    weights = FileText(fixture.data_dir() + "/" + name + "/weights.safetensors");
    fixture.launcher().End(name.substr(5), {.clean = true, .description = "exited with code 0"});
  }

  void ExpectSame(ServerFixture& fixture, const std::string& name) const {
    EXPECT_EQ(fixture.AwaitEnd(name).state(), v1::Job::SUCCEEDED) << fixture.Get(name).error();
    EXPECT_EQ(CandidatesText(fixture, name), candidates);
    EXPECT_EQ(CandidateEvents(fixture, name), events) << "nothing is reported twice";
    EXPECT_TRUE(FileText(fixture.data_dir() + "/" + name + "/weights.safetensors") == weights);
  }

  std::string candidates;
  int64_t events = 0;
  std::string weights;
};

TEST(Resume, AStoppedWorkerLeavesACheckpointAndTheNextGoesOn) {
  ServerFixture fixture(true, {.data_dir = {}, .first_restart_pause = absl::Milliseconds(1)});
  const Undisturbed undisturbed(fixture);
  const std::string name = fixture.SubmitGood();
  for (size_t time = 1; time <= 4; ++time) {
    ServerLink link(LinkOptions(fixture.launcher().AwaitStart(name.substr(5), time)));
    std::atomic<bool> stop = false;
    WorkOptions options = FakeWork();
    options.stop = &stop;
    options.make_oracle = [&](const search::Plan& plan, Dataset,
                              const StartWeights&) -> absl::StatusOr<std::unique_ptr<Oracle>> {
      // Told to stop some calls after it has begun.
      class Stopping final : public Oracle {
       public:
        Stopping(FakeOracle oracle, int64_t left, std::atomic<bool>& stop)
            : oracle_(std::move(oracle)), left_(left), stop_(stop) {}
        absl::StatusOr<StepOutcome> TrainStep(const Assignment& a) override {
          Count();
          return oracle_.TrainStep(a);
        }
        absl::StatusOr<Quality> Probe(const Assignment& a, int64_t n, ProbeImages which) override {
          Count();
          return oracle_.Probe(a, n, which);
        }
        absl::StatusOr<LayerScores> NoiseScores(NoiseMeasure, const Assignment&, const LayerOptions&,
                                                int64_t) override {
          return absl::InternalError("not asked for");
        }
        absl::StatusOr<Evaluation> Evaluate(const Assignment& a, Split split) override {
          Count();
          return oracle_.Evaluate(a, split);
        }
        absl::Status SaveWeights(const Assignment& a, const std::string& p) override {
          return oracle_.SaveWeights(a, p);
        }
        absl::Status LoadWeights(const std::string& p) override { return oracle_.LoadWeights(p); }
        absl::Status SaveState(const std::string& p) override { return oracle_.SaveState(p); }
        absl::Status LoadState(const std::string& p) override { return oracle_.LoadState(p); }

       private:
        void Count() {
          if (--left_ == 0) stop_ = true;
        }
        FakeOracle oracle_;
        int64_t left_;
        std::atomic<bool>& stop_;
      };
      FakeOracleOptions fake;
      fake.steps_to_learn = 5;
      return std::make_unique<Stopping>(FakeOracle(plan.graph, fake), time < 4 ? 11 : -1, stop);
    };
    ASSERT_TRUE(Work(link, options).ok());
    if (time < 4) {
      EXPECT_EQ(fixture.Get(name).state(), v1::Job::RUNNING);
      EXPECT_TRUE(std::filesystem::exists(fixture.data_dir() + "/" + name + "/checkpoint/checkpoint"));
    }
    fixture.launcher().End(name.substr(5), {.clean = true, .description = "exited with code 0"});
  }
  undisturbed.ExpectSame(fixture, name);
  EXPECT_FALSE(std::filesystem::exists(fixture.data_dir() + "/" + name + "/checkpoint"));
}

TEST(Resume, AJobThatFailedGoesOnFromItsLastCheckpointOrAnewIfThatIsDamaged) {
  ServerFixture fixture(true, {.data_dir = {}, .checkpoint_interval = absl::ZeroDuration()});
  const Undisturbed undisturbed(fixture);
  size_t further = 0;
  size_t anew = 0;
  for (const bool damaged : {false, true}) {
    const std::string name = fixture.SubmitGood();
    {
      ServerLink link(LinkOptions(fixture.launcher().AwaitStart(name.substr(5))));
      WorkOptions failing = FakeWork();
      failing.make_oracle = [](const search::Plan& plan, Dataset,
                               const StartWeights&) -> absl::StatusOr<std::unique_ptr<Oracle>> {
        FakeOracleOptions options;
        options.steps_to_learn = 5;
        options.failing_evaluation = 2;
        return std::make_unique<FakeOracle>(plan.graph, options);
      };
      ASSERT_TRUE(Work(link, failing).ok());
    }
    EXPECT_EQ(fixture.AwaitEnd(name).state(), v1::Job::FAILED);
    fixture.launcher().End(name.substr(5), {.clean = true, .description = "exited with code 0"});
    const std::string checkpoint = fixture.data_dir() + "/" + name + "/checkpoint/checkpoint";
    ASSERT_GT(std::filesystem::file_size(checkpoint), 1000u);
    if (damaged) std::fstream(checkpoint, std::ios::in | std::ios::out | std::ios::binary).seekp(500) << "?!";
    ASSERT_TRUE(fixture.Retry(name).ok());
    ServerLink link(LinkOptions(fixture.launcher().AwaitStart(name.substr(5), 2)));
    const FakeOracle* oracle = nullptr;
    WorkOptions options = FakeWork();
    size_t calls = 0;
    options.make_oracle = [&, make = options.make_oracle](const search::Plan& plan, Dataset dataset,
                                                          StartWeights weights) {
      auto made = make(plan, std::move(dataset), std::move(weights));
      oracle = static_cast<const FakeOracle*>(made->get());
      return made;
    };
    options.execution_version = [&] {
      calls = oracle->calls().size();
      return std::string("by hand");
    };
    ASSERT_TRUE(Work(link, options).ok());
    undisturbed.ExpectSame(fixture, name);
    (damaged ? anew : further) = calls;
    fixture.launcher().End(name.substr(5), {.clean = true, .description = "exited with code 0"});
  }
  EXPECT_LT(further, anew);
}

}  // namespace
}  // namespace precis::server
