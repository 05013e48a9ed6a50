// The ONNX exports as files: what our own reader makes of them, their opset and types, what is refused.
// Whether a runtime computes the same is onnxruntime_test.js's business.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <nlohmann/json.hpp>

#include "server/export/exporter.h"
#include "server/export/onnx_graph.h"
#include "supernet/formats/check.h"
#include "supernet/graph/onnx_reader.h"
#include "tests/server/export/exported.h"

namespace precis::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;

int64_t OpsetOf(const onnx::ModelProto& model) { return model.opset_import(0).version(); }

OnnxModel Read(const Exported& exported) {
  const absl::StatusOr<std::string> bytes = exported.Export("onnx_fake");
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  absl::StatusOr<OnnxModel> read = ParseOnnxModel(*bytes, "", exported.graph.name());
  EXPECT_TRUE(read.ok()) << read.status();
  return *std::move(read);
}

std::string FirstDifference(const std::string& a, const std::string& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (in_a == a.end() && in_b == b.end()) return "";
  return a.substr(static_cast<size_t>(in_a - a.begin()), 200);
}

// A transformer's products and groups, and squeezed images, are read in other words than the zoo has for
// them, but from then on in the same.
TEST(OnnxExporter, AnFp32ExportIsReadAsTheSameNetwork) {
  for (const auto& [name, exact] : std::vector<std::pair<const char*, bool>>{
           {"resnet8", true}, {"mobilenet_v2", true}, {"efficientnet_b0", false}, {"deit_tiny", false}}) {
    SCOPED_TRACE(name);
    Exported exported(name, name == std::string("deit_tiny") ? 0.2 : 0.5);
    const std::string before = exported.graph.CanonicalText();
    const OnnxModel once = Read(exported);
    exported.graph = once.graph;
    exported.plan.graph = once.graph;
    exported.plan.layers = once.graph.Layers();
    const OnnxModel twice = Read(exported);
    EXPECT_EQ(FirstDifference(twice.graph.CanonicalText(), once.graph.CanonicalText()), "");
    if (exact) {
      EXPECT_EQ(FirstDifference(once.graph.CanonicalText(), before), "");
    }
    EXPECT_EQ(once.weights.tensors.size(), exported.weights.tensors.size());
    for (const auto& [tensor, values] : exported.weights.tensors) {
      for (const OnnxModel* model : {&once, &twice}) {
        const auto found = model->weights.tensors.find(tensor);
        ASSERT_NE(found, model->weights.tensors.end()) << tensor;
        EXPECT_EQ(found->second.shape, values.shape) << tensor;
        EXPECT_TRUE(found->second.values == values.values) << tensor;
      }
    }
  }
}

TEST(OnnxExporter, TheOpsetIsTheLowestThatHasTheTypes) {
  const std::vector<std::pair<const char*, int64_t>> opsets = {
      {"fp32", 13},  {"int8", 13},   {"int5", 13},   {"e2m1", 13},  {"bf16", 13},
      {"e4m3", 13},  {"e4m3fn", 19}, {"e5m2", 19},   {"int4", 21},  {"int3", 21},
      {"dfp16", 21}, {"e3m2", 21},   {"mxint8", 21}, {"nvfp4", 21}, {"int2", 25}};
  Exported exported("resnet8");
  for (const auto& [name, opset] : opsets) {
    exported.SetAll(name);
    EXPECT_EQ(OpsetOf(exported.Model("onnx")), opset) << name;
    EXPECT_EQ(OpsetOf(exported.Model("onnx_fake")), 13) << name;
  }
  exported.SetAll("e2m0");
  EXPECT_EQ(OpsetOf(exported.Model("onnx_fake")), 16) << "GreaterOrEqual";
}

