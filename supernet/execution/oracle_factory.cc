// Checks what can be wrong with an oracle's ingredients, chooses the device, and sets LibTorch up.
#include "supernet/execution/oracle_factory.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/data/cores.h"
#include "supernet/execution/host_memory.h"
#include "supernet/execution/supernet_oracle.h"
#include "supernet/execution/torch_guard.h"

namespace precis {
namespace {

std::string ShapeText(const Shape& shape) { return absl::StrCat("{", absl::StrJoin(shape, ", "), "}"); }

// Everything that does not fit, at once.
absl::Status CheckFit(const ModelGraph& graph, const Dataset& dataset, const OracleOptions& options) {
  const DatasetInfo& info = dataset.info;
  const TrainingOptions& training = options.training;
  std::vector<std::string> faults;
  auto require = [&](bool fits, auto&&... parts) {
    if (!fits) faults.push_back(absl::StrCat(parts...));
  };

  const Shape image = {info.channels, info.height, info.width};
  require(graph.input_shape() == image, "the network ", graph.name(), " takes images ",
          ShapeText(graph.input_shape()), ", the data set ", info.name, " has ", ShapeText(image));
  const Shape logits = {info.classes};
  require(graph.node(graph.output()).shape == logits, "the network ", graph.name(), " ends in ",
          ShapeText(graph.node(graph.output()).shape), ", the data set ", info.name, " needs ",
          ShapeText(logits), ", one logit a class");
  require(options.weights != nullptr || (!options.against_float && !options.keep_statistics),
          "against_float and keep_statistics need weights");
  require(options.against_float || options.post_training.techniques.empty(),
          "post_training needs against_float");
  require(options.post_training.smooth_alpha >= 0 && options.post_training.smooth_alpha <= 1,
          "smooth_alpha is ", options.post_training.smooth_alpha, ", allowed are 0 to 1");
  require(options.weights == nullptr || options.network == nullptr,
          "weights are given to a network of several architectures");
  require(!graph.Layers().empty(), "the network ", graph.name(), " has no convolution or linear layer");
  require(options.search_images >= 1 && options.search_images < dataset.train.count, "search_images is ",
          options.search_images, ", allowed are 1 to ", dataset.train.count - 1,
          " (at least one image must be left to train on)");
  require(dataset.test.count >= 1, "the data set ", info.name, " has no test images");
  require(training.steps >= 0, "steps is ", training.steps, ", allowed are whole numbers from 0");
  for (const auto& [name, value] : {std::pair{"batch_size", training.batch_size},
                                    {"evaluation_batch_size", training.evaluation_batch_size},
                                    {"recalibration_images", training.recalibration_images}}) {
    require(value >= 1, name, " is ", value, ", allowed are whole numbers from 1");
  }
  require(training.learning_rate > 0, "learning_rate is ", training.learning_rate,
          ", allowed are numbers above 0");
  for (const auto& [name, value] : {std::pair{"warmup_share", training.warmup_share},
                                    {"momentum", training.momentum},
                                    {"label_smoothing", training.label_smoothing}}) {
    require(value >= 0 && value < 1, name, " is ", value, ", allowed are 0 up to but not including 1");
  }
  for (const auto& [name, value] : {std::pair{"weight_decay", training.weight_decay},
                                    {"gradient_clip_norm", training.gradient_clip_norm}}) {
    require(value >= 0, name, " is ", value, ", allowed are numbers from 0");
  }
  require(training.decay_share > 0 && training.decay_share <= 1, "decay_share is ", training.decay_share,
          ", allowed are numbers above 0 up to 1");
  require(training.gradient_explosion_factor == 0 || training.gradient_explosion_factor > 1,
          "gradient_explosion_factor is ", training.gradient_explosion_factor,
          ", allowed are 0 (off) and numbers above 1");
  require(training.explosion_factor > 0, "explosion_factor is ", training.explosion_factor,
          ", allowed are numbers above 0");
  require(training.threads >= 0, "threads is ", training.threads, ", allowed are 0 (all cores) and more");
  if (faults.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(faults, "; "));
}

absl::StatusOr<c10::Device> ChooseDevice(Device wanted) {
  const bool cuda = wanted != Device::kCpu && torch::cuda::is_available();
  if (cuda) return c10::Device(c10::kCUDA, 0);
  if (wanted == Device::kCuda) {
    return absl::FailedPreconditionError(absl::StrCat(
        "device is cuda, but ", ExecutionVersion(),
        " sees no CUDA device. Set device to auto or cpu, or build Precis against a LibTorch with CUDA "
        "(CMAKE_PREFIX_PATH) on a machine that has a GPU."));
  }
  return c10::Device(c10::kCPU);
}

// Equal calls must give equal bits, and fake-quantised values must not be rounded again.
void MakeCudaExact() {
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Oracle>> MakeSupernetOracle(const ModelGraph& graph, Dataset dataset,
                                                           const OracleOptions& options) {
  if (absl::Status fit = CheckFit(graph, dataset, options); !fit.ok()) return fit;
  return Guarded("building the supernet", [&]() -> absl::StatusOr<std::unique_ptr<Oracle>> {
    const absl::StatusOr<c10::Device> device = ChooseDevice(options.training.device);
    if (!device.ok()) return device.status();
    // oneDNN's threads spin for each other: one more than can run at once makes a step tens of times slower.
    at::set_num_threads(options.training.threads > 0 ? options.training.threads : AvailableCores());
    SetUpHostMemory();
    if (device->is_cuda()) MakeCudaExact();
    auto oracle = std::make_unique<SupernetOracle>(graph, std::move(dataset), options, *device);
    if (options.weights != nullptr) {
      if (absl::Status begun = oracle->Begin(options); !begun.ok()) return begun;
    }
    return oracle;
  });
}

std::string ExecutionVersion() {
  return absl::StrCat("LibTorch ", TORCH_VERSION, ", ",
                      torch::cuda::is_available() ? "CUDA at hand" : "no CUDA", ", ", at::get_num_threads(),
                      at::get_num_threads() == 1 ? " thread" : " threads");
}

}  // namespace precis
