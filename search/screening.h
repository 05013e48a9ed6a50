// Screening: what each option does by itself, measured once, when the warm-up is over.
//
// Every decision in turn moves from its widest option to each other, all the rest staying widest, and is
// measured on the same held-out images. Equal images make small differences visible: 512 of them tell 1 % of
// accuracy, for which independent probes would need tens of thousands. The policy starts from what is found
// instead of from ignorance, so that the search spends its samples on choices that work, and the estimate of
// the samples leans on it where samples are few. It costs (options - 1) forward passes a decision.
//
// A job may have options judged otherwise (OptionScore), from one pass over the same images for all of them.
//
// That layers may be judged one at a time is the assumption of every sensitivity method (HAWQ, Dong et al.
// 2019; ZeroQ, Cai et al. 2020); here it is a prior only, and rewards of whole configurations overrule it.
//
// Threading: not thread-safe; the search loop owns it.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "search/controller/controller.h"
#include "search/oracle_session.h"
#include "search/plan.h"
#include "search/sample_log.h"

namespace precis::search {

class Screening {
 public:
  // `plan` must outlive the screening.
  explicit Screening(const Plan& plan);

  // The option of every decision that rounds least, and the largest architecture.
  const Choices& widest() const { return widest_; }

  // How many images Measure takes, each as often as it passes; 0 if the job screens nothing.
  static double ImagesOf(const Plan& plan);

  // Measures every option through `session` and reports progress. Nothing to do if the job screens nothing.
  absl::Status Measure(OracleSession& session);

  // Quality of each option less that of its decision's widest, at most 0 but for architectures; empty before
  // Measure. Of a score it is minus the score, summed over the decision's layers.
  const std::vector<std::vector<double>>& effects() const { return effects_; }

  // For Controller::Prefer, in nats, within [-6, 0]: an option that costs 2 % of accuracy (0.06 nats of loss)
  // is e times less likely.
  std::vector<std::vector<double>> Preferences() const;

  // The samples' effects, each drawn towards the screened one by as many samples as that is worth; the
  // samples' own if nothing was screened. Relative to the widest option.
  std::vector<std::vector<double>> Blend(const LogEstimate& estimate) const;

 private:
  absl::Status MeasureNoise(OracleSession& session, NoiseMeasure measure);

  const Plan& plan_;
  const Choices widest_;
  std::vector<std::vector<double>> effects_;
};

}  // namespace precis::search
