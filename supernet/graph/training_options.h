// How a supernet is trained and measured: the options an Oracle is made with. A plain value.
#pragma once

#include <cstdint>
#include <string>

#include "supernet/formats/range.h"

namespace precis {

// Which device runs the tensors.
enum class Device {
  kAuto,  // CUDA if LibTorch has it and sees one, else the CPU
  kCpu,
  kCuda,
};

// How the ranges of formats with a scale an operand or tensor are found (supernet/formats/range.h).
struct RangeOptions {
  RangeRule weights = RangeRule::kMaxAbs;  // not kMovingAverage: weights are always at hand whole
  // In training and probes of the batch at hand, but kMovingAverage of the batches trained on so far. A
  // counted evaluation averages the calibration batches; learned ranges stand there as they were learned.
  RangeRule activations = RangeRule::kMaxAbs;
  double percentile = 99.99;  // for kPercentile: above 50, up to 100
  double momentum = 0.9;      // of kMovingAverage, 0…1, 1 excluded
};

struct TrainingOptions {
  int64_t steps = 0;  // the whole schedule, frozen share included; the cosine ends here
  int64_t batch_size = 128;

  // SGD. The rate rises linearly over the first warmup_share of the steps, stays, and falls to 0 on a cosine
  // over the last decay_share (from the end of the rise at the earliest). A search wants to stay: its samples
  // compare, and the frozen share anneals what was chosen. With several cycles the last decay_share is cut
  // into so many equal parts, each a cosine down to 0: the first from learning_rate, the others from
  // cycle_rate times that (warm restarts, Loshchilov and Hutter 2017), one for every target of a search.
  double learning_rate = 0.1;
  double warmup_share = 0.05;
  double decay_share = 0.5;  // above 0, up to 1
  int64_t cycles = 1;
  double cycle_rate = 0.5;
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;  // not on batch-norm parameters and biases
  double label_smoothing = 0.0;

  // A step is not applied if its loss is not finite or above this multiple of ln(classes).
  double explosion_factor = 4.0;
  // Likewise if its gradient's norm is above this multiple of the usual norm, and of gradient_clip_norm;
  // 0 = off.
  double gradient_explosion_factor = 5.0;
  // Global L2 norm; 0 = off.
  double gradient_clip_norm = 1.0;

  RangeOptions ranges;

  int64_t recalibration_images = 2048;  // training images behind each counted evaluation
  int64_t evaluation_batch_size = 256;

  uint64_t seed = 1;  // weights, data order
  Device device = Device::kAuto;
  int threads = 0;  // 0: all cores
};

}  // namespace precis
