// RecordedOracle: an oracle whose answers are kept, and which can go on behind answers that are known.
//
// Threading and errors: as Oracle.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "search/answer.h"
#include "supernet/graph/oracle.h"

namespace precis::search {

class RecordedOracle final : public Oracle {
 public:
  // Called before every call that reaches the oracle, with all answers before it; an error is the call's. The
  // time to keep a checkpoint, or to end.
  using Before = std::function<absl::Status(const std::vector<Answer>& answers)>;

  // `oracle`, which must outlive this, is in the state that it was in after the last of `known`.
  RecordedOracle(Oracle& oracle, std::vector<Answer> known, Before before);

  // Whether answers that are known are still being given.
  bool IsReplaying() const { return given_ < answers_.size(); }

  // The next known answer, if there is one; DATA_LOSS if it is that of another kind of call: the answers are
  // those of another search.
  absl::StatusOr<StepOutcome> TrainStep(const Assignment& assignment) override;
  absl::StatusOr<Quality> Probe(const Assignment& assignment, int64_t images, ProbeImages which) override;
  absl::StatusOr<Evaluation> Evaluate(const Assignment& assignment, Split split) override;
  absl::Status SaveWeights(const Assignment& assignment, const std::string& path) override;

  // Straight through.
  absl::Status LoadWeights(const std::string& path) override { return oracle_.LoadWeights(path); }
  absl::Status SaveState(const std::string& path) override { return oracle_.SaveState(path); }
  absl::Status LoadState(const std::string& path) override { return oracle_.LoadState(path); }
  DataReport Report() const override { return oracle_.Report(); }

 private:
  template <typename Kind, typename Call>
  absl::StatusOr<Kind> Ask(const Call& call);

  Oracle& oracle_;
  std::vector<Answer> answers_;
  size_t given_ = 0;  // of answers_
  const Before before_;
};

}  // namespace precis::search
