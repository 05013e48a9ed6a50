// SupernetOracle: the Oracle that trains on LibTorch. Internal to supernet/execution; made by
// MakeSupernetOracle.
//
// Threading: one thread; see Oracle.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "supernet/data/sampler.h"
#include "supernet/execution/batch_stream.h"
#include "supernet/execution/calibration.h"
#include "supernet/execution/gradient_watch.h"
#include "supernet/execution/image_store.h"
#include "supernet/execution/oracle_factory.h"
#include "supernet/execution/quality_sum.h"
#include "supernet/execution/sgd.h"
#include "supernet/execution/supernet.h"
#include "supernet/graph/oracle.h"
#include "supernet/graph/weight_file.h"

namespace precis {

class SupernetOracle : public Oracle {
 public:
  // The graph fits the data and the options are in range (checked by the factory). May throw what LibTorch
  // throws; nothing else here does.
  SupernetOracle(const ModelGraph& graph, Dataset dataset, const OracleOptions& options, c10::Device device);

  // Before anything else, where options.weights are given: takes them, and what they are needed for later.
  // Errors as LoadWeights, and of images that cannot be read.
  absl::Status Begin(const OracleOptions& options);

  absl::StatusOr<StepOutcome> TrainStep(const Assignment& assignment) override;
  absl::StatusOr<Quality> Probe(const Assignment& assignment, int64_t images, ProbeImages which) override;
  absl::StatusOr<LayerScores> NoiseScores(NoiseMeasure measure, const Assignment& base,
                                          const LayerOptions& options, int64_t images) override;
  absl::StatusOr<Evaluation> Evaluate(const Assignment& assignment, Split split) override;
  absl::Status SaveWeights(const Assignment& assignment, const std::string& path) override;
  absl::Status LoadWeights(const std::string& path) override;
  absl::Status SaveState(const std::string& path) override;
  absl::Status LoadState(const std::string& path) override;

 private:
  // A network as it runs: the whole, or cut out of it.
  struct Part {
    const Supernet* net = nullptr;
    Assignment assignment;                          // of the layers that it has
    std::shared_ptr<const Supernet> own = nullptr;  // where it is not the oracle's
  };

  bool Fits(const Assignment& assignment) const;
  std::span<const int64_t> SameImages(int64_t count) const;
  // Sums over images of the search split.
  template <typename Forward>
  absl::StatusOr<Quality> MeasureSearch(std::span<const int64_t> indices, const Forward& forward) const;
  absl::Status Import(const WeightFile& file);
  bool IsFloat(const Assignment& assignment) const;
  // What batch norms of a pass take in place of the batch's statistics; null: nothing.
  const NormStatistics* Norms(const Assignment& assignment) const;
  Part PartFor(const Assignment& assignment) const;
  // The same, tuned for the assignment: what is counted and saved.
  absl::StatusOr<Part> CountedPart(const Assignment& assignment);
  // The techniques that do not depend on the formats. After Import, with own_norms_.
  absl::Status RewriteWeights();
  absl::StatusOr<StepOutcome> Train(const Assignment& assignment);
  DataReport Report() const;
  std::vector<RangeKey> BeginToLearn(const Part& part, const at::Tensor& images);
  void MoveAverages(const Part& part, const std::vector<at::Tensor>& found);
  absl::StatusOr<Calibration> CalibrateFor(const Part& part) const;
  absl::Status Restore(const WeightFile& file);

  const TrainingOptions options_;
  const double explosion_loss_;  // a step above it is not applied
  const int64_t skipped_images_;
  const std::map<std::string, std::string> pixel_statistics_;  // for the metadata of weight files
  std::vector<int64_t> search_indices_;                        // ascending; into the training images
  std::vector<int64_t> same_probe_indices_;                    // the search split, shuffled
  std::vector<int64_t> recalibration_indices_;                 // the same for every evaluation
  std::vector<int64_t> test_indices_;
  const ImageStore train_images_;
  const ImageStore test_images_;

  const std::shared_ptr<const ElasticNetwork> network_;  // or null
  Supernet net_;                                         // the largest
  Sgd optimizer_;                                        // of the network's parameters, then of learned_
  std::vector<at::Tensor> learned_;  // ranges, in the order in which they were first trained
  GradientWatch gradient_watch_;
  BatchStream train_batches_;
  BatchSampler search_order_;
  int64_t step_ = 0;
  int64_t probed_images_ = 0;  // taken from search_order_
  double seconds_trained_ = 0;
  // Of the weights that it began with, where they are still needed.
  std::optional<NormStatistics> own_norms_ = std::nullopt;
  std::optional<NormStatistics> corrections_ = std::nullopt;
  std::optional<Teacher> teacher_ = std::nullopt;
  const PostTraining post_training_;
  // The networks tuned last, of the weights as they are, the oldest first: an answer is measured, tested and
  // saved.
  std::deque<std::pair<Assignment, std::shared_ptr<const Supernet>>> tuned_;
};

}  // namespace precis
