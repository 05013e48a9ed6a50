// What every Launcher must do. Instantiate LauncherContract with a bench for each implementation.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/launcher/launcher.h"

namespace precis::server {

// A launcher whose workers the suite can steer.
class LauncherBench {
 public:
  virtual ~LauncherBench() = default;
  virtual Launcher& launcher() = 0;
  // A command whose worker runs until it is stopped.
  virtual WorkerCommand Endless(const std::string& job_id) = 0;
  // Makes the job's running worker end with exit code 0 or by a crash.
  virtual void Finish(const std::string& job_id, bool clean) = 0;
  // From now on workers cannot be started.
  virtual void Break() = 0;
};

struct LauncherBenchMaker {
  std::string name;
  std::function<std::unique_ptr<LauncherBench>()> make;
};

// Waits for one on_exit and fails the test if there is a second.
class ExitRecorder {
 public:
  std::function<void(const WorkerExit&)> Callback() {
    return [this](const WorkerExit& exit) {
      std::lock_guard lock(mutex_);
      EXPECT_FALSE(exit_.has_value()) << "on_exit called twice";
      exit_ = exit;
      ended_.notify_all();
    };
  }
  WorkerExit Await() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return exit_.has_value(); });
    return *exit_;
  }
  bool called() {
    std::lock_guard lock(mutex_);
    return exit_.has_value();
  }

 private:
  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<WorkerExit> exit_;
};

class LauncherContract : public testing::TestWithParam<LauncherBenchMaker> {
 protected:
  // Declared before the bench: callbacks may come until the launcher is gone.
  ExitRecorder first_, second_;
  std::unique_ptr<LauncherBench> bench_ = GetParam().make();
};

TEST_P(LauncherContract, ReportsACleanEnd) {
  ASSERT_TRUE(bench_->launcher().Start(bench_->Endless("a"), first_.Callback()).ok());
  bench_->Finish("a", true);
  EXPECT_TRUE(first_.Await().clean);
}

TEST_P(LauncherContract, ReportsACrashWithADescription) {
  ASSERT_TRUE(bench_->launcher().Start(bench_->Endless("a"), first_.Callback()).ok());
  bench_->Finish("a", false);
  const WorkerExit exit = first_.Await();
  EXPECT_FALSE(exit.clean);
  EXPECT_FALSE(exit.description.empty());
}

TEST_P(LauncherContract, StopsPolitely) {
  ASSERT_TRUE(bench_->launcher().Start(bench_->Endless("a"), first_.Callback()).ok());
  ASSERT_TRUE(bench_->launcher().Stop("a", false).ok());
  EXPECT_THAT(first_.Await().description, testing::HasSubstr("signal 15"));
}

TEST_P(LauncherContract, StopsByForce) {
  ASSERT_TRUE(bench_->launcher().Start(bench_->Endless("a"), first_.Callback()).ok());
  ASSERT_TRUE(bench_->launcher().Stop("a", true).ok());
  EXPECT_THAT(first_.Await().description, testing::HasSubstr("signal 9"));
}

TEST_P(LauncherContract, StopReachesOneJobOnly) {
  ASSERT_TRUE(bench_->launcher().Start(bench_->Endless("a"), first_.Callback()).ok());
  ASSERT_TRUE(bench_->launcher().Start(bench_->Endless("b"), second_.Callback()).ok());
  ASSERT_TRUE(bench_->launcher().Stop("a", true).ok());
  first_.Await();
  EXPECT_FALSE(second_.called());
  ASSERT_TRUE(bench_->launcher().Stop("b", true).ok());
  second_.Await();
}

TEST_P(LauncherContract, StoppingNothingIsFine) {
  EXPECT_TRUE(bench_->launcher().Stop("nobody", false).ok());
  EXPECT_TRUE(bench_->launcher().Stop("nobody", true).ok());
  ASSERT_TRUE(bench_->launcher().Start(bench_->Endless("a"), first_.Callback()).ok());
  bench_->Finish("a", true);
  first_.Await();
  EXPECT_TRUE(bench_->launcher().Stop("a", true).ok());
}

TEST_P(LauncherContract, AFailedStartSaysWhyAndCallsNobody) {
  bench_->Break();
  const absl::Status status = bench_->launcher().Start(bench_->Endless("a"), first_.Callback());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(status.message().empty());
  bench_.reset();
  EXPECT_FALSE(first_.called());
}

TEST_P(LauncherContract, ItsEndIsTheWorkersEnd) {
  ASSERT_TRUE(bench_->launcher().Start(bench_->Endless("a"), first_.Callback()).ok());
  bench_.reset();
  EXPECT_TRUE(first_.called());
}

}  // namespace precis::server
