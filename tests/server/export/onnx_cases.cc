// Writes models that the exporter makes and what Precis computes with the same weights and formats, for
// onnxruntime_test.js to run: onnx_cases FOLDER. A case NAME is NAME.onnx, its input NAME.in and its output
// NAME.out as raw FP32, and a line of cases.json.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "server/export/exporter.h"
#include "server/export/onnx_activations.h"
#include "supernet/execution/frozen_network.h"
#include "supernet/execution/run_node.h"
#include "supernet/execution/supernet.h"
#include "supernet/execution/weight_exchange.h"
#include "supernet/formats/check.h"
#include "supernet/formats/scalar.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis::server {
namespace {

// Small numbers, so that a sum over an image of one pixel that is not 0 is exact.
constexpr int64_t kChannels = 40;  // a block and a quarter of MX, two and a half of NV

Format Named(const std::string& name) {
  const absl::StatusOr<Format> format = ParseFormat(name);
  PRECIS_CHECK(format.ok());
  return *format;
}

// Batch statistics and ranges as one pass has them.
struct Statistics : ForwardObserver {
  explicit Statistics(const ModelGraph& graph) : graph_(graph) {
    calibration.mean.resize(graph.nodes().size());
    calibration.variance.resize(graph.nodes().size());
    calibration.activation_ranges.resize(graph.ActivationOperands().size());
  }
  void OnOperand(size_t operand, const at::Tensor& range) override {
    calibration.activation_ranges[operand] = range;
  }
  void OnBatchNorm(NodeId node, const at::Tensor& mean, const at::Tensor& inverse_deviation) override {
    const auto index = static_cast<size_t>(node);
    const double epsilon = std::get<BatchNormNode>(graph_.node(node).op).epsilon;
    calibration.mean[index] = mean;
    calibration.variance[index] = inverse_deviation.pow(-2) - epsilon;
  }

  Calibration calibration;

 private:
  const ModelGraph& graph_;
};

search::Candidate CandidateOf(const Assignment& assignment, const Calibration& calibration) {
  search::Candidate candidate;
  candidate.number = 1;
  candidate.assignment = assignment;
  for (const at::Tensor& range : calibration.activation_ranges) {
    const bool two_ends = range.dim() == 1;
    const double high = (two_ends ? range[1] : range).item<double>();
    candidate.activation_ranges.push_back({two_ends ? range[0].item<double>() : -high, high});
  }
  return candidate;
}

class Cases {
 public:
  explicit Cases(std::string folder) : folder_(std::move(folder)) {}

  // `most`: how far an output may be off; 0: not one bit. `mean`: how far in the root mean square.
  void Add(const std::string& name, const ModelGraph& graph, const Assignment& assignment,
           const at::Tensor& images, double most, double mean, uint64_t seed = 3,
           const std::map<std::string, at::Tensor>& weights = {}, const at::Tensor& range = {},
           const std::vector<const char*>& styles = {"onnx", "onnx_fake"}) {
    const c10::NoGradGuard no_gradients;
    Supernet net(graph, seed, at::kCPU, {});
    for (const Parameter& parameter : net.parameters()) {
      const auto given = weights.find(parameter.name);
      if (given != weights.end()) parameter.value.copy_(given->second);
    }
    Statistics seen(graph);
    net.Forward(images, assignment, {.observer = &seen});
    if (range.defined()) seen.calibration.activation_ranges.front() = range;
    search::Plan plan{.spec = {},
                      .dataset = {},
                      .graph = graph,
                      .layers = graph.Layers(),
                      .space = {},
                      .costs = {},
                      .references = {},
                      .fingerprint = ""};
    plan.spec.training.ranges = {};
    const WeightFile file = ExportWeights(net, assignment, seen.calibration);
    const search::Candidate candidate = CandidateOf(assignment, seen.calibration);
    const at::Tensor expected = FrozenNetwork(net, assignment, seen.calibration).Forward(images).contiguous();
    for (const char* style : styles) {
      ExportInput input;
      input.plan = &plan;
      input.candidate = &candidate;
      input.weights = &file;
      const absl::StatusOr<std::string> bytes = ExportCandidate(style, input);
      if (!bytes.ok()) {
        std::fprintf(stderr, "%s: %s\n", name.c_str(), bytes.status().ToString().c_str());
        std::exit(1);
      }
      const std::string stem = std::to_string(cases_.size());
      std::ofstream(folder_ + "/" + stem + ".onnx", std::ios::binary) << *bytes;
      WriteTensor(stem + ".in", images);
      WriteTensor(stem + ".out", expected);
      cases_.push_back({{"stem", stem},
                        {"name", name + " as " + style},
                        {"input", images.sizes().vec()},
                        {"most", most},
                        {"mean", mean}});
    }
  }

