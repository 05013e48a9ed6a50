// The server's small parts: names and ids, page tokens, states, addresses, statuses, digests, job files, the
// hub, orders of candidates.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "search/cost/cost_model.h"
#include "server/candidate_choice.h"
#include "server/candidate_listing.h"
#include "server/catalogue.h"
#include "server/convert_status.h"
#include "server/digest.h"
#include "server/event_hub.h"
#include "server/job_files.h"
#include "server/job_state.h"
#include "server/listen_address.h"
#include "server/page_token.h"
#include "server/resource_name.h"
#include "tests/fakes/sample_records.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

using testing::HasSubstr;

constexpr char kId[] = "01jd8x5k3mq7";

TEST(ResourceName, GoThereAndBack) {
  EXPECT_EQ(*ParseJobName(JobName(kId), "name"), kId);
  for (int64_t number : {int64_t{1}, int64_t{42}, std::numeric_limits<int64_t>::max()}) {
    absl::StatusOr<CandidateName> name = ParseCandidateName(CandidateResourceName(kId, number), "name");
    ASSERT_TRUE(name.ok());
    EXPECT_EQ(name->job_id, kId);
    EXPECT_EQ(name->number, number);
  }
}

TEST(ResourceName, RefusesEverythingElse) {
  for (const char* bad : {"", "jobs", "jobs/", "job/01jd8x5k3mq7", "jobs/01jd8x5k3mq", "jobs/01jd8x5k3mq77",
                          "jobs/01JD8X5K3MQ7", "jobs/../../../etc", "jobs/01jd8x5k3mq7/", "jobs/01jd8x5k3m/7",
                          " jobs/01jd8x5k3mq7", "jobs/01jd8x5k3mq7/candidates/1"}) {
    absl::Status status = ParseJobName(bad, "name").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), testing::AllOf(HasSubstr("name: "), HasSubstr("jobs/{job}")));
  }
  for (const char* bad :
       {"", "jobs/01jd8x5k3mq7", "jobs/01jd8x5k3mq7/candidates/", "jobs/01jd8x5k3mq7/candidates/0",
        "jobs/01jd8x5k3mq7/candidates/-1", "jobs/01jd8x5k3mq7/candidates/+1",
        "jobs/01jd8x5k3mq7/candidates/01", "jobs/01jd8x5k3mq7/candidates/ 1",
        "jobs/01jd8x5k3mq7/candidates/9223372036854775808", "jobs/x/candidates/1",
        "jobs/01jd8x5k3mq7/candidates/1/candidates/1"}) {
    EXPECT_EQ(ParseCandidateName(bad, "name").status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(JobIdMaker, IdsAreWellFormedUniqueAndRising) {
  JobIdMaker maker;
  std::mt19937_64 generator(1);
  std::string last;
  int64_t now = 1'795'000'000'000;
  for (int i = 0; i < 5000; ++i) {
    now += static_cast<int64_t>(generator() % 5) - 2;  // the clock stands still and goes back
    const std::string id = maker.Make(now, generator());
    EXPECT_TRUE(IsJobId(id)) << id;
    EXPECT_LT(last, id);
    last = id;
  }
}

TEST(PageToken, GoesThereAndBackForItsQueryOnly) {
  for (const std::string& key : {std::string("k"), std::string("a/b/\0\xff", 6), std::string(300, 'x')}) {
    const std::string token = WritePageToken("jobs 1", key);
    absl::StatusOr<std::string> back = ReadPageToken("jobs 1", token);
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, key);
    EXPECT_EQ(ReadPageToken("jobs 2", token).status().code(), absl::StatusCode::kInvalidArgument);
    for (size_t i = 0; i < token.size(); ++i) {
      for (char c : {'A', 'z', '-', '\0', '='}) {
        std::string altered = token;
        if (altered[i] == c) continue;
        altered[i] = c;
        EXPECT_FALSE(ReadPageToken("jobs 1", altered).ok()) << i;
      }
      EXPECT_EQ(ReadPageToken("jobs 1", token.substr(0, i)).ok(), i == 0);
    }
    EXPECT_FALSE(ReadPageToken("jobs 1", token + "A").ok());
    EXPECT_FALSE(ReadPageToken("jobs 1", token + "=").ok());
    EXPECT_FALSE(ReadPageToken("jobs 1", token + " ").ok());
  }
  EXPECT_EQ(*ReadPageToken("any", ""), "");
}

TEST(PageToken, SizesHaveADefaultALimitAndNoNegatives) {
  EXPECT_EQ(*PageSize(0, 50, 500), 50);
  EXPECT_EQ(*PageSize(7, 50, 500), 7);
  EXPECT_EQ(*PageSize(501, 50, 500), 500);
  EXPECT_EQ(*PageSize(std::numeric_limits<int>::max(), 50, 500), 500);
  EXPECT_THAT(std::string(PageSize(-1, 50, 500).status().message()), HasSubstr("page_size"));
}

TEST(JobState, MovesAreExactlyThese) {
  using S = JobState;
  const std::set<std::pair<S, S>> allowed = {
      {S::kPending, S::kRunning},   {S::kPending, S::kPaused},    {S::kPending, S::kCancelled},
      {S::kRunning, S::kSucceeded}, {S::kRunning, S::kFailed},    {S::kRunning, S::kPaused},
      {S::kRunning, S::kCancelled}, {S::kPaused, S::kPending},    {S::kPaused, S::kCancelled},
      {S::kFailed, S::kPending},    {S::kCancelled, S::kPending},
  };
  const S all[] = {S::kPending, S::kRunning, S::kSucceeded, S::kFailed, S::kCancelled, S::kPaused};
  for (S from : all) {
    EXPECT_EQ(IsTerminal(from), from == S::kSucceeded || from == S::kFailed || from == S::kCancelled);
    for (S to : all) {
      EXPECT_EQ(CanMove(from, to), allowed.contains({from, to}));
      JobRecord job = SampleJob("a");
      job.state = from;
      const absl::Status status = MoveJob(job, to, 99);
      EXPECT_EQ(status.ok(), allowed.contains({from, to}));
      EXPECT_EQ(job.state, status.ok() ? to : from);
      EXPECT_EQ(job.started_us == 99, status.ok() && to == S::kRunning);
      EXPECT_EQ(job.ended_us == 99, status.ok() && IsTerminal(to));
    }
  }
}

TEST(ListenAddress, ReadsAddressesAndKnowsLoopbackOnes) {
  EXPECT_EQ(ParseListenAddress("127.0.0.1:7070")->Text(), "127.0.0.1:7070");
  EXPECT_EQ(ParseListenAddress("localhost:0")->Text(), "127.0.0.1:0");
  EXPECT_EQ(ParseListenAddress("[::1]:7070")->Text(), "[::1]:7070");
  EXPECT_EQ(ParseListenAddress("127.1.2.3:65535")->port, 65535);
  for (const char* open : {"0.0.0.0:7070", "[::]:7070", "10.0.0.1:7070", "192.168.1.5:1"}) {
    EXPECT_FALSE(ParseListenAddress(open)->IsLoopback()) << open;
  }
  for (const char* loopback : {"127.0.0.1:7070", "127.9.9.9:7070", "[::1]:7070", "localhost:1"}) {
    EXPECT_TRUE(ParseListenAddress(loopback)->IsLoopback()) << loopback;
  }
  for (const char* bad : {"", "example.org:7070", ":7070", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
                          "127.0.0.1:65536", "127.0.0.1:-1", "[::1:7070"}) {
    EXPECT_EQ(ParseListenAddress(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(ListenAddress, APortInUseIsSaidSo) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(descriptor, 1), 0);
  socklen_t size = sizeof address;
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  const int port = ntohs(address.sin_port);
  const absl::Status status = CheckAddressIsFree({"127.0.0.1", port});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(HasSubstr(absl::StrCat("127.0.0.1:", port)), HasSubstr("--listen")));
  close(descriptor);
  EXPECT_TRUE(CheckAddressIsFree({"127.0.0.1", port}).ok());
  EXPECT_TRUE(CheckAddressIsFree({"127.0.0.1", 0}).ok());
}

TEST(ConvertStatus, CodesAreTheSameNumbers) {
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "text");
    const grpc::Status wire = ToGrpcStatus(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpcStatus(wire), status);
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
  EXPECT_LT(ToGrpcStatus(absl::InternalError(std::string(1 << 20, 'x'))).error_message().size(), 2000u);
}

TEST(ConvertStatus, ShortensBetweenCharacters) {
  EXPECT_EQ(Shorten("abc", 3), "abc");
  EXPECT_EQ(Shorten("ääää", 8), "ääää");
  EXPECT_EQ(Shorten("ääää", 7), "ää…");
  EXPECT_EQ(Shorten("abcdefgh", 6), "abc…");
  EXPECT_EQ(Shorten("a\xff\xc3|\xed\xa0\x80z", 100), "a??|???z");
}

TEST(Digest, KnownValuesAndFiles) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  TempDir dir;
  const std::string bytes(3'000'000, 'q');
  std::ofstream(dir.path() + "/f") << bytes;
  EXPECT_EQ(*Sha256HexOfFile(dir.path() + "/f"), Sha256Hex(bytes));
  EXPECT_EQ(Sha256HexOfFile(dir.path() + "/none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(RandomHex(32).size(), 64u);
  EXPECT_NE(RandomHex(32), RandomHex(32));
  EXPECT_TRUE(EqualSecrets("abc", "abc"));
  EXPECT_FALSE(EqualSecrets("abc", "abd"));
  EXPECT_FALSE(EqualSecrets("abc", "ab"));
  EXPECT_TRUE(EqualSecrets("", ""));
}

TEST(JobFiles, FoldersComeAndGo) {
  TempDir dir;
  JobFiles files(dir.path());
  EXPECT_TRUE(files.Folders().empty());
  ASSERT_TRUE(files.MakeFolder(kId).ok());
  ASSERT_TRUE(files.MakeFolder(kId).ok());
  std::filesystem::create_directories(dir.path() + "/jobs/not a job");
  EXPECT_EQ(files.Folders(), std::vector<std::string>{kId});
  std::ofstream(files.WeightsPath(kId)) << "w";
  ASSERT_TRUE(files.RemoveFolder(kId).ok());
  ASSERT_TRUE(files.RemoveFolder(kId).ok());
  EXPECT_TRUE(files.Folders().empty());
}

TEST(JobFiles, TheTailOfALogIsItsLastLinesMadePrintable) {
  TempDir dir;
  JobFiles files(dir.path());
  EXPECT_EQ(files.LogTail(kId), "");
  ASSERT_TRUE(files.MakeFolder(kId).ok());
  std::ofstream(files.LogPath(kId)) << "one\n\ntwo\nthree\n  \nfour\nfive\nsix \x1b[1m\xff\n";
  EXPECT_EQ(files.LogTail(kId), "two | three | four | five | six ?[1m?");
  std::ofstream(files.LogPath(kId)) << std::string(100000, 'x') << "\nlast\n";
  EXPECT_LE(files.LogTail(kId).size(), 1010u);
  EXPECT_THAT(files.LogTail(kId), testing::EndsWith("x | last"));
}

class CountingWatcher final : public Watcher {
 public:
  void Wake() override {
    std::lock_guard lock(mutex_);
    ++wakes_;
    woken_.notify_all();
  }
  void Close() override {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  bool closed() {
    std::lock_guard lock(mutex_);
    return closed_;
  }
  void AwaitWakes(int count) {
    std::unique_lock lock(mutex_);
    woken_.wait(lock, [&] { return wakes_ >= count; });
  }

 private:
  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0;
  bool closed_ = false;
};

TEST(EventHub, WakesThoseWhoWatchAndForgetsThoseWhoWent) {
  EventHub hub;
  auto first = std::make_shared<CountingWatcher>();
  auto second = std::make_shared<CountingWatcher>();
  hub.Watch("a", first);
  hub.Watch("a", second);
  hub.Notify("nobody");
  hub.Notify("a");
  first->AwaitWakes(1);
  second->AwaitWakes(1);
  std::weak_ptr<CountingWatcher> gone = second;
  second.reset();
  hub.Notify("a");
  first->AwaitWakes(2);
  while (!gone.expired()) std::this_thread::yield();
}

TEST(EventHub, ClosesWatchersAndTakesNoMore) {
  EventHub hub;
  auto watcher = std::make_shared<CountingWatcher>();
  EXPECT_TRUE(hub.Watch("a", watcher));
  hub.Close();
  EXPECT_TRUE(watcher->closed());
  EXPECT_FALSE(hub.Watch("a", watcher));
}

TEST(CandidateListing, ParsesOrders) {
  const PlanSummary plan = SampleJob("a").plan;
  EXPECT_EQ(ParseOrdering("", plan)->order, CandidateOrder::kNumber);
  EXPECT_TRUE(ParseOrdering("number desc", plan)->descending);
  EXPECT_EQ(ParseOrdering("accuracy", plan)->order, CandidateOrder::kAccuracy);
  EXPECT_EQ(ParseOrdering("cost", plan)->cost_index, 1);
  EXPECT_EQ(ParseOrdering("bops desc", plan)->cost_index, 0);
  for (const char* bad : {"acuracy", " desc", "desc", "accuracy asc", "accuracy  desc", "bops,number"}) {
    const absl::Status status = ParseOrdering(bad, plan).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("model_size"));
  }
  EXPECT_EQ(*FindMetric("", plan), 1);
  EXPECT_EQ(*FindMetric("bops", plan), 0);
  EXPECT_THAT(std::string(FindMetric("bop", plan).status().message()), HasSubstr("Did you mean"));
}

TEST(CandidateListing, PagesFitIntoMessages) {
  EXPECT_EQ(CandidatesPerPage(1000, 10), 1000);
  EXPECT_EQ(CandidatesPerPage(1000, 400), 100);
  EXPECT_EQ(CandidatesPerPage(7, 400), 7);
  EXPECT_EQ(CandidatesPerPage(1000, 1'000'000), 1);
  EXPECT_EQ(CandidatesPerPage(1000, 0), 1000);
}

TEST(CandidateListing, TheFrontEqualsBruteForce) {
  std::mt19937_64 generator(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<search::Candidate> candidates;
    for (uint64_t i = 1; i <= generator() % 30; ++i) {
      search::Candidate candidate = SampleCandidate(static_cast<int64_t>(i));
      candidate.costs[1] = static_cast<double>(generator() % 8);
      candidate.search.accuracy = static_cast<double>(generator() % 8) / 8;
      candidates.push_back(candidate);
    }
    std::vector<int64_t> expected;
    for (const auto& a : candidates) {
      bool beaten = false;
      for (const auto& b : candidates) {
        const bool no_worse = b.costs[1] <= a.costs[1] && b.search.accuracy >= a.search.accuracy;
        const bool equal = b.costs[1] == a.costs[1] && b.search.accuracy == a.search.accuracy;
        beaten = beaten || (no_worse && (!equal || b.number < a.number));
      }
      if (!beaten) expected.push_back(a.number);
    }
    std::vector<int64_t> front;
    double last = -1;
    for (const size_t index : search::ParetoFront(PointsOf(candidates, 1))) {
      const search::Candidate& each = candidates[index];
      front.push_back(each.number);
      EXPECT_GT(each.costs[1], last);
      last = each.costs[1];
    }
    EXPECT_THAT(front, testing::UnorderedElementsAreArray(expected));
  }
}

TEST(CandidateChoice, KeepsTheOtherLimitsAndGivesTiesToTheCheaper) {
  PlanSummary plan = SampleJob("x").plan;
  plan.cost_names = {"bops", "model_size", "asic-area"};
  plan.constrained = 1;
  plan.cost_limits = {std::nullopt, 10, 5};
  const auto candidate = [](int64_t number, double accuracy, double loss, std::vector<double> costs) {
    search::Candidate made = SampleCandidate(number);
    made.search = {accuracy, loss, 100};
    made.costs = std::move(costs);
    return made;
  };
  const std::vector<search::Candidate> all = {
      candidate(1, 0.9, 0.2, {7, 50, 4}), candidate(2, 0.9, 0.1, {8, 60, 5}),
      candidate(3, 0.95, 0.1, {6, 9, 6}), candidate(4, 0.9, 0.1, {7, 70, 5}),
      candidate(5, 0.9, std::nan(""), {1, 1, 1})};
  const auto chosen = [&](int64_t cost, double target) {
    const Choice choice = ChooseWithin(all, plan, cost, target);
    return choice.candidate ? choice.candidate->number : 0;
  };
  EXPECT_EQ(chosen(0, 8), 4) << "the third is over the limit of area; the job's own target has gone";
  EXPECT_EQ(chosen(0, 7), 4);
  EXPECT_EQ(chosen(0, 6), 5);
  EXPECT_EQ(chosen(0, 0.5), 0);
  EXPECT_EQ(chosen(2, 6), 3) << "the new target takes the place of the limit";
  EXPECT_EQ(chosen(1, 50), 1);
  const Choice choice = ChooseWithin(all, plan, 0, 0.5);
  ASSERT_TRUE(choice.measured.has_value());
  EXPECT_EQ(choice.measured->min, 1);
  EXPECT_EQ(choice.measured->max, 8);
  plan.cost_limits[2] = 0.5;
  EXPECT_FALSE(ChooseWithin(all, plan, 0, 99).measured.has_value());
}

TEST(Catalogue, EveryCostSaysItsUnitAndBasis) {
  const v1::ListCostsResponse costs = CostCatalogue();
  EXPECT_EQ(costs.costs_size(), static_cast<int>(search::CostModelNames().size()));
  for (const v1::CostMetric& metric : costs.costs()) {
    EXPECT_FALSE(metric.unit().empty()) << metric.name();
    EXPECT_GT(metric.basis().size(), 50u) << metric.name();
  }
}

TEST(Catalogue, KnowsTheFormatsAndTheModelsAtTheirCustomarySizes) {
  const v1::ListFormatsResponse formats = FormatCatalogue();
  EXPECT_EQ(formats.formats_size(), static_cast<int>(CatalogueFormats().size()));
  const v1::ListModelsResponse models = ModelCatalogue();
  std::map<std::string, v1::ModelInfo> by_name;
  for (const v1::ModelInfo& model : models.models()) by_name[model.name()] = model;
  EXPECT_EQ(by_name.at("resnet8").input(), "3x32x32");
  EXPECT_EQ(by_name.at("resnet20").input(), "3x32x32");
  for (const char* name : {"resnet18", "resnet50", "mobilenet_v2"}) {
    EXPECT_EQ(by_name.at(name).input(), "3x224x224") << name;
  }
  EXPECT_NEAR(static_cast<double>(by_name.at("resnet18").macs()), 1.8269e9, 1e6);
  EXPECT_GE(models.datasets_size(), 1);
}

}  // namespace
}  // namespace precis::server
