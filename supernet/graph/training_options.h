// How a supernet is trained and measured: the options an Oracle is made with. A plain value.
#pragma once

#include <cstdint>
#include <string>

namespace precis {

// Which device runs the tensors.
enum class Device {
  kAuto,  // CUDA if LibTorch has it and sees one, else the CPU
  kCpu,
  kCuda,
};

struct TrainingOptions {
  int64_t steps = 0;  // the whole schedule, frozen share included; the cosine ends here
  int64_t batch_size = 128;

  // SGD. The rate rises linearly over the first warmup_share of the steps, then falls to 0 on a cosine.
  double learning_rate = 0.1;
  double warmup_share = 0.05;
  double momentum = 0.9;
  bool nesterov = true;
  double weight_decay = 5e-4;  // not on batch-norm parameters and biases
  double label_smoothing = 0.0;

  // A step is not applied if its loss is not finite or above this multiple of ln(classes).
  double explosion_factor = 4.0;
  // Global L2 norm; 0 = off. Low, because a harsh sample has a large gradient: weights before a batch norm
  // grow under it, and what has grown learns slowly ever after.
  double gradient_clip_norm = 1.0;

  int64_t recalibration_images = 2048;  // training images behind each counted evaluation
  int64_t evaluation_batch_size = 256;

  uint64_t seed = 1;  // weights, data order
  Device device = Device::kAuto;
  int threads = 0;  // 0: all cores
};

}  // namespace precis
