// Known answers first.
#include "search/recorded_oracle.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace precis::search {

RecordedOracle::RecordedOracle(Oracle& oracle, std::vector<Answer> known, Before before)
    : oracle_(oracle), answers_(std::move(known)), before_(std::move(before)) {}

template <typename Kind, typename Call>
absl::StatusOr<Kind> RecordedOracle::Ask(const Call& call) {
  if (IsReplaying()) {
    const Kind* known = std::get_if<Kind>(&answers_[given_]);
    if (known == nullptr) {
      return absl::DataLossError(
          absl::StrCat("answer ", given_, " of the checkpoint is that of another search"));
    }
    ++given_;
    return *known;
  }
  if (absl::Status status = before_(answers_); !status.ok()) return status;
  absl::StatusOr<Kind> answer = call();
  if (answer.ok()) {
    answers_.push_back(*answer);
    ++given_;
  }
  return answer;
}

absl::StatusOr<StepOutcome> RecordedOracle::TrainStep(const Assignment& assignment) {
  return Ask<StepOutcome>([&] { return oracle_.TrainStep(assignment); });
}

absl::StatusOr<Quality> RecordedOracle::Probe(const Assignment& assignment, int64_t images,
                                              ProbeImages which) {
  return Ask<Quality>([&] { return oracle_.Probe(assignment, images, which); });
}

absl::StatusOr<Evaluation> RecordedOracle::Evaluate(const Assignment& assignment, Split split) {
  return Ask<Evaluation>([&] { return oracle_.Evaluate(assignment, split); });
}

absl::Status RecordedOracle::SaveWeights(const Assignment& assignment, const std::string& path) {
  return Ask<WeightsSaved>([&]() -> absl::StatusOr<WeightsSaved> {
           if (absl::Status status = oracle_.SaveWeights(assignment, path); !status.ok()) return status;
           return WeightsSaved{};
         })
      .status();
}

}  // namespace precis::search
