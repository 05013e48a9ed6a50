// What a watcher knows of a job, event by event, and how it is shown in one line.
//
// Threading: one thread. Pure: no clock but the events' own times, no output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "precis/v1/search_service.pb.h"

namespace precis::client {

class ProgressView {
 public:
  // `job` as it stood when watching began: its plan, state and progress.
  explicit ProgressView(v1::Job job);

  void Apply(const v1::JobEvent& event);

  int64_t last_event() const { return last_event_; }  // number; 0 before the first
  v1::Job::State state() const { return job_.state(); }
  v1::Phase phase() const { return job_.progress().phase(); }

  // For a terminal: at most `columns` wide, less important figures dropped first.
  // "search   [########------------]   41%  step 768/1872  2150 images/s  1m12s left  reward 0.812
  //  cost 0.2131 GBOPs (101.2% of target)  accuracy 87.1%  best 89.50%  rejected 3" (one line)
  std::string LiveLine(int columns, bool color) const;

  // The same with everything, for a log.
  std::string PlainLine() const;

  // "candidate 3 (reference, uniform int4): 0.2143 GBOPs (100.0% of target), search accuracy 89.50%"
  std::string CandidateLine(const v1::Candidate& candidate) const;

 private:
  std::string Line(size_t width, bool bar) const;
  std::optional<double> SecondsLeft() const;
  std::string CostOfTarget(double cost, bool brief) const;

  v1::Job job_;
  int64_t last_event_ = 0;
  double started_s_ = 0;                 // server's clock; 0: not known
  double now_s_ = 0;                     // of the last event
  std::optional<double> best_accuracy_;  // of feasible candidates on the search split
};

}  // namespace precis::client
