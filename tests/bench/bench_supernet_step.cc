// What one search step costs against the plain FP32 training step of the same network and batch, in a space
// of formats: resnet20/minifloat, say.
//
// Each iteration runs the three calls one after the other (FP32 step, search step under a fresh random mixed
// assignment, its probe), so that a slow spell of the machine hits all alike; ratios are of medians.
//
//   ratio_step_to_fp32         search step / FP32 step
//   ratio_search_step_to_fp32  (search step + probe) / FP32 step
//   peak_bytes_fp32, _search   peak resident memory over what a process held before its first step, each in
//                              a process of its own (this program, started again with --peak)
//   ratio_peak_memory          of those two
#include <benchmark/benchmark.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "supernet/execution/oracle_factory.h"
#include "supernet/formats/check.h"
#include "supernet/graph/model_zoo.h"

namespace precis {
namespace {

constexpr int64_t kBatch = 128;
constexpr int kPeakSteps = 6;
constexpr int64_t kChannels = 3;
constexpr int64_t kSide = 32;

// The formats that a step's layers draw from.
const std::map<std::string, std::vector<std::string>> kSpaces = {
    {"int", {"int2", "int3", "int4", "int8"}},
    {"minifloat", {"e2m1", "e3m2", "e4m3", "e5m2sat"}},
    {"affine", {"int4/uint4_affine", "int8/uint8_affine"}},
    {"mx", {"mxfp4", "mxfp6", "mxfp8", "mxint8"}},
    {"nv", {"nvfp4", "nvint4"}},
};

// Random bytes in the shape of CIFAR-10: a step's cost does not depend on what it sees.
Dataset NoiseDataset() {
  std::mt19937_64 generator(1);
  auto images = [&](int64_t count) {
    ImageSet set{.count = count, .pixels = {}, .labels = {}};
    for (int64_t i = 0; i < count * kChannels * kSide * kSide; ++i)
      set.pixels.push_back(static_cast<uint8_t>(generator() >> 56));
    for (int64_t i = 0; i < count; ++i) set.labels.push_back(static_cast<uint8_t>(i % 10));
    return set;
  };
  Dataset dataset;
  dataset.info = *FindDataset("fashion_mnist");
  dataset.info.channels = kChannels;
  dataset.info.height = dataset.info.width = kSide;
  dataset.train = images(4096);
  dataset.test = images(128);
  dataset.mean.assign(kChannels, 0.5f);
  dataset.stddev.assign(kChannels, 0.3f);
  return dataset;
}

struct Subject {
  std::unique_ptr<Oracle> oracle;
  size_t layers;
};

Subject MakeSubject(const std::string& network) {
  const absl::StatusOr<ModelGraph> graph =
      BuildModel(network, {.channels = kChannels, .height = kSide, .width = kSide});
  PRECIS_CHECK(graph.ok());
  OracleOptions options;
  options.search_images = 1024;
  options.training.steps = 1 << 20;
  options.training.batch_size = kBatch;
  options.training.learning_rate = 1e-3;
  options.training.device = Device::kCpu;
  absl::StatusOr<std::unique_ptr<Oracle>> oracle = MakeSupernetOracle(*graph, NoiseDataset(), options);
  PRECIS_CHECK(oracle.ok());
  return {.oracle = *std::move(oracle), .layers = graph->Layers().size()};
}

class MixedAssignments {
 public:
  MixedAssignments(size_t layers, const std::string& space) : layers_(layers) {
    for (const std::string& name : kSpaces.at(space)) formats_.push_back(*ParseLayerFormats(name));
  }
  Assignment Next() {
    Assignment assignment;
    for (size_t i = 0; i < layers_; ++i) {
      assignment.layers.push_back(formats_[generator_() % formats_.size()]);
    }
    return assignment;
  }

 private:
  size_t layers_;
  std::vector<LayerFormats> formats_;
  std::mt19937_64 generator_{7};
};

// A line of /proc/self/status in bytes.
int64_t StatusBytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kib = 0;
    if (word == field && status >> kib) return kib * 1024;
  }
  PRECIS_CHECK(false);
}

