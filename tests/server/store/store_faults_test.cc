// Every single operation on the disk fails once, for good, half, for want of room; the process is killed at
// every one, and the power is cut at every one: after each the store opens, is whole, and holds all that it
// had acknowledged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite_schema.h"
#include "server/store/sqlite_store.h"
#include "server/store/store_upkeep.h"
#include "tests/fakes/faulty_vfs.h"
#include "tests/fakes/sample_records.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

namespace fs = std::filesystem;
using Fault = FaultyVfs::Fault;

struct Mode {
  const char* name;
  Fault fault;
  bool power_cut = false;
};

constexpr Mode kModes[] = {
    {"once", Fault::kOnce}, {"for good", Fault::kForGood}, {"torn", Fault::kTorn},
    {"full", Fault::kFull}, {"killed", Fault::kDead},      {"power cut", Fault::kDead, true},
};

bool MayMove(JobState from, JobState to) {
  return from == JobState::kPending ? to == JobState::kRunning
                                    : from == JobState::kRunning && to == JobState::kSucceeded;
}

JobRecord NewJob(const std::string& id) {
  JobRecord job = SampleJob(id);
  job.request_id = "request " + id;
  return job;
}

absl::StatusOr<JobRecord> Find(Store& store, const std::string& id) {
  absl::StatusOr<Page<JobRecord>> page = store.QueryJobs({.id = id});
  if (!page.ok()) return page.status();
  if (page->items.empty()) return absl::NotFoundError(id);
  return page->items[0];
}

bool HasCandidates(Store& store, std::vector<int64_t> numbers) {
  for (const int64_t number : numbers) {
    const auto page = store.QueryCandidates({.job_id = "a", .number = number});
    if (!page.ok() || page->items.size() != 1 ||
        CandidateText(page->items[0]) != CandidateText(SampleCandidate(number))) {
      return false;
    }
  }
  return true;
}

absl::Status Advance(Store& store, JobState from, JobState to) {
  return store
      .MutateJob("a",
                 [&](JobRecord& job) -> absl::StatusOr<Disposition> {
                   if (job.state >= to) return Disposition::kKeep;  // it was asked for before
                   if (job.state != from || (to == JobState::kSucceeded && job.last_batch != 2))
                     return absl::FailedPreconditionError("not yet");
                   job.state = to;
                   if (to == JobState::kSucceeded) {
                     job.result = SampleResult();
                     job.files = {SampleFile("weights.safetensors")};
                     job.ended_us = 7;
                   }
                   return Disposition::kKeep;
                 })
      .status();
}

// Something that a client or worker asks for; asking again is harmless.
struct Step {
  const char* name;
  bool survives_power_cut;
  // The step without whose answer this one's says nothing; null: none.
  const char* needs;
  std::function<absl::Status(SqliteStore&)> ask;
  // Whether it was done, and nothing of it is missing; later steps may have been done too.
  std::function<bool(SqliteStore&)> holds;
};

std::vector<Step> Steps() {
  return {
      {"submit", true, nullptr, [](SqliteStore& s) { return s.InsertJob(NewJob("a")).status(); },
       [](SqliteStore& s) {
         const auto job = Find(s, "a");
         return job.ok() && job->spec == NewJob("a").spec && job->plan.layer_names.size() == 2;
       }},
      {"start", true, nullptr,
       [](SqliteStore& s) { return Advance(s, JobState::kPending, JobState::kRunning); },
       [](SqliteStore& s) { return Find(s, "a")->state != JobState::kPending; }},
      {"batch 1", false, nullptr,
       [](SqliteStore& s) {
         return s.AppendBatch("a", {.number = 1,
                                    .progress = SampleProgress(1),
                                    .candidates = {SampleCandidate(1), SampleCandidate(2)}});
       },
       [](SqliteStore& s) {
         return Find(s, "a")->last_batch >= 1 && HasCandidates(s, {1, 2});
       }},
      {"submit another", true, nullptr, [](SqliteStore& s) { return s.InsertJob(NewJob("b")).status(); },
       nullptr},
      {"make a token", true, nullptr,
       [](SqliteStore& s) {
         const absl::Status made = s.InsertToken({.name = "fresh", .hash = std::string(64, 'a')});
         return absl::IsAlreadyExists(made) ? absl::OkStatus() : made;
       },
       [](SqliteStore& s) { return s.ListTokens()->size() == 2; }},
      {"batch 2", false, nullptr,
       [](SqliteStore& s) { return s.AppendBatch("a", {.number = 2, .candidates = {SampleCandidate(3)}}); },
       [](SqliteStore& s) {
         return Find(s, "a")->last_batch == 2 && HasCandidates(s, {1, 2, 3});
       }},
      {"finish", true, nullptr,
       [](SqliteStore& s) { return Advance(s, JobState::kRunning, JobState::kSucceeded); },
       [](SqliteStore& s) {
         const auto job = Find(s, "a");
         return job->state == JobState::kSucceeded && job->result && job->files.size() == 1;
       }},
      {"delete the other", true, "submit another",
       [](SqliteStore& s) {
         const absl::Status gone = s.MutateJob("b", [](JobRecord&) { return Disposition::kErase; }).status();
         return absl::IsNotFound(gone) ? absl::OkStatus() : gone;
       },
       [](SqliteStore& s) { return absl::IsNotFound(Find(s, "b").status()); }},
      {"audit", false, nullptr, [](SqliteStore& s) { return s.AppendAudit({{.principal = "fresh"}}, 100); },
       [](SqliteStore& s) { return s.ListAudit(9)->size() >= 2; }},
  };
}

bool IsDone(const std::vector<Step>& steps, const std::vector<bool>& done, std::string_view name) {
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].name == name) return done[i];
  }
  return false;
}

