// The exports for other tools: what is written is what the network was measured with, tensors exist under
// their names, and what a tool lacks is refused by layer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <nlohmann/json.hpp>
#include <set>

#include "supernet/graph/onnx_reader.h"
#include "tests/server/export/exported.h"

namespace precis::server {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

json Parsed(const Exported& exported, const std::string& format) {
  const absl::StatusOr<std::string> bytes = exported.Export(format);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? json::parse(*bytes) : json();
}

std::string Refusal(const Exported& exported, const std::string& format) {
  const absl::Status status = exported.Export(format).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << format << ": " << status;
  return std::string(status.message());
}

std::set<std::string> TensorNames(const Exported& exported) {
  const onnx::ModelProto model = exported.Model("onnx_float");
  std::set<std::string> names = {model.graph().input(0).name()};
  for (const onnx::TensorProto& tensor : model.graph().initializer()) names.insert(tensor.name());
  for (const onnx::NodeProto& node : model.graph().node()) names.insert(node.output(0));
  return names;
}

// The weights that ONNX runs. Inputs stay in float: our reader reads no Round.
std::map<std::string, WeightTensor> RoundedWeights(Exported exported) {
  for (LayerFormats& formats : exported.candidate.assignment.layers) formats.activation = Named("fp32");
  return ParseOnnxModel(*exported.Export("onnx_fake"), "", "fake")->weights.tensors;
}

TEST(OnnxFloatExport, IsTheNetworkUnrounded) {
  Exported exported("resnet8");
  exported.SetAll("int2");
  const OnnxModel read = *ParseOnnxModel(*exported.Export("onnx_float"), "", "float");
  EXPECT_EQ(read.graph.Layers().size(), exported.plan.layers.size());
  for (const Layer& layer : exported.plan.layers)
    EXPECT_EQ(read.weights.tensors.at(layer.name + ".weight").values,
              exported.weights.tensors.at(layer.name + ".weight").values);
  EXPECT_THAT(read.metadata.at("precis.layers"), HasSubstr("int2"));
  EXPECT_EQ(read.metadata.count("precis.search_accuracy"), 0u) << "was measured with int2";
}

TEST(AimetExport, TensorsAreThoseOfTheFloatModel) {
  for (const char* name : {"resnet8", "mobilenet_v2", "resnet18", "efficientnet_b0", "deit_tiny"}) {
    Exported exported(name, name == std::string("deit_tiny") ? 0.2 : 0.5);
    exported.SetAll("int8");
    const std::set<std::string> names = TensorNames(exported);
    for (const char* version : {"aimet", "aimet_0.6.1"}) {
      const json document = Parsed(exported, version);
      for (const char* list : {"activation_encodings", "param_encodings"}) {
        EXPECT_FALSE(document[list].empty());
        for (const auto& [key, encoding] : document[list].items()) {
          const std::string tensor = document[list].is_array() ? encoding["name"].get<std::string>() : key;
          EXPECT_EQ(names.count(tensor), 1u) << name << " " << tensor;
        }
      }
    }
    const json olive = Parsed(exported, "olive");
    for (const auto& [tensor, type] :
         olive["input_model"]["model_attributes"]["mixed_precision_overrides"].items())
      EXPECT_EQ(names.count(tensor), 1u) << name << " " << tensor;
  }
}

// x = (round(x / scale) - offset clipped to 0 … 2^bw - 1, + offset) · scale, as AIMET defines it.
TEST(AimetExport, EncodingsGiveTheWeightsThatOnnxRuns) {
  for (const char* format : {"int4", "int8_full", "int2", "int8_affine", "int8@fp32:tensor", "int16"}) {
    SCOPED_TRACE(format);
    Exported exported("resnet8");
    exported.SetAll(format);
    const std::map<std::string, WeightTensor> rounded = RoundedWeights(exported);
    const json document = Parsed(exported, "aimet");
    ASSERT_EQ(document["param_encodings"].size(), exported.plan.layers.size());
    for (const json& encoding : document["param_encodings"]) {
      const std::string name = encoding["name"];
      const std::vector<float>& in = exported.weights.tensors.at(name).values;
      const std::vector<float>& out = rounded.at(name).values;
      const auto scales = encoding["scale"].get<std::vector<float>>();
      const auto offsets = encoding["offset"].get<std::vector<int64_t>>();
      const bool per_channel = encoding["enc_type"] == "PER_CHANNEL";
      ASSERT_EQ(scales.size(), per_channel ? static_cast<size_t>(rounded.at(name).shape[0]) : 1u);
      const double last = static_cast<double>((int64_t{1} << encoding["bw"].get<int>()) - 1);
      for (size_t i = 0; i < in.size(); ++i) {
        const size_t c = per_channel ? i / (in.size() / scales.size()) : 0;
        const double code = std::clamp(
            std::nearbyint(static_cast<double>(in[i] / scales[c])) - static_cast<double>(offsets[c]), 0.0,
            last);
        ASSERT_EQ(static_cast<float>(code + static_cast<double>(offsets[c])) * scales[c], out[i]) << name;
      }
    }
  }
}

TEST(AimetExport, VersionsDifferInFormAlone) {
  Exported exported("resnet8");
  exported.SetAll("int8");
  const json one = Parsed(exported, "aimet");
  const json old = Parsed(exported, "aimet_0.6.1");
  EXPECT_EQ(one["version"], "1.0.0");
  EXPECT_EQ(old["version"], "0.6.1");
  for (const json& encoding : one["param_encodings"]) {
    const json& channels = old["param_encodings"][encoding["name"].get<std::string>()];
    ASSERT_EQ(channels.size(), encoding["scale"].size());
    for (size_t c = 0; c < channels.size(); ++c) {
      EXPECT_EQ(channels[c]["scale"], encoding["scale"][c]);
      EXPECT_EQ(channels[c]["offset"], encoding["offset"][c]);
      EXPECT_EQ(channels[c]["is_symmetric"], "True");
      const double scale = channels[c]["scale"];
      EXPECT_DOUBLE_EQ(channels[c]["min"], -128 * scale);
      EXPECT_DOUBLE_EQ(channels[c]["max"], 127 * scale);
    }
  }
  exported.SetAll("fp16");
  EXPECT_EQ(Parsed(exported, "aimet_0.6.1")["activation_encodings"]["input"],
            json::parse(R"([{"bitwidth": 16, "dtype": "float"}])"));
}

TEST(AimetExport, RefusesByLayerWithTheNearest) {
  Exported exported("resnet8");
  exported.SetAll("int8");
  std::vector<LayerFormats>& layers = exported.candidate.assignment.layers;
  layers[1] = {Named("e4m3"), Named("int8")};
  layers[2] = {Named("int2"), Named("mxint8")};
  const std::string text = Refusal(exported, "aimet_0.6.1");
  const auto& names = exported.plan.layers;
  EXPECT_THAT(
      text, AllOf(HasSubstr("layer " + names[1].name + ": the weight in e4m3 is a float"), HasSubstr("int8"),
                  HasSubstr("layer " + names[2].name + ": the weight in int2 is narrower than 4 bits"),
                  HasSubstr("layer " + names[2].name + ": the input in mxint8 has a scale a block")));
  layers[1] = layers[2] = {Named("int8"), Named("int8")};
  EXPECT_TRUE(exported.Export("aimet_0.6.1").ok());
}

TEST(AimetExport, ATensorReadInTwoFormatsIsRefused) {
  Exported exported("resnet8");
  exported.SetAll("int8");
  // Two layers that read one tensor: the first of a block with projection, and the projection.
  const std::vector<ActivationOperand> operands = exported.graph.ActivationOperands();
  for (size_t a = 0; a < operands.size(); ++a) {
    for (size_t b = a + 1; b < operands.size(); ++b) {
      if (operands[a].node != operands[b].node) continue;
      exported.candidate.assignment.layers[operands[b].layer].activation = Named("int4");
      for (const char* tool : {"aimet", "olive"})
        EXPECT_THAT(Refusal(exported, tool),
                    AllOf(HasSubstr(exported.plan.layers[operands[a].layer].name),
                          HasSubstr(exported.plan.layers[operands[b].layer].name), HasSubstr("space.ties")));
      return;
    }
  }
  FAIL() << "no tensor is read twice";
}

YAML::Node Quantizer(const YAML::Node& document, const std::string& name) {
  YAML::Node last;
  for (const YAML::Node& entry : document["quant_cfg"]) {
    if (entry["quantizer_name"].as<std::string>() == name) last = entry;
  }
  EXPECT_TRUE(last.IsDefined() && last.IsMap()) << name;
  return last;
}

TEST(ModelOptExport, SaysEveryQuantizer) {
  Exported exported("resnet8");
  exported.SetAll("int4");
  const auto& layers = exported.plan.layers;
  exported.candidate.assignment.layers[0] = {Named("e4m3fn"), Named("fp32")};
  exported.candidate.assignment.layers[1] = {Named("int8_full"), Named("uint8")};
  exported.candidate.assignment.layers.back() = {Named("nvfp4"), Named("mxfp8")};
  const absl::StatusOr<std::string> text = exported.Export("modelopt");
  ASSERT_TRUE(text.ok()) << text.status();
  const YAML::Node document = YAML::Load(*text);
  EXPECT_EQ(document["quant_cfg"].size(), 1 + 2 * layers.size());
  EXPECT_EQ(document["quant_cfg"][0]["quantizer_name"].as<std::string>(), "*");
  EXPECT_FALSE(document["quant_cfg"][0]["enable"].as<bool>());
  EXPECT_EQ(document["algorithm"].as<std::string>(), "max");
  const YAML::Node fp8 = Quantizer(document, layers[0].name + ".weight_quantizer")["cfg"];
  EXPECT_EQ(fp8["num_bits"].as<std::vector<int>>(), (std::vector<int>{4, 3}));
  EXPECT_EQ(fp8["axis"].as<int>(), 0);
  EXPECT_FALSE(Quantizer(document, layers[0].name + ".input_quantizer")["enable"].as<bool>());
  const YAML::Node input = Quantizer(document, layers[1].name + ".input_quantizer")["cfg"];
  EXPECT_TRUE(input["unsigned"].as<bool>());
  EXPECT_TRUE(input["axis"].IsNull());
  EXPECT_FALSE(Quantizer(document, layers[1].name + ".weight_quantizer")["cfg"]["narrow_range"].as<bool>());
  EXPECT_TRUE(Quantizer(document, layers[2].name + ".weight_quantizer")["cfg"]["narrow_range"].as<bool>());
  const YAML::Node blocks =
      Quantizer(document, layers.back().name + ".weight_quantizer")["cfg"]["block_sizes"];
  EXPECT_EQ(blocks[-1].as<int>(), 16);
  EXPECT_EQ(blocks["type"].as<std::string>(), "dynamic");
  EXPECT_EQ(blocks["scale_bits"].as<std::vector<int>>(), (std::vector<int>{4, 3}));
  EXPECT_THAT(*text, HasSubstr("-1: 16")) << "an integer key, not a string";

  exported.candidate.assignment.layers[1] = {Named("mxfp4"), Named("e3m2")};
  EXPECT_THAT(Refusal(exported, "modelopt"),
              AllOf(HasSubstr("the weight in mxfp4 runs its blocks over channels"),
                    HasSubstr("the input in e3m2 is a float that it lacks: e4m3fn")));
}

TEST(TorchAoExport, ConfiguresLinearLayersAndRefusesTheRest) {
  Exported exported("deit_tiny", 0.2);
  const auto& layers = exported.plan.layers;
  std::vector<std::string> linear;
  const std::vector<std::pair<const char*, const char*>> choices = {
      {"int4", "fp32"},     {"int3", "int8"},   {"int4@fp32:128", "int8_affine"},
      {"e4m3fn", "e4m3fn"}, {"mxfp8", "mxfp8"}, {"nvfp4", "nvfp4"},
      {"fp32", "fp32"}};
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].kind != Layer::Kind::kLinear) continue;
    const auto& [weight, activation] = choices[linear.size() % choices.size()];
    exported.candidate.assignment.layers[i] = {Named(weight), Named(activation)};
    linear.push_back(layers[i].name);
  }
  ASSERT_GE(linear.size(), choices.size());
  const json document = Parsed(exported, "torchao");
  EXPECT_EQ(document["_type"], "FqnToConfig");
  const json& modules = document["_data"]["fqn_to_config"];
  EXPECT_EQ(modules.size(), linear.size());
  EXPECT_EQ(modules[linear[0]], json::parse(R"({"_type": "IntxWeightOnlyConfig", "_version": 1, "_data": {
      "weight_dtype": {"_type": "torch.dtype", "_data": "int4"},
      "granularity": {"_type": "PerAxis", "_version": 1, "_data": {"axis": 0}},
      "mapping_type": {"_type": "MappingType", "_data": "SYMMETRIC"}}})"));
  EXPECT_EQ(modules[linear[1]]["_type"], "Int8DynamicActivationIntxWeightConfig");
  EXPECT_EQ(modules[linear[1]]["_data"]["weight_dtype"]["_data"], "int3");
  EXPECT_EQ(modules[linear[1]]["_data"]["act_mapping_type"]["_data"], "SYMMETRIC");
  EXPECT_EQ(modules[linear[2]]["_data"]["weight_granularity"]["_data"]["group_size"], 128);
  EXPECT_EQ(modules[linear[2]]["_data"]["act_mapping_type"]["_data"], "ASYMMETRIC");
  EXPECT_EQ(modules[linear[3]]["_type"], "Float8DynamicActivationFloat8WeightConfig");
  EXPECT_EQ(modules[linear[4]]["_data"]["weight_dtype"]["_data"], "float8_e4m3fn");
  EXPECT_EQ(modules[linear[4]]["_data"]["scaling_mode"]["_data"], "FLOOR");
  EXPECT_EQ(modules[linear[5]]["_type"], "NVFP4DynamicActivationNVFP4WeightConfig");
  EXPECT_TRUE(modules[linear[6]].is_null());

  exported.SetAll("int4");
  const std::string text = Refusal(exported, "torchao");
  for (const Layer& layer : layers) EXPECT_THAT(text, HasSubstr("layer " + layer.name + ": int4/int4"));
}