TEST(OnnxExporter, WeightsAreStoredAsNarrowAsOnnxHasThem) {
  const std::vector<std::pair<const char*, OnnxType>> types = {
      {"int2", OnnxType::kInt2},    {"int3", OnnxType::kInt4},           {"int8", OnnxType::kInt8},
      {"e2m1", OnnxType::kInt8},    {"e4m3fn", OnnxType::kFloat8E4m3fn}, {"e3m2", OnnxType::kInt16},
      {"e4m3", OnnxType::kInt32},   {"mxfp4", OnnxType::kInt8},          {"nvint4", OnnxType::kInt4},
      {"e5m2sat", OnnxType::kFloat}};
  Exported exported("resnet8");
  const Layer& layer = exported.plan.layers[1];
  for (const auto& [name, type] : types) {
    SCOPED_TRACE(name);
    exported.SetAll("int8");
    exported.candidate.assignment.layers[1].weight = Named(name);
    const onnx::ModelProto model = exported.Model("onnx");
    const bool as_codes = type != OnnxType::kFloat;
    const std::string wanted = layer.name + (as_codes ? ".weight_quantized" : ".weight");
    bool seen = false;
    for (const onnx::TensorProto& tensor : model.graph().initializer()) {
      if (tensor.name() != wanted) continue;
      seen = true;
      EXPECT_EQ(tensor.data_type(), static_cast<int>(type));
      EXPECT_EQ(static_cast<int64_t>(tensor.raw_data().size()), (layer.weights * BitsOf(type) + 7) / 8);
    }
    EXPECT_TRUE(seen);
    for (const onnx::StringStringEntryProto& entry : model.metadata_props()) {
      if (entry.key() != "precis.layers") continue;
      const auto layers = nlohmann::json::parse(entry.value());
      EXPECT_EQ(layers[layer.name]["weight"], FormatName(Named(name)));
      EXPECT_EQ(layers[layer.name]["weight_stored_as"], OnnxTypeName(type));
    }
  }
}

TEST(OnnxExporter, ATensorThatLayersReadInOneFormatIsRoundedOnce) {
  Exported exported("resnet8");
  exported.SetAll("int8");
  int rounded = 0;
  const onnx::ModelProto model = exported.Model("onnx");
  for (const onnx::NodeProto& node : model.graph().node())
    rounded += node.op_type() == "QuantizeLinear" ? 1 : 0;
  // Two shortcuts read what the first convolution of their block reads.
  EXPECT_EQ(rounded, static_cast<int>(exported.plan.layers.size()) - 2);
}

TEST(OnnxExporter, ReadersLearnWhereItComesFrom) {
  const Exported exported("resnet8");
  std::map<std::string, std::string> entries;
  const onnx::ModelProto model = exported.Model("onnx");
  for (const onnx::StringStringEntryProto& entry : model.metadata_props())
    entries[entry.key()] = entry.value();
  EXPECT_EQ(entries["precis.candidate"], "jobs/abc/candidates/7");
  EXPECT_EQ(entries["precis.labels"], "[\"cat\",\"dog\"]");
  EXPECT_EQ(entries["precis.layout"], "NCHW");
  EXPECT_EQ(entries["precis.pixel_mean"], "0.5,0.25,0.125");
  EXPECT_EQ(entries["precis.search_accuracy"], "0.5");
  EXPECT_EQ(model.producer_name(), "precis");
  EXPECT_EQ(*exported.Export("onnx"), *exported.Export("onnx")) << "equal input, equal bytes";
}

TEST(OnnxExporter, WhatNoNodeSaysIsRefusedLayerByLayer) {
  Exported exported("resnet8");
  exported.candidate.assignment.layers[1].weight = Named("int8+hadamard32");
  exported.candidate.assignment.layers[2].activation = Named("int4+sr8");
  for (const char* style : {"onnx", "onnx_fake"}) {
    const absl::Status status = exported.Export(style).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(exported.plan.layers[1].name), HasSubstr(exported.plan.layers[2].name),
                      HasSubstr("leave out +hadamard"), HasSubstr("leave out +sr")));
  }
}

TEST(OnnxExporter, WeightsThatDoNotFitAreNamed) {
  Exported exported("resnet8");
  const std::string name = exported.graph.Parameters().back().name;
  exported.weights.tensors[name].values.back() = HUGE_VALF;
  EXPECT_THAT(exported.Export("onnx").status().ToString(), AllOf(HasSubstr("DATA_LOSS"), HasSubstr(name)));
  exported.weights.tensors.erase(name);
  EXPECT_THAT(exported.Export("onnx").status().ToString(), AllOf(HasSubstr("DATA_LOSS"), HasSubstr(name)));
}

}  // namespace
}  // namespace precis::server
