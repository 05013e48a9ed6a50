// Controller: proposes choices and learns from their rewards.
//
// Threading: not thread-safe; the search loop owns it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace precis::search {

// choices[d] indexes the options of decision d.
using Choices = std::vector<int>;

struct PolicySummary {
  double mean_entropy = 0;  // nats, mean over decisions
  double mean_max_probability = 0;
};

class Controller {
 public:
  virtual ~Controller() = default;

  // The choices to try at step `step` of the search (0-based, rising by one a call).
  virtual Choices Propose(int64_t step) = 0;

  // The reward of what Propose last returned. A reward that is not finite teaches nothing and leaves the
  // state as it is.
  virtual void Observe(const Choices& choices, double reward) = 0;

  // Adds to the beliefs, in nats: an option with a preference lower by 1 becomes e times less likely against
  // its decision's others. [decision][option], finite. A controller without a policy ignores it.
  virtual void Prefer(const std::vector<std::vector<double>>& preferences) = 0;

  // log-probability of each option of each decision as the controller stands: its belief. -inf is never
  // returned. A controller without a policy returns equal values.
  virtual std::vector<std::vector<double>> LogProbabilities() const = 0;

  virtual PolicySummary Summary() const = 0;

  // The whole state as text, random stream included; Restore(Save()) continues bit for bit.
  // Restore: DATA_LOSS, naming the fault, if the text does not fit; the state is then unchanged.
  virtual std::string Save() const = 0;
  virtual absl::Status Restore(const std::string& text) = 0;
};

}  // namespace precis::search