TEST(NeuralCompressorExport, HasOneAlgorithm) {
  Exported exported("resnet8");
  exported.SetAll("int8");
  const auto& layers = exported.plan.layers;
  exported.candidate.assignment.layers[1].activation = Named("uint8_affine");
  exported.candidate.assignment.layers[2] = {Named("fp32"), Named("fp32")};
  const json document = Parsed(exported, "neural_compressor");
  ASSERT_EQ(document.size(), 1u);
  const json& config = document["static_quant"];
  EXPECT_EQ(config["global"], json::parse(R"({"w_dtype": "fp32", "act_dtype": "fp32"})"));
  EXPECT_EQ(config["local"].size(), layers.size());
  const auto pattern = [&](size_t i) {
    std::string text;
    for (const char c : layers[i].name) text += c == '.' ? "\\." : std::string(1, c);
    return text + "$";
  };
  EXPECT_EQ(config["local"][pattern(0)]["act_dtype"], "int8");
  EXPECT_EQ(config["local"][pattern(1)]["act_dtype"], "uint8");
  EXPECT_EQ(config["local"][pattern(1)]["act_sym"], false);
  EXPECT_EQ(config["local"][pattern(2)]["w_dtype"], "fp32");

  exported.candidate.assignment.layers[3] = {Named("int4"), Named("int4")};
  exported.candidate.assignment.layers.back() = {Named("mxfp4"), Named("mxfp4")};
  EXPECT_THAT(Refusal(exported, "neural_compressor"),
              AllOf(HasSubstr("layer " + layers[3].name + ": int4/int4 has no configuration"),
                    HasSubstr("takes the algorithm mx_quant and layer " + layers[0].name + " static_quant")));
}