class StoreFaults : public testing::Test {
 protected:
  // Copies what a store of this schema version holds; 0: nothing.
  std::string Prepare(int version) {
    const std::string folder = dir_.path() + "/data";
    fs::remove_all(folder);
    fs::create_directories(folder);
    if (version == 0) return folder;
    const std::string kept = absl::StrCat(dir_.path(), "/v", version, ".db");
    if (!fs::exists(kept)) {
      std::ifstream file(absl::StrCat(PRECIS_GOLDEN_DIR, "/store/v", version, ".sql"));
      std::stringstream sql;
      sql << file.rdbuf();
      sqlite3* database = nullptr;
      EXPECT_EQ(sqlite3_open(kept.c_str(), &database), SQLITE_OK);
      EXPECT_EQ(sqlite3_exec(database, sql.str().c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
      sqlite3_close(database);
    }
    fs::copy_file(kept, folder + "/precis.db");
    return folder;
  }

  // The census has no faults.
  void ExpectWhole(const std::string& folder) {
    const absl::StatusOr<StoreCensus> census = TakeCensus(folder + "/precis.db", StoreUse::kInUse, MayMove);
    ASSERT_TRUE(census.ok()) << census.status();
    EXPECT_THAT(census->faults, testing::IsEmpty());
  }

  // Asks for everything, with a fault at operation `at`; then opens the store again, if asked with another
  // fault, of another process, on the way. Whether the fault has struck.
  bool Live(const Mode& mode, int64_t at, int64_t second_at);

  TempDir dir_;
  FaultyVfs vfs_;
};

bool StoreFaults::Live(const Mode& mode, int64_t at, int64_t second_at) {
  SCOPED_TRACE(absl::StrCat(mode.name, " at operation ", at, ", and at ", second_at, " of what comes after"));
  const std::string folder = Prepare(SchemaVersion());
  const std::vector<Step> steps = Steps();
  std::vector<bool> done(steps.size(), false);
  vfs_.Arm(mode.fault, at);
  {
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(folder);
    for (size_t i = 0; store.ok() && i < steps.size(); ++i) {
      // A request that got an error may have been done or not; after the next start that is known.
      done[i] =
          steps[i].ask(**store).ok() && (steps[i].needs == nullptr || IsDone(steps, done, steps[i].needs));
    }
  }
  const bool struck = vfs_.struck();
  if (mode.power_cut) {
    // What is certain: each lasting answer, and, since the log is synchronised from its beginning, all before
    // it.
    bool certain = false;
    for (size_t i = steps.size(); i-- > 0;) {
      certain = certain || (done[i] && steps[i].survives_power_cut);
      done[i] = done[i] && certain;
    }
    vfs_.PowerCut(static_cast<uint64_t>(at));
  }
  if (second_at > 0) {
    vfs_.Arm(mode.fault, second_at);
    { (void)SqliteStore::Open(folder).status(); }
    if (mode.power_cut) vfs_.PowerCut(static_cast<uint64_t>(at + second_at));
  }
  vfs_.Arm(Fault::kNone, 0);
  absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(folder);
  EXPECT_TRUE(store.ok()) << store.status();
  if (!store.ok()) return struck;
  ExpectWhole(folder);
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!done[i] || !steps[i].holds) continue;
    EXPECT_TRUE(steps[i].holds(**store)) << steps[i].name << " was acknowledged and is lost";
  }
  // Whoever got no answer asks again.
  for (const Step& step : steps) {
    const absl::Status asked = step.ask(**store);
    EXPECT_TRUE(asked.ok()) << step.name << ": " << asked;
    EXPECT_TRUE(!step.holds || step.holds(**store)) << step.name;
  }
  EXPECT_EQ((*store)->QueryJobs({})->items.size(), 2u) << "one job a request, and the golden one";
  ExpectWhole(folder);
  return struck;
}

TEST_F(StoreFaults, NothingThatWasAcknowledgedIsLostAtAnyOperation) {
  for (const Mode& mode : kModes) {
    int64_t at = 1;
    for (bool struck = true; struck && !HasFailure(); ++at) struck = Live(mode, at, 0);
    RecordProperty(std::string(mode.name), static_cast<int>(at));
    EXPECT_GT(at, 60) << "too few operations were seen to believe this";
  }
}

TEST_F(StoreFaults, NorIfTheNextStartFailsToo) {
  for (const Mode& mode : kModes) {
    for (int64_t at = 1; !HasFailure(); at += 3) {
      if (!Live(mode, at, 1 + at * 7 % 13)) break;
    }
  }
}

// Creating a store, and bringing each released schema up to date: whole or not at all.
TEST_F(StoreFaults, AMigrationIsWholeOrNotAtAll) {
  for (const int version : {0, 1}) {
    for (const Mode& mode : kModes) {
      bool struck = true;
      for (int64_t at = 1; struck && !HasFailure(); ++at) {
        SCOPED_TRACE(absl::StrCat("schema ", version, ", ", mode.name, " at operation ", at));
        const std::string folder = Prepare(version);
        vfs_.Arm(mode.fault, at);
        { (void)SqliteStore::Open(folder).status(); }
        struck = vfs_.struck();
        if (mode.power_cut) vfs_.PowerCut(static_cast<uint64_t>(at));
        vfs_.Arm(Fault::kNone, 0);
        absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(folder);
        ASSERT_TRUE(store.ok()) << store.status();
        ExpectWhole(folder);
        EXPECT_EQ((*store)->QueryJobs({})->items.size(), version == 0 ? 0u : 1u);
      }
    }
  }
}

}  // namespace
}  // namespace precis::server
