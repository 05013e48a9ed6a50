// Oracle: THE WAIST. Everything that decides (search/) stands above this header and sees no tensor;
// everything that computes (supernet/execution) stands below it.
//
// An oracle holds one weight-sharing supernet of one ModelGraph, or of one ElasticNetwork, its data and its
// optimiser, and answers two questions: train one step under this assignment; how good is this assignment?
//
// Threading: one oracle, one thread. Calls block; they return when the work is done.
// Errors: UNAVAILABLE or INTERNAL when the machine fails (out of memory, a failing device), never an
// exception. A loss that is not finite is no error but an outcome, since it is the sample's fault.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "supernet/graph/assignment.h"

namespace precis {

// How reading the images went, so far.
struct DataReport {
  double loader_wait_share = 0;  // of the time of the training steps, in waiting for their images, 0…1
  int64_t skipped_images = 0;    // corrupt files left out, training and test
};

struct StepOutcome {
  double loss = 0;      // mean over the batch, before the update; NaN or infinite as computed
  double accuracy = 0;  // share of the training batch, 0…1
  bool applied = true;  // false: the loss or the gradient was not finite or exploded, and weights, optimiser
                        // and statistics are as before the call
  DataReport data;      // this step included
};

struct Quality {
  double accuracy = 0;  // share, 0…1
  double loss = 0;      // mean cross-entropy without label smoothing; may be infinite or NaN
  int64_t images = 0;   // how many it was measured on
};

// low <= 0 <= high. Formats without zero point have -low = high, which is the largest magnitude of the input
// for a format that needs no range.
struct ActivationRange {
  double low = 0;
  double high = 0;

  bool operator==(const ActivationRange&) const = default;
};

enum class Split {
  kSearch,  // held out of the training images; for rewards and choices
  kTest,    // touched once, at the end
};

// A counted evaluation: batch-norm statistics and activation ranges re-estimated for exactly this
// assignment first, on the same training images every time, so that measuring A, B, A gives A twice.
struct Evaluation {
  Quality quality;
  // Calibrated, as ModelGraph::ActivationOperands() of the assignment's architecture.
  std::vector<ActivationRange> activation_ranges;
};

// Which images of the search split a probe takes.
enum class ProbeImages {
  kNext,  // the next of its shuffled order, round and round
  kSame,  // the same at every call of this size, and more of them at a larger size; moves nothing
};

// What rounding a layer's operands does, judged without running the network in the layer's formats.
enum class NoiseMeasure {
  // Noise over signal of what the layer computes: 10^(-QSNR/10) of its weights plus the same of its input (of
  // both factors of a product). Independent noise of the operands of a sum of products adds up so; and so,
  // unweighted, does that of layers in the output of a network (Lin, Talathi and Annapureddy 2016, arXiv
  // 1511.06393).
  kQsnr,
  // The rise of the loss in nats, to second order, with the Hessian taken for the diagonal of the empirical
  // Fisher information of the layer's outputs: half the mean over images of Σ (dL/dy)² (Δy)², where Δy is
  // what rounding weights and input together changes, and L the loss of the widest network (Li et al. 2021,
  // BRECQ, arXiv 2102.05426). Gradients reach each other's images through batch statistics.
  kFisher,
};

// [layer][option]
using LayerOptions = std::vector<std::vector<LayerFormats>>;
using LayerScores = std::vector<std::vector<double>>;

class Oracle {
 public:
  virtual ~Oracle() = default;

  // Trains the shared weights for one batch under `assignment` and advances the data and the schedule by
  // one step whether applied or not.
  virtual absl::StatusOr<StepOutcome> TrainStep(const Assignment& assignment) = 0;

  // Quick quality, for a reward or a comparison: on `images` images of the search split, with batch
  // statistics, and ranges as in a training step (RangeOptions). Changes nothing but the position in the
  // split's order. kSame: at most as many images as the split has.
  virtual absl::StatusOr<Quality> Probe(const Assignment& assignment, int64_t images, ProbeImages which) = 0;

  // What each option of each layer adds, by itself, to a network that runs under `base`: 0 where nothing is
  // rounded, never negative; may be infinite or NaN. On the images of a kSame probe; changes nothing. Not for
  // an elastic network (checked), whose layers come and go.
  virtual absl::StatusOr<LayerScores> NoiseScores(NoiseMeasure measure, const Assignment& base,
                                                  const LayerOptions& options, int64_t images) = 0;

  // Counted quality on a whole split (see Evaluation). Leaves the weights and the training statistics as
  // they were. The assignment may use any format, fp32 for a float reference included. With post-training
  // techniques that depend on the formats (post_training.h), the network measured is the one tuned for the
  // assignment; probes and scores are of the weights as they are.
  virtual absl::StatusOr<Evaluation> Evaluate(const Assignment& assignment, Split split) = 0;

  // Writes the shared weights, cut to the assignment's architecture, with the batch-norm statistics
  // calibrated for `assignment`, to `path` as safetensors (temporary file, fsync, rename). Tensors are named
  // as ModelGraph::Parameters(), those of batch norms also NODE.running_mean, NODE.running_var; learned
  // ranges NODE.weight_range.FORMAT, NODE.output_range.FORMAT; likewise the ranges of weights that were put
  // on a format's grid. Moving averages are not kept. Of weights tuned for the assignment it is those, so
  // that rounding what was saved gives what was measured. UNAVAILABLE with the path if it cannot be written.
  virtual absl::Status SaveWeights(const Assignment& assignment, const std::string& path) = 0;

  // Reads what SaveWeights wrote, of the largest architecture if there are several. DATA_LOSS or
  // INVALID_ARGUMENT, naming the tensor, if it does not fit this graph; the weights are then unchanged.
  virtual absl::Status LoadWeights(const std::string& path) = 0;

  // Writes all that later answers depend on (weights, optimiser, ranges, positions in the data and in every
  // random stream) to `path`, a safetensors file of this build alone (temporary file, fsync, rename).
  // UNAVAILABLE with the path if it cannot be written.
  virtual absl::Status SaveState(const std::string& path) = 0;

  // Of a fresh oracle of the same graph, data and options: from here on it answers bit for bit as the one
  // that saved the state. NOT_FOUND; DATA_LOSS, naming the fault, if it is not such a state.
  virtual absl::Status LoadState(const std::string& path) = 0;
};

}  // namespace precis