// The child's part: prints by how much a few steps raised the memory.
int PrintPeak(const std::string& network, const std::string& space, bool search) {
  const Subject subject = MakeSubject(network);
#ifdef __GLIBC__
  malloc_trim(0);  // what is free but still resident would hide as much of what the steps take
#endif
  const int64_t before = StatusBytes("VmRSS:");
  MixedAssignments mixed(subject.layers, search ? space : "int");
  const Assignment fp32 = UniformAssignment(subject.layers, *ParseFormat("fp32"));
  for (int i = 0; i < kPeakSteps; ++i) {
    const Assignment assignment = search ? mixed.Next() : fp32;
    PRECIS_CHECK(subject.oracle->TrainStep(assignment).ok());
    if (search) PRECIS_CHECK(subject.oracle->Probe(assignment, kBatch, ProbeImages::kNext).ok());
  }
  std::cout << StatusBytes("VmHWM:") - before << "\n";
  return 0;
}

double PeakOf(const std::string& network, const std::string& space, bool search) {
  const std::string command =
      "/proc/" + std::to_string(getpid()) + "/exe --peak " + network + " " + space + (search ? " 1" : " 0");
  FILE* child = popen(command.c_str(), "r");
  PRECIS_CHECK(child != nullptr);
  double bytes = 0;
  PRECIS_CHECK(fscanf(child, "%lf", &bytes) == 1);
  PRECIS_CHECK(pclose(child) == 0);
  return bytes;
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

template <typename Run>
double Seconds(const Run& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void SearchStep(benchmark::State& state, const std::string& network, const std::string& space) {
  const Subject subject = MakeSubject(network);
  MixedAssignments mixed(subject.layers, space);
  const Assignment fp32 = UniformAssignment(subject.layers, *ParseFormat("fp32"));
  auto train = [&](const Assignment& assignment) {
    PRECIS_CHECK(subject.oracle->TrainStep(assignment).ok());
  };
  for (int i = 0; i < 3; ++i) {
    train(fp32);
    train(mixed.Next());
  }

  std::vector<double> fp32_steps;
  std::vector<double> steps;
  std::vector<double> probes;
  for (auto _ : state) {
    const Assignment assignment = mixed.Next();
    fp32_steps.push_back(Seconds([&] { train(fp32); }));
    steps.push_back(Seconds([&] { train(assignment); }));
    probes.push_back(
        Seconds([&] { PRECIS_CHECK(subject.oracle->Probe(assignment, kBatch, ProbeImages::kNext).ok()); }));
    state.SetIterationTime(steps.back());
  }
  const double fp32_step = Median(fp32_steps);
  const double peak_fp32 = PeakOf(network, space, /*search=*/false);
  const double peak_search = PeakOf(network, space, /*search=*/true);
  state.counters["fp32_step_ms"] = fp32_step * 1e3;
  state.counters["step_ms"] = Median(steps) * 1e3;
  state.counters["probe_ms"] = Median(probes) * 1e3;
  state.counters["ratio_step_to_fp32"] = Median(steps) / fp32_step;
  state.counters["ratio_search_step_to_fp32"] = (Median(steps) + Median(probes)) / fp32_step;
  state.counters["peak_bytes_fp32"] = peak_fp32;
  state.counters["peak_bytes_search"] = peak_search;
  state.counters["ratio_peak_memory"] = peak_search / peak_fp32;
}

}  // namespace

void RegisterAll() {
  struct Case {
    const char* network;
    int iterations;
    std::vector<const char*> spaces;
  };
  for (const Case& each :
       {Case{"resnet8", 60, {"int"}}, Case{"resnet20", 25, {"int", "minifloat", "affine", "mx", "nv"}},
        Case{"mobilenet_v2", 12, {"int", "minifloat"}}}) {
    for (const std::string space : each.spaces) {
      const std::string network = each.network;
      benchmark::RegisterBenchmark(
          (network + "/" + space).c_str(),
          [network, space](benchmark::State& state) { SearchStep(state, network, space); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond)
          ->Iterations(each.iterations);
    }
  }
}

}  // namespace precis

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "--peak") {
    return precis::PrintPeak(argv[2], argv[3], std::string(argv[4]) == "1");
  }
  precis::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
