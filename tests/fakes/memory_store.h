// MemoryStore: a Store that forgets, simple enough to be the judge of the real one. For tests only.
#pragma once

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/store/page_key.h"
#include "server/store/store.h"
#include "supernet/formats/check.h"

namespace precis::server {

class MemoryStore final : public Store {
 public:
  absl::StatusOr<JobRecord> InsertJob(const JobRecord& job) override {
    std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : jobs_) {
      if (job.request_id.empty() || entry.job.request_id != job.request_id) continue;
      if (entry.job.spec_digest == job.spec_digest) return entry.job;
      return absl::AlreadyExistsError("request_id was used for another job");
    }
    if (jobs_.contains(job.id)) return absl::AlreadyExistsError("the id is taken");
    Entry& entry = jobs_[job.id];
    entry.job = job;
    AddState(entry);
    return job;
  }

  absl::StatusOr<JobRecord> MutateJob(const std::string& id, const Mutation& mutate) override {
    std::lock_guard lock(mutex_);
    auto found = jobs_.find(id);
    if (found == jobs_.end()) return NotFound(id);
    JobRecord job = found->second.job;
    absl::StatusOr<Disposition> disposition = mutate(job);
    if (!disposition.ok()) return disposition.status();
    if (*disposition == Disposition::kErase) {
      jobs_.erase(found);
      return job;
    }
    const JobRecord& before = found->second.job;
    const bool moved = job.state != before.state || job.notice != before.notice;
    found->second.job = job;
    if (moved) AddState(found->second);
    return job;
  }

  absl::Status AppendBatch(const std::string& job_id, const WorkerBatch& batch) override {
    std::lock_guard lock(mutex_);
    auto found = jobs_.find(job_id);
    if (found == jobs_.end()) return NotFound(job_id);
    Entry& entry = found->second;
    if (absl::Status status = CheckBatch(batch, entry.job.plan); !status.ok()) return status;
    if (batch.number <= entry.job.last_batch) return absl::OkStatus();
    if (entry.job.state != JobState::kRunning || batch.number != entry.job.last_batch + 1) {
      return absl::FailedPreconditionError("not running, or a batch is missing");
    }
    entry.job.last_batch = batch.number;
    entry.job.candidates_reported += static_cast<int64_t>(batch.candidates.size());
    Event event;
    if (batch.progress) {
      entry.job.progress = *batch.progress;
      event.kind = Event::Kind::kProgress;
      event.progress = *batch.progress;
      AddEvent(entry, event);
    }
    for (const search::Candidate& candidate : batch.candidates) {
      entry.candidates[candidate.number] = candidate;
      event = Event{};
      event.kind = Event::Kind::kCandidate;
      event.candidate_number = candidate.number;
      AddEvent(entry, event);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Page<JobRecord>> QueryJobs(const JobQuery& query) override {
    std::lock_guard lock(mutex_);
    std::vector<JobRecord> all;
    for (const auto& [id, entry] : jobs_) {
      if (!query.id.empty() && id != query.id) continue;
      if (query.state && entry.job.state != *query.state) continue;
      all.push_back(entry.job);
    }
    const auto before = [&](const JobRecord& a, const JobRecord& b) {
      const auto left = std::tie(a.created_us, a.id);
      const auto right = std::tie(b.created_us, b.id);
      return query.newest_first ? right < left : left < right;
    };
    std::sort(all.begin(), all.end(), before);
    if (!query.after_key.empty()) {
      absl::StatusOr<JobKey> key = ReadJobKey(query);
      if (!key.ok()) return key.status();
      JobRecord last;
      last.created_us = key->created_us;
      last.id = key->id;
      std::erase_if(all, [&](const JobRecord& job) { return !before(last, job); });
    }
    Page<JobRecord> page = Cut(std::move(all), query.limit);
    if (!page.items.empty()) {
      page.last_key = WriteJobKey(query, {page.items.back().created_us, page.items.back().id});
    }
    return page;
  }

  absl::StatusOr<Page<search::Candidate>> QueryCandidates(const CandidateQuery& query) override {
    std::lock_guard lock(mutex_);
    auto found = jobs_.find(query.job_id);
    if (found == jobs_.end()) return NotFound(query.job_id);
    if (query.order == CandidateOrder::kCost &&
        (query.cost_index < 0 ||
         query.cost_index >= static_cast<int64_t>(found->second.job.plan.cost_names.size()))) {
      return absl::InvalidArgumentError("no such cost");
    }
    const auto value = [&](const search::Candidate& candidate) {
      switch (query.order) {
        case CandidateOrder::kNumber:
          return static_cast<double>(candidate.number);
        case CandidateOrder::kAccuracy:
          return candidate.search.accuracy;
        case CandidateOrder::kCost:
          return candidate.costs[static_cast<size_t>(query.cost_index)];
      }
      return 0.0;
    };
    const auto before = [&](std::pair<double, int64_t> a, std::pair<double, int64_t> b) {
      if (a.first != b.first) return query.descending ? a.first > b.first : a.first < b.first;
      return a.second < b.second;
    };
    std::vector<search::Candidate> all;
    for (const auto& [number, candidate] : found->second.candidates) {
      if (query.number > 0 && number != query.number) continue;
      if (query.feasible_only && !candidate.feasible) continue;
      all.push_back(candidate);
    }
    std::sort(all.begin(), all.end(), [&](const search::Candidate& a, const search::Candidate& b) {
      return before({value(a), a.number}, {value(b), b.number});
    });
    if (!query.after_key.empty()) {
      absl::StatusOr<CandidateKey> key = ReadCandidateKey(query);
      if (!key.ok()) return key.status();
      std::erase_if(all, [&](const search::Candidate& candidate) {
        return !before({key->value, key->number}, {value(candidate), candidate.number});
      });
    }
    Page<search::Candidate> page = Cut(std::move(all), query.limit);
    if (!page.items.empty()) {
      page.last_key = WriteCandidateKey(query, {value(page.items.back()), page.items.back().number});
    }
    return page;
  }

  absl::StatusOr<Page<Event>> QueryEvents(const EventQuery& query) override {
    std::lock_guard lock(mutex_);
    auto found = jobs_.find(query.job_id);
    if (found == jobs_.end()) return NotFound(query.job_id);
    std::vector<Event> all;
    for (const Event& event : found->second.events) {
      if (event.number > query.after_number) all.push_back(event);
    }
    return Cut(std::move(all), query.limit);
  }

 private:
  struct Entry {
    JobRecord job;
    std::map<int64_t, search::Candidate> candidates;
    std::vector<Event> events;
  };

  static absl::Status NotFound(const std::string& id) {
    return absl::NotFoundError(absl::StrCat("there is no job ", id));
  }

  static void AddEvent(Entry& entry, Event event) {
    event.number = static_cast<int64_t>(entry.events.size()) + 1;
    event.time_us = absl::ToUnixMicros(absl::Now());
    entry.events.push_back(std::move(event));
  }

  static void AddState(Entry& entry) {
    Event event;
    event.kind = Event::Kind::kState;
    event.state = entry.job.state;
    event.message = entry.job.error.empty() ? entry.job.notice : entry.job.error;
    AddEvent(entry, std::move(event));
  }

  template <typename T>
  static Page<T> Cut(std::vector<T> all, int limit) {
    Page<T> page;
    page.more = all.size() > static_cast<size_t>(limit);
    if (page.more) all.resize(static_cast<size_t>(limit));
    page.items = std::move(all);
    return page;
  }

  std::mutex mutex_;
  std::map<std::string, Entry> jobs_;  // guarded by mutex_
};

}  // namespace precis::server
