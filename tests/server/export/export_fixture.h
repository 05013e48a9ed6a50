// A small job worked out, with made-up weights and results: what the exporter tests export.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <variant>

#include "search/plan.h"
#include "server/export/exporter.h"
#include "supernet/formats/check.h"

namespace precis::server {

inline Format FormatNamed(const std::string& name) {
  const absl::StatusOr<Format> format = ParseFormat(name);
  PRECIS_CHECK(format.ok());
  return *format;
}

class ExportFixture {
 public:
  explicit ExportFixture(const std::string& model = "resnet8", double width_multiplier = 0.5) {
    search::JobSpec spec;
    spec.model.name = model;
    spec.model.width_multiplier = width_multiplier;
    spec.data.name = "tiny";
    spec.data.search_images = 100;
    spec.training.recalibration_images = 64;
    spec.space.formats = {"int4", "e2m1", "int8"};
    spec.cost.target = "1.1x int4";
    search::SetAlgorithmDefaults(search::Algorithm::kReinforce, spec);
    spec.training.ranges = {};
    spec.reward.probe_images = 50;
    spec.seed = 18446744073709551615u;
    DatasetInfo data{"tiny", "Made up.", 1, 28, 28, 10, 1000, 200, "", {}};
    for (int i = 0; i < 10; ++i) data.labels.push_back("class " + std::to_string(i));
    const search::CompiledPlan compiled = search::CompilePlan(spec, {data});
    for (const search::Violation& fault : compiled.violations)
      std::fprintf(stderr, "%s: %s\n", fault.field.c_str(), fault.message.c_str());
    PRECIS_CHECK(compiled.plan != nullptr);
    plan_ = compiled.plan;

    FillWeights();
    candidate_ = MakeCandidate(7, search::Origin::kFinal, "", 0.9);
    const char* const kWeights[] = {"int8",  "int4",   "e2m1", "int4_affine",      "bf16",
                                    "mxfp4", "nvint4", "fp32", "int8@fp32:tensor", "mxint4+hadamard4"};
    const char* const kActivations[] = {"int8", "int4", "e2m1", "uint8_affine", "bf16", "nvfp4", "mxint8"};
    for (size_t i = 0; i < candidate_.assignment.layers.size(); ++i) {
      candidate_.assignment.layers[i] = {FormatNamed(kWeights[i % 10]), FormatNamed(kActivations[i % 7])};
    }
    for (size_t i = 0; i < plan_->graph.ActivationOperands().size(); ++i) {
      const double max_abs = 0.37 * static_cast<double>(i + 1);
      candidate_.activation_ranges.push_back({-max_abs / (i == 3 ? 4 : 1), max_abs});
    }
    search::Candidate untested = MakeCandidate(2, search::Origin::kReference, "uniform int8", 0.92);
    untested.test.reset();
    references_ = {MakeCandidate(1, search::Origin::kReference, "uniform int4", 0.85), untested};
  }

  ExportInput Input() {
    ExportInput input;
    input.plan = plan_.get();
    input.candidate = &candidate_;
    input.references = references_;
    input.result.final_candidate = 7;
    input.result.float_search = {0.93, 0.21, 100};
    input.result.float_test = {0.925, HUGE_VAL, 200};
    input.weights = &weights_;
    input.weights_file_name = "weights.safetensors";
    input.weights_sha256 = std::string(64, 'a');
    input.job_name = "jobs/abc";
    input.server_version = "0.1.0";
    input.worker_version = "LibTorch 1.13.1, CPU, 2 threads";
    return input;
  }

  // All tensors in their own shapes, batch statistics, and formats that onnx can say.
  void MakeWhole() {
    for (LayerFormats& formats : candidate_.assignment.layers) formats.weight.hadamard = 0;
    for (const ParameterInfo& parameter : plan_->graph.Parameters()) Fill(parameter.name, parameter.shape);
    for (const Node& node : plan_->graph.nodes()) {
      if (!std::holds_alternative<BatchNormNode>(node.op)) continue;
      Fill(node.name + ".running_mean", {node.shape[0]});
      Fill(node.name + ".running_var", {node.shape[0]});
    }
  }

  const search::Plan& plan() const { return *plan_; }
  search::Candidate& candidate() { return candidate_; }
  WeightFile& weights() { return weights_; }

 private:
  search::Candidate MakeCandidate(int64_t number, search::Origin origin, const std::string& label,
                                  double accuracy) {
    search::Candidate candidate;
    candidate.number = number;
    candidate.origin = origin;
    candidate.label = label;
    candidate.assignment = UniformAssignment(plan_->layers.size(), FormatNamed("int4"));
    candidate.search = {accuracy, 0.25, 100};
    candidate.test = Quality{accuracy - 0.01, 0.3, 200};
    for (const auto& model : plan_->costs)
      candidate.costs.push_back(search::TotalCost(*model, candidate.assignment));
    return candidate;
  }

  // Exact in FP32 on every machine: small multiples of powers of two.
  void FillWeights() {
    for (const Layer& layer : plan_->layers) {
      if (layer.HasWeight()) Fill(layer.name + ".weight", {layer.output_channels, layer.reduction});
    }
    weights_.metadata["pixel_mean"] = "0.2860406";
    weights_.metadata["pixel_stddev"] = "0.35302424";
  }

  void Fill(const std::string& name, const Shape& shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    WeightTensor& tensor = weights_.tensors[name];
    tensor = {.shape = shape, .values = {}};
    for (int64_t i = 0; i < count; ++i)
      tensor.values.push_back(static_cast<float>((i * 7919 + 13) % 257 - 128) / 512.0f);
  }

  std::shared_ptr<const search::Plan> plan_;
  WeightFile weights_;
  search::Candidate candidate_;
  std::vector<search::Candidate> references_;
};

}  // namespace precis::server
