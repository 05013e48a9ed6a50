// A sink that keeps all it is told, checks what must always hold, and ends a search where a test asks.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "search/search_loop.h"

namespace precis::search {

class RecordingSink final : public SearchSink {
 public:
  // Returns `status` from the call number `at` (counting both kinds, from 0).
  void EndAt(int64_t at, absl::Status status) {
    end_at_ = at;
    end_status_ = std::move(status);
  }

  absl::Status OnProgress(const Progress& progress) override {
    EXPECT_FALSE(ended_) << "called after it had ended the search";
    if (!this->progress.empty()) {
      const Progress& last = this->progress.back();
      EXPECT_GE(progress.fraction, last.fraction);
      EXPECT_GE(progress.step, last.step);
      EXPECT_LE(progress.step, last.step + 1);
      if (!has_legs) {
        EXPECT_GE(static_cast<int>(progress.phase), static_cast<int>(last.phase));
      }
      EXPECT_GE(progress.rejected_steps, last.rejected_steps);
    }
    EXPECT_GE(progress.fraction, 0);
    EXPECT_LE(progress.fraction, 1);
    this->progress.push_back(progress);
    return Answer();
  }

  absl::Status OnCandidate(const Candidate& candidate) override {
    EXPECT_FALSE(ended_) << "called after it had ended the search";
    EXPECT_LE(candidate.number, static_cast<int64_t>(candidates.size()) + 1) << "numbers have no gap";
    const auto index = static_cast<size_t>(candidate.number - 1);
    if (index == candidates.size()) {
      candidates.push_back(candidate);
    } else {
      EXPECT_EQ(candidates[index].assignment, candidate.assignment) << "a number keeps its assignment";
      candidates[index] = candidate;
    }
    reports.push_back(candidate);
    return Answer();
  }

  int64_t calls() const { return calls_; }

  bool has_legs = false;  // many targets: freeze, frozen and finish come round again

  std::vector<Progress> progress;     // all
  std::vector<Candidate> candidates;  // the latest of every number
  std::vector<Candidate> reports;     // all

 private:
  absl::Status Answer() {
    if (calls_++ != end_at_) return absl::OkStatus();
    ended_ = true;
    return end_status_;
  }

  int64_t calls_ = 0;
  int64_t end_at_ = -1;
  bool ended_ = false;
  absl::Status end_status_;
};

}  // namespace precis::search
