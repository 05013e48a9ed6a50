// The exporters' bytes. PRECIS_REWRITE_GOLDEN=1 rewrites the golden file after a change that is meant.
#include "server/export/exporter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "supernet/formats/scalar.h"
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

TEST(JsonExport, ScalesReadBackToTheBit) {
  ExportFixture fixture;
  const json document = json::parse(*ExportCandidate("json", fixture.Input()));
  for (size_t i = 0; i < fixture.plan().layers.size(); ++i) {
    const Layer& layer = fixture.plan().layers[i];
    const Format& format = fixture.candidate().assignment.layers[i].weight;
    const json& scales = document["layers"][i]["weight"]["scales"];
    if (!IsScaled(format)) {
      EXPECT_TRUE(scales.empty());
      continue;
    }
    ASSERT_EQ(static_cast<int64_t>(scales.size()), layer.output_channels);
    const std::vector<float>& values = fixture.weights().tensors[layer.name + ".weight"].values;
    for (int64_t channel = 0; channel < layer.output_channels; ++channel) {
      float largest = 0;
      for (int64_t k = 0; k < layer.reduction; ++k)
        largest = std::max(largest, std::abs(values[static_cast<size_t>(channel * layer.reduction + k)]));
      const double written = scales[static_cast<size_t>(channel)].get<double>();
      EXPECT_EQ(written, static_cast<double>(ScaleForMaxAbs(format, largest)))
          << layer.name << " " << channel;
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
  for (const ExportFormat& format : ExportFormats()) {
    EXPECT_TRUE(ExportCandidate(format.name, fixture.Input()).ok()) << format.name;
    EXPECT_FALSE(format.description.empty());
    EXPECT_EQ(format.file_suffix[0], '.');
  }
}

}  // namespace
}  // namespace precis::server
