// The packed export read back by its manifest alone: the weights that ONNX runs, bit for bit, in every format
// of the catalogue.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "supernet/formats/packing.h"
#include "supernet/graph/onnx_reader.h"
#include "supernet/graph/weight_file.h"
#include "tests/fakes/temp_dir.h"
#include "tests/server/export/exported.h"

namespace precis::server {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// A safetensors file taken apart.
struct Parsed {
  explicit Parsed(const std::string& file) : bytes(file) {
    uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof(length));
    header = json::parse(bytes.substr(8, length));
    data = 8 + length;
    manifest = json::parse(header["__metadata__"]["precis.manifest"].get<std::string>());
  }

  bool Has(const std::string& name) const { return header.contains(name); }

  template <typename T>
  std::vector<T> Values(const std::string& name) const {
    const json& offsets = header.at(name).at("data_offsets");
    const size_t begin = offsets[0];
    std::vector<T> values((offsets[1].get<size_t>() - begin) / sizeof(T));
    std::memcpy(values.data(), bytes.data() + data + begin, values.size() * sizeof(T));
    return values;
  }

  std::string bytes;
  json header;
  json manifest;
  size_t data = 0;
};

// What the manifest and the tensors say a weight is, in the tensor's own order.
std::vector<float> Unpacked(const Parsed& parsed, const json& layer) {
  const std::string name = layer["name"].get<std::string>() + ".weight";
  const json& weight = layer["weight"];
  if (parsed.Has(name)) return parsed.Values<float>(name);
  Format format = Named(weight["format"]);
  PackedTensor packed;
  packed.codes = parsed.Values<uint8_t>(name + ".codes");
  if (parsed.Has(name + ".scales")) packed.scales = parsed.Values<uint8_t>(name + ".scales");
  if (parsed.Has(name + ".zero_points")) packed.zero_points = parsed.Values<int32_t>(name + ".zero_points");
  packed.global_scale = weight["global_scale"];
  const auto shape = weight["shape"].get<std::vector<size_t>>();
  packed.rows = shape[0];
  packed.row_size = 1;
  for (size_t i = 1; i < shape.size(); ++i) packed.row_size *= shape[i];
  const absl::StatusOr<std::vector<float>> ordered = UnpackTensor(format, packed);
  EXPECT_TRUE(ordered.ok()) << ordered.status();
  if (weight["order"] != "outputs,rows,columns,inputs") return *ordered;
  const size_t positions = packed.row_size / shape[1];
  std::vector<float> values(ordered->size());
  for (size_t o = 0; o < shape[0]; ++o) {
    for (size_t p = 0; p < positions; ++p) {
      for (size_t i = 0; i < shape[1]; ++i)
        values[(o * shape[1] + i) * positions + p] = (*ordered)[(o * positions + p) * shape[1] + i];
    }
  }
  return values;
}

std::vector<Format> Catalogue() {
  std::vector<Format> formats;
  for (const Format& format : CatalogueFormats()) {
    if (HoldsNegatives(format)) formats.push_back(format);
  }
  return formats;
}

TEST(PackedExport, HoldsTheWeightsThatOnnxRunsInEveryFormat) {
  Exported exported("resnet8");
  const std::vector<Format> catalogue = Catalogue();
  ASSERT_GE(catalogue.size(), 50u);
  const size_t layers = exported.plan.layers.size();
  for (size_t begin = 0; begin < catalogue.size(); begin += layers) {
    for (size_t i = 0; i < layers; ++i)
      exported.candidate.assignment.layers[i].weight = catalogue[(begin + i) % catalogue.size()];
    const absl::StatusOr<std::string> bytes = exported.Export("packed");
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const Parsed parsed(*bytes);
    const absl::StatusOr<std::string> onnx = exported.Export("onnx_fake");
    ASSERT_TRUE(onnx.ok()) << onnx.status();
    const absl::StatusOr<OnnxModel> read = ParseOnnxModel(*onnx, "", "fake");
    ASSERT_TRUE(read.ok()) << read.status();
    for (size_t i = 0; i < layers; ++i) {
      const json& layer = parsed.manifest["layers"][i];
      SCOPED_TRACE(layer.dump());
      const std::vector<float> unpacked = Unpacked(parsed, layer);
      const WeightTensor& expected = read->weights.tensors.at(exported.plan.layers[i].name + ".weight");
      ASSERT_EQ(unpacked.size(), expected.values.size());
      size_t different = 0;
      for (size_t k = 0; k < unpacked.size(); ++k) {
        // ONNX carries floats of small range on integers, which have no negative zero.
        if (unpacked[k] != expected.values[k]) ++different;
      }
      EXPECT_EQ(different, 0u);
    }
  }
}

TEST(PackedExport, IsAsSmallAsTheFormatsSay) {
  Exported exported("resnet20", 1);
  exported.SetAll("int4");
  const size_t packed = exported.Export("packed")->size();
  const size_t full = exported.Export("safetensors")->size();
  int64_t weights = 0;
  for (const Layer& layer : exported.plan.layers) weights += layer.weights;
  EXPECT_LT(static_cast<double>(packed), static_cast<double>(full) - 3.4 * static_cast<double>(weights));
}

TEST(PackedExport, RefusesWhatIsRoundedAtRandom) {
  Exported exported("resnet8");
  exported.candidate.assignment.layers[2].weight = Named("int4+sr8");
  const absl::Status status = exported.Export("packed").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("layer " + exported.plan.layers[2].name + ": int4+sr8 rounds at random")));
}

TEST(SafetensorsExport, IsTheWeightsAsTheyWere) {
  Exported exported("resnet8");
  TempDir folder;
  const std::string path = folder.path() + "/weights.safetensors";
  std::ofstream(path, std::ios::binary) << *exported.Export("safetensors");
  const absl::StatusOr<WeightFile> file = ReadWeightFile(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_EQ(file->tensors.size(), exported.weights.tensors.size());
  for (const auto& [name, tensor] : exported.weights.tensors) {
    EXPECT_EQ(file->tensors.at(name).values, tensor.values) << name;
    EXPECT_EQ(file->tensors.at(name).shape, tensor.shape) << name;
  }
  EXPECT_EQ(file->metadata.at("precis.layout"), "NCHW");
}

}  // namespace
}  // namespace precis::server
