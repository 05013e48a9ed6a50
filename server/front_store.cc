// Points by number, fronts by cost.
#include "server/front_store.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace precis::server {
namespace {

// Of a job whose front nobody asks for any more so many are kept before it is forgotten.
constexpr size_t kLongestInbox = 100'000;
constexpr int kPointsPerPage = 50'000;

struct Point {
  int64_t number = 0;
  double accuracy = 0;
  bool feasible = false;
  std::vector<double> costs;
};

// The candidate without what only a reader of it needs.
search::Candidate Thin(const search::Candidate& candidate) {
  search::Candidate thin;
  thin.number = candidate.number;
  thin.search = candidate.search;
  thin.feasible = candidate.feasible;
  thin.costs = candidate.costs;
  return thin;
}

Point PointOf(search::Candidate candidate) {
  return {candidate.number, candidate.search.accuracy, candidate.feasible, std::move(candidate.costs)};
}

// Costs and accuracies rise together.
class Staircase {
 public:
  void Add(int64_t number, double cost, double accuracy) {
    auto next = points_.upper_bound(cost);
    if (next != points_.begin()) {
      FrontPoint& before = std::prev(next)->second;
      if (before.accuracy > accuracy || (before.accuracy == accuracy && before.cost < cost)) return;
      if (before.accuracy == accuracy) {
        if (number < before.number) candidates = nullptr;
        before.number = std::min(before.number, number);
        return;
      }
      if (before.cost == cost) --next;
    }
    while (next != points_.end() && next->second.accuracy <= accuracy) next = points_.erase(next);
    points_.emplace(cost, FrontPoint{number, cost, accuracy});
    candidates = nullptr;
  }

  // Of the points, once somebody has asked; null again when they change.
  std::shared_ptr<const std::vector<search::Candidate>> candidates;

  bool Has(int64_t number, double cost) const {
    const auto found = points_.find(cost);
    return found != points_.end() && found->second.number == number;
  }

  std::vector<FrontPoint> Points() const {
    std::vector<FrontPoint> points;
    for (const auto& [cost, point] : points_) points.push_back(point);
    return points;
  }

 private:
  std::map<double, FrontPoint> points_;
};

}  // namespace

class FrontStore::JobPoints {
 public:
  std::mutex& mutex() { return mutex_; }  // of all else
  bool loaded = false;

  void Apply(search::Candidate candidate) {
    Point point = PointOf(std::move(candidate));
    Raise(point.costs);
    if (points_.empty() || points_.back().number < point.number) {
      for (auto& [key, front] : fronts_) AddTo(front, key, point);
      points_.push_back(std::move(point));
      return;
    }
    const auto at = std::lower_bound(points_.begin(), points_.end(), point.number,
                                     [](const Point& each, int64_t number) { return each.number < number; });
    if (at == points_.end() || at->number != point.number) {
      for (auto& [key, front] : fronts_) AddTo(front, key, point);
      points_.insert(at, std::move(point));
      return;
    }
    // Measured again. A front that had it must be worked out anew: others may have been behind it.
    std::erase_if(fronts_, [&](const auto& entry) {
      return entry.second.Has(at->number, at->costs[entry.first.first]);
    });
    const bool same_costs = at->costs == point.costs;
    *at = std::move(point);
    if (!same_costs) {
      dearest_.clear();
      for (const Point& each : points_) Raise(each.costs);
    }
    for (auto& [key, front] : fronts_) AddTo(front, key, *at);
  }

  // Its candidates are those that were kept, or null.
  JobFront Find(size_t cost_index, bool feasible_only) {
    const std::pair<size_t, bool> key = {cost_index, feasible_only};
    auto found = fronts_.find(key);
    if (found == fronts_.end()) {
      found = fronts_.emplace(key, Staircase()).first;
      for (const Point& point : points_) AddTo(found->second, key, point);
    }
    return {.points = found->second.Points(),
            .candidates = found->second.candidates,
            .dearest = dearest_.empty() ? 0 : dearest_[cost_index]};
  }

  void Keep(size_t cost_index, bool feasible_only,
            std::shared_ptr<const std::vector<search::Candidate>> candidates) {
    fronts_.at({cost_index, feasible_only}).candidates = std::move(candidates);
  }

 private:
  void Raise(const std::vector<double>& costs) {
    dearest_.resize(costs.size());
    for (size_t i = 0; i < costs.size(); ++i) dearest_[i] = std::max(dearest_[i], costs[i]);
  }

  static void AddTo(Staircase& front, const std::pair<size_t, bool>& key, const Point& point) {
    if (key.second && !point.feasible) return;
    front.Add(point.number, point.costs[key.first], point.accuracy);
  }

  std::mutex mutex_;
  std::vector<Point> points_;    // by number
  std::vector<double> dearest_;  // by metric
  std::map<std::pair<size_t, bool>, Staircase> fronts_;
};

FrontStore::FrontStore(std::unique_ptr<Store> inner, size_t kept_jobs)
    : inner_(std::move(inner)), kept_jobs_(kept_jobs) {}