  void Finish() { std::ofstream(folder_ + "/cases.json") << cases_.dump(1); }

 private:
  void WriteTensor(const std::string& name, const at::Tensor& tensor) {
    const at::Tensor values = tensor.contiguous();
    std::ofstream(folder_ + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data_ptr<float>()), values.numel() * 4);
  }

  std::string folder_;
  nlohmann::ordered_json cases_ = nlohmann::ordered_json::array();
};

LayerFormats Pair(const std::string& weight, const std::string& activation) {
  return {Named(weight), Named(activation)};
}

// Random values of all magnitudes, all grid points and midpoints of small elements, their neighbours, 0.
at::Tensor TryingValues(const Format& format, float scale, int64_t count, bool nonnegative) {
  std::vector<float> values = {0};
  if (format.element.bits <= 8) {
    std::vector<double> grid;
    for (uint32_t code = 0; code < 1u << format.element.bits; ++code) {
      const double value = Decode(format.element, code);
      if (std::isfinite(value)) grid.push_back(value);
    }
    std::sort(grid.begin(), grid.end());
    for (size_t i = 0; i + 1 < grid.size(); ++i) {
      for (const double value : {grid[i], (grid[i] + grid[i + 1]) / 2}) {
        const float x = static_cast<float>(value) * scale;
        values.insert(values.end(), {x, std::nextafter(x, 1e30f), std::nextafter(x, -1e30f)});
      }
    }
  }
  std::mt19937_64 generator(5);
  std::normal_distribution<float> normal;
  while (static_cast<int64_t>(values.size()) < count) {
    const auto power = static_cast<int>(generator() % 14) - 10;
    values.push_back(std::ldexp(normal(generator), generator() % 2 == 0 ? 0 : power));
  }
  values.resize(static_cast<size_t>(count));
  at::Tensor tensor = at::tensor(values);
  return nonnegative ? tensor.abs() : tensor;
}

// The input, rounded: a convolution that changes nothing.
void AddActivations(Cases& cases) {
  std::vector<std::string> names;
  for (const Format& format : CatalogueFormats()) names.push_back(FormatName(format));
  for (const char* more : {"mxint4:ceil", "mxfp4:even", "mxint8:even", "mxfp8:ceil", "int8@e8m0:32:shift1",
                           "e2m1@fp32:16", "int3@fp32:8", "e2m1@ue5m3:16", "int4@e4m3:16", "nvfp4@ue5m3",
                           "e4m3@e8m0:tensor", "e3m2fn", "e2m3ieee"}) {
    if (ParseFormat(more).ok()) names.push_back(more);
  }
  for (const std::string& name : names) {
    const Format format = Named(name);
    if (!WhyNotOnnx(format).empty()) continue;
    const std::vector<int64_t> widths =
        IsBlockScaled(format) ? std::vector<int64_t>{kChannels, 5} : std::vector<int64_t>{kChannels};
    for (const int64_t channels : widths) {
      ModelGraph graph("rounded", {channels, 6, 7});
      Append(graph, "same", Conv2dNode{.out_channels = channels}, {0});
      const float high = 3.7f;
      at::Tensor range;
      float scale = 1;
      if (IsScaled(format) && !IsBlockScaled(format)) {
        range = format.scale.zero_point ? at::tensor({-0.9f, high}) : at::full({}, high);
        scale = ScaleForRange(format, {format.scale.zero_point ? -0.9f : -high, high}).scale;
      }
      const at::Tensor values = TryingValues(format, scale, 8 * channels * 42, !HoldsNegatives(format));
      const at::Tensor identity = at::eye(channels).reshape({channels, channels, 1, 1});
      cases.Add("activation " + name + ", " + std::to_string(channels) + " channels", graph,
                {.layers = {Pair("fp32", name)}}, values.reshape({8, channels, 6, 7}), 0, 0, 3,
                {{"same.weight", identity}}, range);
    }
  }
}

