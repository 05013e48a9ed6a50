// The state of a REINFORCE controller:
//
//   reinforce 2
//   options 4 4 4
//   counts UPDATES STEP
//   baseline SUM WEIGHT
//   logits | first_moment | second_moment, then all decisions' values in order
//   generator …
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "search/controller/reinforce.h"
#include "search/controller/state_text.h"
#include "search/range_check.h"

namespace precis::search {

std::string ReinforceController::Save() const {
  std::string text = "reinforce 2\noptions";
  for (const auto& logits : logits_) absl::StrAppend(&text, " ", logits.size());
  absl::StrAppend(&text, "\ncounts ", updates_, " ", step_, "\nbaseline ", NumberText(baseline_), " ",
                  NumberText(baseline_weight_), "\n");
  absl::StrAppend(&text, StateLine("logits", logits_), StateLine("first_moment", first_moment_),
                  StateLine("second_moment", second_moment_), GeneratorLine(generator_));
  return text;
}

absl::Status ReinforceController::Restore(const std::string& text) {
  StateReader reader(text);
  if (reader.Words("reinforce", 1).front() != "2") reader.Fail("the version is not 2");
  const std::vector<std::string> counts = reader.Words("options", logits_.size());
  for (size_t d = 0; d < logits_.size(); ++d) {
    const auto here = static_cast<int64_t>(logits_[d].size());
    reader.Whole<int64_t>(counts[d], here, here);
  }
  const std::vector<std::string> steps = reader.Words("counts", 2);
  const auto updates = reader.Whole<int64_t>(steps[0], 0, kUnbounded);
  const auto step = reader.Whole<int64_t>(steps[1], 0, kUnbounded);
  const std::vector<std::string> baseline = reader.Words("baseline", 2);
  const double sum = reader.Real(baseline[0]);
  const double weight = reader.Real(baseline[1]);
  if (weight < 0 || weight > 1) reader.Fail("the baseline's weight is not in 0…1");
  auto logits = reader.Table("logits", logits_);
  auto first = reader.Table("first_moment", logits_);
  auto second = reader.Table("second_moment", logits_);
  for (const auto& row : second) {
    for (double value : row) {
      if (value < 0) reader.Fail("a second moment is negative");
    }
  }
  const std::mt19937_64 generator = reader.Generator();
  reader.ExpectEnd();
  if (!reader.status().ok()) return reader.status();

  generator_ = generator;
  updates_ = updates;
  step_ = step;
  baseline_ = sum;
  baseline_weight_ = weight;
  logits_ = std::move(logits);
  first_moment_ = std::move(first);
  second_moment_ = std::move(second);
  return absl::OkStatus();
}

}  // namespace precis::search