FrontStore::~FrontStore() = default;

std::shared_ptr<FrontStore::JobPoints> FrontStore::Find(const std::string& job_id) {
  std::lock_guard lock(mutex_);
  Entry& entry = jobs_[job_id];
  entry.used = ++calls_;
  if (entry.points == nullptr) entry.points = std::make_shared<JobPoints>();
  std::shared_ptr<JobPoints> points = entry.points;
  while (jobs_.size() > kept_jobs_) {
    jobs_.erase(std::min_element(jobs_.begin(), jobs_.end(),
                                 [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
  }
  return points;
}

std::vector<search::Candidate> FrontStore::TakeInbox(const std::string& job_id, const JobPoints* points) {
  std::lock_guard lock(mutex_);
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end() || found->second.points.get() != points) return {};
  return std::exchange(found->second.inbox, {});
}

absl::Status FrontStore::Load(const std::string& job_id, JobPoints& points) {
  CandidateQuery query{.job_id = job_id, .points_only = true, .limit = kPointsPerPage};
  for (bool more = true; more;) {
    absl::StatusOr<Page<search::Candidate>> page = inner_->QueryCandidates(query);
    if (!page.ok()) return page.status();
    for (search::Candidate& candidate : page->items) points.Apply(std::move(candidate));
    query.after_key = page->last_key;
    more = page->more;
  }
  points.loaded = true;
  return absl::OkStatus();
}

void FrontStore::Forget(const std::string& job_id) {
  std::lock_guard lock(mutex_);
  jobs_.erase(job_id);
}

absl::StatusOr<JobFront> FrontStore::Front(const std::string& job_id, int64_t cost_index,
                                           bool feasible_only) {
  const std::shared_ptr<JobPoints> points = Find(job_id);
  std::lock_guard lock(points->mutex());
  if (!points->loaded) {
    if (absl::Status status = Load(job_id, *points); !status.ok()) {
      Forget(job_id);
      return status;
    }
  }
  for (search::Candidate& candidate : TakeInbox(job_id, points.get())) points->Apply(std::move(candidate));
  const auto cost = static_cast<size_t>(cost_index);
  JobFront front = points->Find(cost, feasible_only);
  if (front.candidates == nullptr) {
    absl::StatusOr<std::vector<search::Candidate>> whole = ReadWhole(job_id, front.points);
    if (!whole.ok()) return whole.status();
    front.candidates = std::make_shared<const std::vector<search::Candidate>>(*std::move(whole));
    points->Keep(cost, feasible_only, front.candidates);
  }
  return front;
}

absl::StatusOr<std::vector<search::Candidate>> FrontStore::ReadWhole(const std::string& job_id,
                                                                     const std::vector<FrontPoint>& points) {
  std::vector<search::Candidate> whole;
  for (const FrontPoint& point : points) {
    absl::StatusOr<Page<search::Candidate>> page =
        inner_->QueryCandidates({.job_id = job_id, .number = point.number});
    if (!page.ok()) return page.status();
    if (page->items.empty()) return absl::NotFoundError(absl::StrCat("there is no job ", job_id));
    whole.push_back(std::move(page->items.front()));
  }
  return whole;
}

absl::StatusOr<JobRecord> FrontStore::InsertJob(const JobRecord& job) { return inner_->InsertJob(job); }

absl::StatusOr<JobRecord> FrontStore::MutateJob(const std::string& id, const Mutation& mutate) {
  Disposition disposition = Disposition::kKeep;
  const Mutation observed = [&](JobRecord& record) -> absl::StatusOr<Disposition> {
    absl::StatusOr<Disposition> decided = mutate(record);
    if (decided.ok()) disposition = *decided;
    return decided;
  };
  absl::StatusOr<JobRecord> job = inner_->MutateJob(id, observed);
  if (job.ok() && disposition == Disposition::kErase) Forget(id);
  return job;
}

absl::Status FrontStore::AppendBatch(const std::string& job_id, const WorkerBatch& batch) {
  absl::Status status = inner_->AppendBatch(job_id, batch);
  if (!status.ok() || batch.candidates.empty()) return status;
  std::lock_guard lock(mutex_);
  const auto found = jobs_.find(job_id);
  if (found == jobs_.end()) return status;
  std::vector<search::Candidate>& inbox = found->second.inbox;
  std::transform(batch.candidates.begin(), batch.candidates.end(), std::back_inserter(inbox), Thin);
  if (inbox.size() > kLongestInbox) jobs_.erase(found);
  return status;
}

absl::StatusOr<Page<JobRecord>> FrontStore::QueryJobs(const JobQuery& query) {
  return inner_->QueryJobs(query);
}

absl::StatusOr<Page<search::Candidate>> FrontStore::QueryCandidates(const CandidateQuery& query) {
  return inner_->QueryCandidates(query);
}

absl::StatusOr<Page<Event>> FrontStore::QueryEvents(const EventQuery& query) {
  return inner_->QueryEvents(query);
}

}  // namespace precis::server
