// The exporters' bytes. PRECIS_REWRITE_GOLDEN=1 rewrites the golden file after a change that is meant.
#include "server/export/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "supernet/formats/scalar.h"
#include "supernet/formats/tensor_quantizer.h"
#include "tests/server/export/export_fixture.h"

namespace precis::server {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(JsonExport, IsTheGoldenFile) {
  ExportFixture fixture;
  const auto bytes = ExportCandidate("json", fixture.Input());
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const std::string path = std::string(PRECIS_GOLDEN_DIR) + "/export/resnet8.json";
  if (std::getenv("PRECIS_REWRITE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << *bytes;
  EXPECT_EQ(*bytes, ReadFile(path)) << "If the change is meant: PRECIS_REWRITE_GOLDEN=1 ctest -R export_test";
}

TEST(JsonExport, GivesTheSameBytesTwice) {
  ExportFixture a;
  ExportFixture b;
  EXPECT_EQ(*ExportCandidate("json", a.Input()), *ExportCandidate("json", b.Input()));
}

TEST(JsonExport, HasOneEntryALayerThatAddsUp) {
  ExportFixture fixture;
  const json document = json::parse(*ExportCandidate("json", fixture.Input()));
  ASSERT_EQ(document["layers"].size(), fixture.plan().layers.size());
  int64_t macs = 0;
  for (size_t i = 0; i < fixture.plan().layers.size(); ++i) {
    const json& layer = document["layers"][i];
    EXPECT_EQ(layer["name"], fixture.plan().layers[i].name);
    macs += layer["macs"].get<int64_t>();
  }
  EXPECT_EQ(macs, TotalMacs(fixture.plan().graph));
  EXPECT_EQ(document["layers"].back()["kind"], "linear");
  EXPECT_EQ(document["layers"].back()["parameters"].get<int64_t>(),
            fixture.plan().layers.back().weights + fixture.plan().layers.back().output_channels);
}

// The scales are those that the whole tensor is quantised with, in every kind of format.
TEST(JsonExport, ScalesReadBackToTheBit) {
  ExportFixture fixture;
  const json document = json::parse(*ExportCandidate("json", fixture.Input()));
  for (size_t i = 0; i < fixture.plan().layers.size(); ++i) {
    const Layer& layer = fixture.plan().layers[i];
    const Format& format = fixture.candidate().assignment.layers[i].weight;
    SCOPED_TRACE(FormatName(format));
    const json& weight = document["layers"][i]["weight"];
    const std::vector<float>& values = fixture.weights().tensors[layer.name + ".weight"].values;
    const QuantizedTensor quantized =
        QuantizeTensor(format, {}, values.data(), static_cast<size_t>(layer.output_channels),
                       static_cast<size_t>(layer.reduction));
    EXPECT_EQ(weight["scales"].get<std::vector<float>>(), quantized.scales);
    EXPECT_EQ(weight["zero_points"].get<std::vector<int>>(), quantized.zero_points);
    if (format.scale.global) {
      EXPECT_EQ(weight["global_scale"].get<float>(), quantized.global_scale);
    }
    EXPECT_EQ(weight["block_size"].is_null(), !IsBlockScaled(format));
  }
}

// 98 layers, 24 of them products, whose ranges are listed behind those of all inputs.
TEST(JsonExport, ProductsHaveASecondOperandInsteadOfAWeight) {
  ExportFixture fixture("deit_tiny", 0.2);
  const json document = json::parse(*ExportCandidate("json", fixture.Input()));
  const std::vector<Layer>& layers = fixture.plan().layers;
  ASSERT_EQ(document["layers"].size(), layers.size());
  size_t products = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    const json& layer = document["layers"][i];
    SCOPED_TRACE(layers[i].name);
    EXPECT_EQ(layer["kind"] == "matmul", !layers[i].HasWeight());
    EXPECT_EQ(layer.contains("weight"), layers[i].HasWeight());
    EXPECT_EQ(layer.contains("second_operand"), !layers[i].HasWeight());
    if (layers[i].HasWeight()) continue;
    const Format& format = fixture.candidate().assignment.layers[i].weight;
    const ActivationRange& range = fixture.candidate().activation_ranges[layers.size() + products++];
    const json& second = layer["second_operand"];
    EXPECT_EQ(layer["parameters"], 0);
    EXPECT_EQ(second["format"], FormatName(format));
    EXPECT_EQ(second["max_abs"].get<float>(), static_cast<float>(range.high));
    EXPECT_EQ(second["scale"].is_null(), !IsScaled(format) || IsBlockScaled(format));
    if (!second["scale"].is_null()) {
      const ValueRange ends = {static_cast<float>(range.low), static_cast<float>(range.high)};
      EXPECT_EQ(second["scale"].get<float>(), ScaleForRange(format, ends).scale);
    }
  }
  EXPECT_EQ(products, 24u);
}

TEST(JsonExport, ActivationScalesComeFromTheCalibratedRange) {
  ExportFixture fixture;
  const json document = json::parse(*ExportCandidate("json", fixture.Input()));
  for (size_t i = 0; i < fixture.plan().layers.size(); ++i) {
    const Format& format = fixture.candidate().assignment.layers[i].activation;
    SCOPED_TRACE(FormatName(format));
    const ActivationRange& range = fixture.candidate().activation_ranges[i];
    const auto low = static_cast<float>(range.low), high = static_cast<float>(range.high);
    const json& activation = document["layers"][i]["activation"];
    EXPECT_EQ(activation["max_abs"].get<float>(), high);
    if (format.scale.zero_point) {
      const AffineScale affine = AffineScaleForRange(format.element, low, high);
      EXPECT_EQ(activation["scale"].get<float>(), affine.scale);
      EXPECT_EQ(activation["zero_point"].get<int>(), affine.zero_point);
      EXPECT_NEAR(activation["range"][0].get<double>(), low, affine.scale);
      EXPECT_NEAR(activation["range"][1].get<double>(), high, affine.scale);
    } else if (IsBlockScaled(format)) {
      EXPECT_TRUE(activation["scale"].is_null());
      EXPECT_TRUE(activation["range"].is_null());
      EXPECT_EQ(activation["global_scale"].is_null(), !format.scale.global);
    } else if (IsScaled(format)) {
      EXPECT_EQ(activation["scale"].get<float>(), ScaleForMaxAbs(format, high));
    }
  }
}

TEST(JsonExport, KeepsASeedOfSixtyFourBits) {
  ExportFixture fixture;
  const json document = json::parse(*ExportCandidate("json", fixture.Input()));
  EXPECT_EQ(document["provenance"]["seed"].get<uint64_t>(), 18446744073709551615u);
}

TEST(JsonExport, WritesNullForWhatIsNotKnown) {
  ExportFixture fixture;
  fixture.weights().metadata.clear();
  ExportInput input = fixture.Input();
  input.weights_file_name.clear();
  const json document = json::parse(*ExportCandidate("json", input));
  EXPECT_TRUE(document["model"]["preprocessing"]["mean"].is_null());
  EXPECT_TRUE(document["provenance"]["weights_file"].is_null());
  EXPECT_TRUE(document["accuracy"]["references"][1]["test"].is_null());
  EXPECT_TRUE(document["accuracy"]["float"]["test"]["loss"].is_null());
}

TEST(Export, RefusesAnUnknownFormat) {
  ExportFixture fixture;
  const auto status = ExportCandidate("jsn", fixture.Input()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("Did you mean \"json\"?"));
}

TEST(Export, EveryFormatWorks) {
  ExportFixture fixture;
  ASSERT_FALSE(ExportFormats().empty());
  fixture.MakeWhole();
  fixture.candidate().assignment = UniformAssignment(fixture.plan().layers.size(), FormatNamed("int8"));
  for (ActivationRange& range : fixture.candidate().activation_ranges) range = {-1, 1};
  for (const ExportFormat& format : ExportFormats()) {
    const absl::StatusOr<std::string> bytes = ExportCandidate(format.name, fixture.Input());
    // Of linear layers alone.
    if (format.name == "torchao") {
      EXPECT_THAT(std::string(bytes.status().message()), HasSubstr("linear"));
    } else {
      EXPECT_TRUE(bytes.ok()) << format.name << ": " << bytes.status();
    }
    EXPECT_FALSE(format.description.empty());
    EXPECT_EQ(format.file_suffix[0], '.');
  }
}

}  // namespace
}  // namespace precis::server
