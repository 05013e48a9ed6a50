// Quantisation speed against memcpy, one thread, at a size that a cache holds and one that it does not.
//
// Each family's counter ratio_memcpy_to_kernel is time(memcpy of the tensor) / time(kernel). The two are run
// in turns within one benchmark and compared by their medians, so that a noisy machine disturbs both alike.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "supernet/formats/kernels.h"
#include "supernet/formats/scalar.h"

#ifdef PRECIS_BENCH_WITH_TORCH
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#endif

namespace precis {
namespace {

constexpr size_t kChannel = 4608;  // elements of a weight's output channel: 512 inputs of 3 x 3

struct Tensors {
  explicit Tensors(size_t count) : in(count), out(count, 1.0f), grad(count, 1.0f) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (float& value : in) value = normal(random);
  }
  std::vector<float> in, out, grad;
};

Tensors& TensorsOf(size_t count) {
  static Tensors small(size_t{1} << 16), large(size_t{1} << 24);
  return count == small.in.size() ? small : large;
}

double Seconds(const std::function<void()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

void Measure(benchmark::State& state, size_t count, const std::function<void()>& kernel) {
  Tensors& tensors = TensorsOf(count);
  std::vector<double> copies, kernels;
  for (auto _ : state) {
    copies.push_back(Seconds([&] {
      std::memcpy(tensors.out.data(), tensors.in.data(), count * sizeof(float));
      benchmark::DoNotOptimize(tensors.out.data());
      benchmark::ClobberMemory();
    }));
    kernels.push_back(Seconds([&] {
      kernel();
      benchmark::DoNotOptimize(tensors.out.data());
      benchmark::ClobberMemory();
    }));
    state.SetIterationTime(kernels.back());
  }
  state.counters["values_per_second"] = static_cast<double>(count) / Median(kernels);
  state.counters["ratio_memcpy_to_kernel"] = Median(copies) / Median(kernels);
}

using Kernel = std::function<void(Tensors&)>;

void Register(const std::string& name, const Kernel& kernel) {
  for (const auto& [count, label] : {std::pair(size_t{1} << 16, "256KiB"), {size_t{1} << 24, "64MiB"}}) {
    benchmark::RegisterBenchmark((name + "/" + label).c_str(),
                                 [count = count, kernel](benchmark::State& state) {
                                   Tensors& tensors = TensorsOf(count);
                                   Measure(state, count, [&] { kernel(tensors); });
                                 })
        ->UseManualTime()
        ->Iterations(count < (size_t{1} << 20) ? 2000 : 21)
        ->Unit(benchmark::kMicrosecond);
  }
}

Format F(const std::string& name) { return ParseFormat(name).value(); }

void RegisterElements() {
  for (const std::string name : {"int4", "int8", "e2m1", "e4m3", "e5m2", "bf16"}) {
    const Format format = F(name);
    const float scale = IsScaled(format) ? ScaleForMaxAbs(format, 4.0f) : 1.0f;
    Register("per_tensor_known/" + name, [=](Tensors& t) {
      QuantizeSpan(format.element, scale, t.in.data(), t.out.data(), t.in.size());
    });
  }
  for (const std::string name : {"int4", "e4m3"}) {
    const Format format = F(name);
    const float scale = ScaleForMaxAbs(format, 4.0f);
    Register("per_channel_known/" + name, [=](Tensors& t) {
      for (size_t i = 0; i < t.in.size(); i += kChannel) {
        QuantizeSpan(format.element, scale, &t.in[i], &t.out[i], std::min(kChannel, t.in.size() - i));
      }
    });
    Register("per_tensor_found/" + name,
             [=](Tensors& t) { QuantizeRows(format, {}, t.in.data(), t.out.data(), 1, t.in.size()); });
    Register("per_channel_found/" + name, [=](Tensors& t) {
      QuantizeRows(format, {}, t.in.data(), t.out.data(), t.in.size() / kChannel, kChannel);
    });
  }
  Register("affine_known/uint8", [](Tensors& t) {
    QuantizeAffineSpan(UnsignedElement(8), 0.02f, 128, t.in.data(), t.out.data(), t.in.size());
  });
  Register("per_tensor_found/dfp16",
           [](Tensors& t) { QuantizeRows(F("dfp16"), {}, t.in.data(), t.out.data(), 1, t.in.size()); });
}

void RegisterBlocks() {
  for (const std::string name : {"mxint8", "mxint4", "mxfp8", "mxfp6", "mxfp4", "mxfp4:ceil", "mxfp4:even",
                                 "nvfp4", "nvint4", "e2m1@ue5m3:16:global", "int4@fp32:128"}) {
    const Format format = F(name);
    Register("blocks/" + name, [=](Tensors& t) {
      const float max_abs = format.scale.global ? MaxAbsFinite(t.in.data(), t.in.size()) : 0;
      QuantizeBlocksSpan(format, GlobalScaleFor(format, max_abs), {}, t.in.data(), t.out.data(), t.in.size());
    });
  }
}

void RegisterOthers() {
  for (const std::string name : {"int4", "e2m1", "e4m3"}) {
    const Format format = F(name);
    const float scale = ScaleForMaxAbs(format, 4.0f);
    Register("stochastic_known/" + name + "+sr8", [=](Tensors& t) {
      QuantizeStochasticSpan(format.element, scale, 8, {.seed = 1}, t.in.data(), t.out.data(), t.in.size());
    });
  }
  for (const std::string name : {"mxfp4+sr8", "nvfp4+sr16"}) {
    const Format format = F(name);
    Register("blocks_stochastic/" + name, [=](Tensors& t) {
      const float max_abs = format.scale.global ? MaxAbsFinite(t.in.data(), t.in.size()) : 0;
      QuantizeBlocksSpan(format, GlobalScaleFor(format, max_abs), {.seed = 1}, t.in.data(), t.out.data(),
                         t.in.size());
    });
  }
  Register("backward/straight_through", [](Tensors& t) {
    StraightThroughSpan(-2.0f, 2.0f, t.in.data(), t.grad.data(), t.out.data(), t.in.size());
  });
  Register("max_abs", [](Tensors& t) { benchmark::DoNotOptimize(MaxAbs(t.in.data(), t.in.size())); });
}

#ifdef PRECIS_BENCH_WITH_TORCH
void RegisterTorch() {
  at::set_num_threads(1);
  Register("aten/fake_quantize_per_tensor_affine", [](Tensors& t) {
    const at::Tensor in = at::from_blob(t.in.data(), {static_cast<int64_t>(t.in.size())}, at::kFloat);
    benchmark::DoNotOptimize(at::fake_quantize_per_tensor_affine(in, 0.57, 0, -7, 7));
  });
}
#endif

}  // namespace
}  // namespace precis

int main(int argc, char** argv) {
  precis::RegisterElements();
  precis::RegisterBlocks();
  precis::RegisterOthers();
#ifdef PRECIS_BENCH_WITH_TORCH
  precis::RegisterTorch();
#endif
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
