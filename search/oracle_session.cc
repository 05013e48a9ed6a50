// Asks, counts and tells.
#include "search/oracle_session.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "supernet/formats/check.h"
#include "supernet/formats/format.h"

namespace precis::search {
namespace {

constexpr double kBadSample = std::numeric_limits<double>::quiet_NaN();

double WorstLoss(const Plan& plan) { return 2 * std::log(static_cast<double>(plan.dataset.classes)); }

bool ScreensAccuracy(const JobSpec& spec) {
  return FamilyOf(spec.controller.algorithm) == Family::kPolicy &&
         spec.reward.quality == QualitySource::kSearchAccuracy;
}

}  // namespace

int64_t NoisePasses(NoiseMeasure measure, size_t most_options) {
  return measure == NoiseMeasure::kQsnr ? 1 : 3 + static_cast<int64_t>(most_options);
}

absl::StatusOr<StepOutcome> OracleSession::Train(const Assignment& assignment) {
  absl::StatusOr<StepOutcome> outcome = oracle_.TrainStep(assignment);
  if (!outcome.ok()) return outcome;
  outcome->applied = outcome->applied && std::isfinite(outcome->loss);
  if (outcome->applied) {
    meter.AddLoss(outcome->loss, outcome->accuracy);
  } else {
    ++meter.progress.rejected_steps;
  }
  data_report_ = outcome->data;
  meter.progress.loader_wait_share = outcome->data.loader_wait_share;
  ++meter.progress.step;
  meter.Done(meter.step_images());
  meter.images_trained += plan_.spec.training.batch_size;
  return outcome;
}

absl::StatusOr<double> OracleSession::MeasureQuality(const Assignment& assignment,
                                                     const StepOutcome& outcome) {
  if (!outcome.applied) return kBadSample;
  if (plan_.spec.reward.quality == QualitySource::kTrainLoss) {
    return -std::min(outcome.loss, WorstLoss(plan_));
  }
  const absl::StatusOr<Quality> probe =
      oracle_.Probe(assignment, plan_.spec.reward.probe_images, ProbeImages::kNext);
  if (!probe.ok()) return probe.status();
  meter.Done(meter.probe_images());
  meter.images_evaluated += plan_.spec.reward.probe_images;
  if (std::isfinite(probe->accuracy) && std::isfinite(probe->loss)) return probe->accuracy;
  ++meter.progress.rejected_steps;
  return kBadSample;
}

absl::StatusOr<double> OracleSession::Screen(const Assignment& assignment, int64_t images) {
  const absl::StatusOr<Quality> probe = oracle_.Probe(assignment, images, ProbeImages::kSame);
  if (!probe.ok()) return probe.status();
  meter.Done(static_cast<double>(images));
  meter.images_evaluated += images;
  const bool finite = std::isfinite(probe->accuracy) && std::isfinite(probe->loss);
  if (ScreensAccuracy(plan_.spec)) return finite ? probe->accuracy : 0;
  return finite ? -std::min(probe->loss, WorstLoss(plan_)) : -WorstLoss(plan_);
}

absl::StatusOr<LayerScores> OracleSession::ScoreNoise(NoiseMeasure measure, const Assignment& base,
                                                      const LayerOptions& options, int64_t images) {
  absl::StatusOr<LayerScores> scores = oracle_.NoiseScores(measure, base, options, images);
  if (!scores.ok()) return scores;
  size_t most_options = 0;
  double worst = WorstLoss(plan_);
  for (const std::vector<double>& layer : *scores) {
    most_options = std::max(most_options, layer.size());
    for (double score : layer) worst = std::isfinite(score) ? std::max(worst, score) : worst;
  }
  for (std::vector<double>& layer : *scores) {
    for (double& score : layer) score = std::isfinite(score) ? score : worst;
  }
  const int64_t passes = images * NoisePasses(measure, most_options);
  meter.Done(static_cast<double>(passes));
  meter.images_evaluated += passes;
  return scores;
}

absl::StatusOr<Evaluation> OracleSession::Evaluate(const Assignment& assignment, Split split) {
  absl::StatusOr<Evaluation> evaluation = oracle_.Evaluate(assignment, split);
  if (evaluation.ok()) {
    const double images = meter.evaluation_images(split == Split::kTest);
    meter.Done(images);
    meter.images_evaluated += static_cast<int64_t>(images);
  }
  return evaluation;
}

absl::Status OracleSession::EvaluateCandidate(size_t index, Split split) {
  absl::StatusOr<Evaluation> evaluation = Evaluate(book[index].assignment, split);
  if (!evaluation.ok()) return evaluation.status();
  const Architecture& architecture = book[index].assignment.architecture;
  PRECIS_CHECK(evaluation->activation_ranges.size() ==
               plan_.GraphOf(architecture).ActivationOperands().size());
  Candidate& candidate = book[index];
  if (split == Split::kTest) {
    candidate.test = evaluation->quality;
  } else {
    candidate.search = evaluation->quality;
    candidate.step = meter.progress.step;
    candidate.activation_ranges = std::move(evaluation->activation_ranges);
  }
  if (absl::Status status = sink_.OnCandidate(candidate); !status.ok()) return status;
  return Report();
}

absl::Status OracleSession::EvaluateStale(const std::vector<size_t>& indices) {
  for (size_t index : indices) {
    if (IsFresh(index)) continue;
    if (absl::Status status = EvaluateCandidate(index, Split::kSearch); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Quality> OracleSession::EvaluateFloat(const Architecture& architecture, Split split) {
  static const Format fp32 = *ParseFormat("fp32");
  Assignment assignment = UniformAssignment(plan_.layers.size(), fp32);
  assignment.architecture = architecture;
  const absl::StatusOr<Evaluation> evaluation = Evaluate(assignment, split);
  if (!evaluation.ok()) return evaluation.status();
  if (absl::Status status = Report(); !status.ok()) return status;
  return evaluation->quality;
}

}  // namespace precis::search