// The weights, rounded: one input after another is 1.
void AddWeights(Cases& cases) {
  std::vector<std::string> names;
  for (const Format& format : CatalogueFormats()) names.push_back(FormatName(format));
  for (const char* more : {"int4@fp32:8", "int8@fp32:tensor", "mxint4:ceil", "e2m1@ue5m3:16", "int3@fp32:16"})
    names.push_back(more);
  for (const std::string& name : names) {
    const Format format = Named(name);
    if (!HoldsNegatives(format) || !WhyNotOnnx(format).empty()) continue;
    ModelGraph conv("weights", {20, 3, 3});
    Append(conv, "conv", Conv2dNode{.out_channels = 6, .kernel = 3}, {0});
    Assignment assignment = {.layers = {Pair(name, "fp32")}};
    cases.Add("convolution of " + name, conv, assignment, at::eye(180).reshape({180, 20, 3, 3}), 0, 0, 3, {},
              {}, {"onnx"});
    ModelGraph linear("weights", {kChannels});
    Append(linear, "linear", LinearNode{.out_features = 6, .bias = false}, {0});
    cases.Add("linear layer of " + name, linear, assignment, at::eye(kChannels), 0, 0, 3, {}, {}, {"onnx"});
  }
}

// Every node that the zoo does without.
ModelGraph Everything() {
  ModelGraph graph("everything", {6, 9, 9});
  NodeId x = Append(graph, "stem",
                    Conv2dNode{.out_channels = 8,
                               .kernel = Extent(3, 1),
                               .stride = Extent(2, 1),
                               .padding = Padding(1, 0, 0, 0),
                               .bias = true},
                    {0});
  for (const auto& [name, kind, alpha, beta] :
       std::vector<std::tuple<const char*, ActivationKind, double, double>>{
           {"tanh", ActivationKind::kTanh, 0, 0},
           {"leaky", ActivationKind::kLeakyRelu, 0.1, 0},
           {"elu", ActivationKind::kElu, 0.7, 0},
           {"clip", ActivationKind::kClip, -0.8, 1.2},
           {"erf", ActivationKind::kErf, 0, 0},
           {"exp", ActivationKind::kExp, 0, 0},
           {"power", ActivationKind::kPower, 1.5, 0},
           {"softplus", ActivationKind::kSoftplus, 0, 0},
           {"hard_sigmoid", ActivationKind::kHardSigmoid, 0, 0},
           {"hard_swish", ActivationKind::kHardSwish, 0, 0},
           {"silu", ActivationKind::kSilu, 0, 0},
           {"gelu", ActivationKind::kGelu, 0, 0}}) {
    x = Append(graph, name, ActivationNode{.kind = kind, .alpha = alpha, .beta = beta}, {x});
  }
  x = Append(graph, "scale", ScaleNode{.factor = 1.5, .offset = -0.25}, {x});
  x = Append(graph, "pad", PadNode{.before = {0, 1, 0}, .after = {1, 0, 2}, .value = 0.5}, {x});
  x = Append(graph, "sample", SampleNode{.axis = 2, .positions = {0, 0.25, 3, 9.5, 10}}, {x});
  x = Append(graph, "pick", SampleNode{.axis = 1, .positions = {4, 3, 0, 1}}, {x});
  x = Append(graph, "slice", SliceNode{.axis = 0, .begin = 1, .end = 9, .step = 2}, {x});
  x = Append(graph, "gain", GainNode{.shape = {4, 1, 1}}, {x});
  x = Append(graph, "offset", OffsetNode{.shape = {4, 4, 1}}, {x});
  const NodeId pooled = Append(graph, "pooled", AveragePoolNode{.kernel = 2, .stride = 1, .padding = 1}, {x});
  const NodeId largest =
      Append(graph, "largest", MaxPoolNode{.kernel = 2, .stride = 1, .padding = 1, .dilation = 1}, {x});
  x = Append(graph, "both", ConcatNode{.axis = 0}, {pooled, largest});
  const NodeId factor = Append(graph, "factor", GlobalAveragePoolNode{}, {x});
  x = Append(graph, "gated", MultiplyNode{}, {x, factor});
  const NodeId mean = Append(graph, "mean", MeanNode{.axes = {1, 2}}, {x});
  x = Append(graph, "centred", AddNode{}, {x, mean});
  x = Append(graph, "tokens", ReshapeNode{.shape = {8, 30}}, {x});
  x = Append(graph, "turned", TransposeNode{.permutation = {1, 0}}, {x});
  x = Append(graph, "norm", LayerNormNode{.affine = false}, {x});
  const NodeId key = Append(graph, "key", LinearNode{.out_features = 8}, {x});
  NodeId map = Append(graph, "map", MatMulNode{.transpose_second = true}, {x, key});
  map = Append(graph, "softmax", SoftmaxNode{}, {map});
  x = Append(graph, "mixed", MatMulNode{}, {map, key});
  x = Append(graph, "class_token", ClassTokenNode{}, {x});
  x = Append(graph, "position", PositionEmbeddingNode{}, {x});
  x = Append(graph, "first", SelectNode{.axis = 0, .index = 0}, {x});
  x = Append(graph, "norm1", BatchNormNode{}, {x});
  Append(graph, "head", LinearNode{.out_features = 5}, {x});
  return graph;
}

