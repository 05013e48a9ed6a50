// OracleSession: everything a search asks of its oracle, counted by the meter and told to the sink.
//
// Errors: the oracle's and the sink's, as they are. Threading: not thread-safe; the search loop owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "search/candidate_book.h"
#include "search/plan.h"
#include "search/progress_meter.h"
#include "search/search_loop.h"
#include "supernet/graph/oracle.h"

namespace precis::search {

// Passes of an image through the network that scores of `most_options` options a layer take: forward, for
// kFisher also backward at twice that, and every layer once more in each of its options.
int64_t NoisePasses(NoiseMeasure measure, size_t most_options);

class OracleSession {
 public:
  // All must outlive the session.
  OracleSession(const Plan& plan, Oracle& oracle, SearchSink& sink)
      : book(plan), meter(plan), plan_(plan), oracle_(oracle), sink_(sink) {}

  // One training step. `applied` is false also where the loss is not finite in spite of the oracle's word.
  absl::StatusOr<StepOutcome> Train(const Assignment& assignment);

  // Quality of what was just trained, as the plan's QualitySource says; NaN for a bad sample: the step was
  // not applied, or the probe is not finite (counted as rejected, too). A training loss counts as at most
  // 2·ln(classes), twice that of guessing: beyond it a sample is simply bad, and one outlier must not drag
  // the reward's baseline away.
  absl::StatusOr<double> MeasureQuality(const Assignment& assignment, const StepOutcome& outcome);

  // Quality for a screening or a comparison: on the first `images` of the same images every time. Minus the
  // loss, which tells apart what accuracy does not; accuracy for a policy whose rewards are accuracies. As
  // bad as can be where it is not finite.
  absl::StatusOr<double> Screen(const Assignment& assignment, int64_t images);

  // Oracle::NoiseScores on the images of a screening, counted as NoisePasses of each. What is not finite is
  // as bad as the worst that is, and as a loss can be.
  absl::StatusOr<LayerScores> ScoreNoise(NoiseMeasure measure, const Assignment& base,
                                         const LayerOptions& options, int64_t images);

  // Counted evaluation of a candidate of the book; the sink gets the candidate, then progress.
  absl::Status EvaluateCandidate(size_t index, Split split);
  // All of `indices`, in their order, but those measured under the weights as they are.
  absl::Status EvaluateStale(const std::vector<size_t>& indices);

  // Of fp32 everywhere in an architecture, which is no candidate; the sink gets progress only.
  absl::StatusOr<Quality> EvaluateFloat(const Architecture& architecture, Split split);

  // As of the last step.
  const DataReport& data_report() const { return data_report_; }

  absl::Status Report() { return sink_.OnProgress(meter.progress); }

  // Whether a candidate's search quality was measured under the weights as they are.
  bool IsFresh(size_t index) const {
    return book[index].search.images > 0 && book[index].step == meter.progress.step;
  }

  CandidateBook book;
  ProgressMeter meter;

 private:
  absl::StatusOr<Evaluation> Evaluate(const Assignment& assignment, Split split);

  const Plan& plan_;
  Oracle& oracle_;
  SearchSink& sink_;
  DataReport data_report_;
};

}  // namespace precis::search