TEST(OliveExport, NamesTypesByTensor) {
  Exported exported("resnet8");
  exported.SetAll("int8");
  const auto& layers = exported.plan.layers;
  exported.candidate.assignment.layers[1].weight = Named("int4");
  exported.candidate.assignment.layers[0].activation = Named("uint16");
  const json overrides =
      Parsed(exported, "olive")["input_model"]["model_attributes"]["mixed_precision_overrides"];
  EXPECT_EQ(overrides[layers[1].name + ".weight"], json::parse(R"([{"quant_type": "QInt4"}])"));
  EXPECT_EQ(overrides["input"][0]["quant_type"], "QUInt16");
  exported.candidate.assignment.layers[1].weight = Named("int3");
  EXPECT_THAT(Refusal(exported, "olive"),
              HasSubstr(layers[1].name + ".weight in int3 is no integer of 4, 8 or 16"));
}

// Whatever the formats are, an export is written or refused with a reason; nothing is left to chance.
TEST(ToolExports, EveryFormatIsWrittenOrRefused) {
  Exported exported("resnet8");
  for (const Format& format : CatalogueFormats()) {
    exported.candidate.assignment = UniformAssignment(exported.plan.layers.size(), format);
    for (const char* tool : {"aimet", "aimet_0.6.1", "modelopt", "torchao", "neural_compressor", "olive"}) {
      const absl::StatusOr<std::string> bytes = exported.Export(tool);
      if (bytes.ok()) continue;
      EXPECT_EQ(bytes.status().code(), absl::StatusCode::kFailedPrecondition) << tool << FormatName(format);
      EXPECT_THAT(std::string(bytes.status().message()),
                  AllOf(HasSubstr("layer " + exported.plan.layers[0].name), HasSubstr(FormatName(format)),
                        Not(HasSubstr(": ;"))));
    }
  }
}

}  // namespace
}  // namespace precis::server
