// CandidateBook: the candidates of one job. One assignment is one candidate.
//
// Threading: not thread-safe; the search loop owns it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "search/candidate.h"
#include "search/plan.h"

namespace precis::search {

class CandidateBook {
 public:
  // `plan` must outlive the book.
  explicit CandidateBook(const Plan& plan) : plan_(plan) {}

  // Index of the candidate with this assignment; a new one is numbered and priced. One already there learns
  // that it is a reference, its label if it has none or a reference's is given, and when it was sampled if
  // that was not known.
  size_t Enter(const Assignment& assignment, Origin origin, const std::string& label, int64_t sampled_at);

  bool Contains(const Assignment& assignment) const;

  size_t size() const { return candidates_.size(); }
  Candidate& operator[](size_t index) { return candidates_[index]; }
  const Candidate& operator[](size_t index) const { return candidates_[index]; }

  // The best of `among` (indices) on the search split that costs at most `budget`: by accuracy, then lower
  // loss, then lower cost, then lower number; NaN is worst. At least one must be within (checked).
  size_t BestWithin(const std::vector<size_t>& among, double budget) const;

 private:
  bool Better(const Candidate& a, const Candidate& b) const;

  const Plan& plan_;
  std::vector<Candidate> candidates_;
  std::map<std::string, size_t> by_text_;
};

}  // namespace precis::search
