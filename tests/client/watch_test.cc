// Watching: to the end, through a lost server, and up to Ctrl-C.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "client/exit_codes.h"
#include "tests/client/fake_search_service.h"

namespace precis::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

v1::JobEvent StateEvent(int64_t number, v1::Job::State state) {
  v1::JobEvent event;
  event.set_number(number);
  event.mutable_time()->set_seconds(1700000000 + number);
  event.mutable_state_change()->set_state(state);
  return event;
}

v1::JobEvent ProgressEvent(int64_t number, v1::Phase phase) {
  v1::JobEvent event;
  event.set_number(number);
  event.mutable_time()->set_seconds(1700000000 + number);
  event.mutable_progress()->set_phase(phase);
  event.mutable_progress()->set_step(number);
  event.mutable_progress()->set_total_steps(100);
  event.mutable_progress()->set_fraction(static_cast<double>(number) / 100);
  return event;
}

class WatchTest : public CommandTest {
 protected:
  // Every stream sends the events after the number asked for, up to `count` of them, then ends with `end`.
  void ServeEvents(size_t count, grpc::Status end = grpc::Status::OK) {
    service_.watch = [this, count, end](grpc::ServerContext*, const v1::WatchJobRequest& request,
                                        grpc::ServerWriter<v1::JobEvent>* writer) {
      {
        std::lock_guard lock(mutex_);
        asked_after_.push_back(request.after_event());
      }
      size_t sent = 0;
      for (const v1::JobEvent& event : events_)
        if (event.number() > request.after_event() && sent++ < count) writer->Write(event);
      if (sent > count) return end;
      if (events_.back().has_state_change()) SetState(events_.back().state_change().state());
      return grpc::Status::OK;
    };
  }
  void SetState(v1::Job::State state) { service_.jobs[0].set_state(state); }

  std::vector<v1::JobEvent> events_ = {StateEvent(1, v1::Job::PENDING),    StateEvent(2, v1::Job::RUNNING),
                                       ProgressEvent(3, v1::PHASE_WARMUP), ProgressEvent(4, v1::PHASE_WARMUP),
                                       ProgressEvent(5, v1::PHASE_SEARCH), StateEvent(6, v1::Job::SUCCEEDED)};
  std::mutex mutex_;
  std::vector<int64_t> asked_after_;
};

TEST_F(WatchTest, FollowsToTheEndInPlainLines) {
  ServeEvents(100);
  const Ran ran = Precis({"watch", "abc"});
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_THAT(ran.err, Not(HasSubstr("\x1b")));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 5) << "one at each change: " << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("waiting for its turn\n"));
  EXPECT_THAT(ran.err, HasSubstr("warmup"));
  EXPECT_THAT(ran.err, HasSubstr("search"));
  EXPECT_THAT(ran.out, HasSubstr("answer     candidate 4"));
}

TEST_F(WatchTest, RedrawsOneLineOnATerminal) {
  live_ = true;
  ServeEvents(100);
  const Ran ran = Precis({"watch", "abc"});
  EXPECT_EQ(ran.code, kExitOk);
  EXPECT_THAT(ran.err, HasSubstr("\r"));
  EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1);
}

TEST_F(WatchTest, ExitCodesTellHowTheJobEnded) {
  ServeEvents(100);
  events_.back().mutable_state_change()->set_state(v1::Job::FAILED);
  EXPECT_EQ(Precis({"watch", "abc"}).code, kExitFailed);
  events_.back().mutable_state_change()->set_state(v1::Job::CANCELLED);
  EXPECT_EQ(Precis({"watch", "abc"}).code, kExitCancelled);
}

TEST_F(WatchTest, SubmitWatchPrintsTheJobAtTheEnd) {
  ServeEvents(100);
  const Ran ran = Precis({"submit", "-", "--watch", "-o", "json"}, "seed: 1\n");
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_EQ(nlohmann::json::parse(ran.out)["state"], "succeeded");
  EXPECT_THAT(ran.err, ::testing::StartsWith("Submitted jobs/abc\n"));
}