void AddNetworks(Cases& cases) {
  const ModelGraph everything = Everything();
  const at::Tensor images = at::randn({8, 6, 9, 9});
  const size_t layers = everything.Layers().size();
  cases.Add("every node, fp32", everything, UniformAssignment(layers, Named("fp32")), images, 2e-5, 1e-5);
  cases.Add("every node, mxint8", everything, UniformAssignment(layers, Named("mxint8")), images, 0.02, 5e-3);

  // Noise makes other choices in a few bits wherever sums differ in their last place.
  const std::vector<const char*> all = {"int8", "int4", "mxfp4", "e4m3", "nvfp4",  "int3", "bf16",  "e3m2",
                                        "int2", "e2m1", "int6",  "int5", "mxint8", "e5m2", "e4m3fn"};
  const std::vector<const char*> wide = {"int8",        "mxint8", "e4m3fn", "bf16",
                                         "int8_affine", "mxfp8",  "fp16",   "int7"};
  for (const char* name : {"resnet8", "mobilenet_v2", "efficientnet_b0", "deit_tiny"}) {
    const bool thin = std::string(name) == "mobilenet_v2" || std::string(name) == "resnet8";
    const absl::StatusOr<ModelGraph> graph = BuildModel(name, {.width_multiplier = thin ? 0.5 : 1.0});
    if (!graph.ok()) {
      std::fprintf(stderr, "%s: %s\n", name, graph.status().ToString().c_str());
      std::exit(1);
    }
    const size_t count = graph->Layers().size();
    const at::Tensor noise = at::randn({4, 3, 32, 32});
    cases.Add(std::string(name) + ", fp32", *graph, UniformAssignment(count, Named("fp32")), noise, 1e-4,
              1e-4);
    const std::vector<const char*>& formats = thin ? all : wide;
    Assignment mixed = UniformAssignment(count, Named("int8"));
    for (size_t i = 0; i < count; ++i)
      mixed.layers[i] = Pair(formats[i % formats.size()], formats[i % formats.size()]);
    cases.Add(std::string(name) + ", mixed", *graph, mixed, noise, 10, thin ? 0.1 : 0.5);
  }
}

}  // namespace
}  // namespace precis::server

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: onnx_cases FOLDER\n");
    return 2;
  }
  at::manual_seed(1);
  precis::server::Cases cases(argv[1]);
  precis::server::AddActivations(cases);
  precis::server::AddWeights(cases);
  precis::server::AddNetworks(cases);
  cases.Finish();
}
