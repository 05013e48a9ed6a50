// A network of the zoo with made-up weights, under any assignment, through any exporter.
#pragma once

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <string>
#include <variant>

#include "server/export/exporter.h"
#include "supernet/formats/check.h"
#include "supernet/graph/model_zoo.h"

namespace precis::server {

inline Format Named(const std::string& name) {
  const absl::StatusOr<Format> format = ParseFormat(name);
  PRECIS_CHECK(format.ok());
  return *format;
}

struct Exported {
  explicit Exported(const std::string& model, double width = 0.5)
      : graph(*BuildModel(model, {.width_multiplier = width})) {
    plan.graph = graph;
    plan.layers = graph.Layers();
    plan.dataset.labels = {"cat", "dog"};
    plan.spec.training.ranges = {};
    for (const ParameterInfo& parameter : graph.Parameters()) Fill(parameter.name, parameter.shape, 1);
    for (const Node& node : graph.nodes()) {
      if (!std::holds_alternative<BatchNormNode>(node.op)) continue;
      Fill(node.name + ".running_mean", {node.shape[0]}, 1);
      Fill(node.name + ".running_var", {node.shape[0]}, 0);
    }
    weights.metadata["pixel_mean"] = "0.5,0.25,0.125";
    candidate.number = 7;
    candidate.search = {0.5, 1, 100};
    candidate.activation_ranges.assign(graph.ActivationOperands().size(), {-2, 2});
    SetAll("fp32");
  }

  void Fill(const std::string& name, const Shape& shape, int sign) {
    WeightTensor& tensor = weights.tensors[name];
    tensor.shape = shape;
    for (int64_t i = 0; i < ElementCount(shape); ++i)
      tensor.values.push_back(static_cast<float>((i * 7919 + 13) % 257 - 128 * sign) / 512.0f);
  }

  static int64_t ElementCount(const Shape& shape) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    return count;
  }

  void SetAll(const std::string& name) {
    candidate.assignment = UniformAssignment(plan.layers.size(), Named(name));
  }

  absl::StatusOr<std::string> Export(const std::string& style) const {
    ExportInput input;
    input.plan = &plan;
    input.candidate = &candidate;
    input.weights = &weights;
    input.job_name = "jobs/abc";
    input.server_version = "0.1.0";
    return ExportCandidate(style, input);
  }

  onnx::ModelProto Model(const std::string& style) const {
    const absl::StatusOr<std::string> bytes = Export(style);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    onnx::ModelProto model;
    EXPECT_TRUE(bytes.ok() && model.ParseFromString(*bytes));
    return model;
  }

  ModelGraph graph;
  search::Plan plan{.spec = {},
                    .dataset = {},
                    .graph = graph,
                    .layers = {},
                    .space = {},
                    .costs = {},
                    .references = {},
                    .fingerprint = "f"};
  WeightFile weights;
  search::Candidate candidate;
};

}  // namespace precis::server