TEST_F(WatchTest, BeginsAfterTheEventGiven) {
  ServeEvents(100);
  Precis({"watch", "abc", "--after", "4"});
  EXPECT_THAT(asked_after_, ElementsAre(4));
}

TEST_F(WatchTest, TakesUpALostStreamAfterTheLastEvent) {
  SetState(v1::Job::RUNNING);
  ServeEvents(2, grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down"));
  const Ran ran = Precis({"watch", "abc"});
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_THAT(asked_after_, ElementsAre(0, 2, 4));
  EXPECT_THAT(ran.err, HasSubstr("Lost the server at"));
  EXPECT_THAT(ran.err, HasSubstr("Found the server again."));
}

TEST_F(WatchTest, SurvivesARestartOfTheServer) {
  SetState(v1::Job::RUNNING);
  service_.watch = [this](grpc::ServerContext* context, const v1::WatchJobRequest& request,
                          grpc::ServerWriter<v1::JobEvent>* writer) {
    if (request.after_event() == 0) {
      writer->Write(events_[0]);
      while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      return grpc::Status::OK;
    }
    for (size_t i = 1; i < events_.size(); ++i) writer->Write(events_[i]);
    SetState(v1::Job::SUCCEEDED);
    return grpc::Status::OK;
  };
  std::thread restart([this] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    const int port = port_;
    Stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    Start(port);
  });
  const Ran ran = Precis({"watch", "abc"});
  restart.join();
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("Found the server again."));
}

TEST_F(WatchTest, GivesUpAndSaysHowToGoOn) {
  SetState(v1::Job::RUNNING);
  ServeEvents(2, grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down"));
  events_.resize(3);
  events_[2] = ProgressEvent(3, v1::PHASE_SEARCH);
  const Ran ran = Precis({"watch", "abc", "--patience", "0.5"});
  EXPECT_EQ(ran.code, kExitRpc + grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(ran.err, HasSubstr("may still be running"));
  EXPECT_THAT(ran.err, HasSubstr("precis watch abc --after 3"));
  EXPECT_THAT(ran.out, IsEmpty());
}

TEST_F(WatchTest, AnErrorOfTheServerIsReportedAtOnce) {
  service_.watch = [](grpc::ServerContext*, const v1::WatchJobRequest&, grpc::ServerWriter<v1::JobEvent>*) {
    return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "event 9 has not been reached");
  };
  const Ran ran = Precis({"watch", "abc", "--after", "9"});
  EXPECT_EQ(ran.code, kExitRpc + grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_THAT(ran.err, HasSubstr("event 9 has not been reached"));
}

TEST_F(WatchTest, CtrlCStopsWatchingOnly) {
  SetState(v1::Job::RUNNING);
  std::atomic<bool> watched = false;
  service_.watch = [&](grpc::ServerContext* context, const v1::WatchJobRequest&,
                       grpc::ServerWriter<v1::JobEvent>* writer) {
    writer->Write(events_[0]);
    writer->Write(events_[1]);
    watched = true;
    while (!context->IsCancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return grpc::Status::OK;
  };
  std::thread interrupt([&] {
    while (!watched) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    kill(getpid(), SIGINT);
  });
  const Ran ran = Precis({"watch", "abc"});
  interrupt.join();
  EXPECT_EQ(ran.code, kExitInterrupted);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, HasSubstr("jobs/abc goes on. Resume with: precis watch abc --after 2\n"));
  EXPECT_THAT(ran.err, HasSubstr("Cancel with: precis cancel abc\n"));
}

TEST_F(WatchTest, CtrlCEndsAPauseToo) {
  SetState(v1::Job::RUNNING);
  ServeEvents(0, grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down"));
  std::thread interrupt([&] {
    while (true) {
      std::lock_guard lock(mutex_);
      if (asked_after_.size() >= 2) break;
    }
    kill(getpid(), SIGINT);
  });
  EXPECT_EQ(Precis({"watch", "abc"}).code, kExitInterrupted);
  interrupt.join();
}

}  // namespace
}  // namespace precis::client
