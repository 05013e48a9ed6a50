// Every network of the zoo as readable text, compared with the files in tests/golden/graph.
//
// To accept a change: PRECIS_REWRITE_GOLDEN=1 supernet_graph_test --gtest_filter='*Golden*', then read the
// difference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "supernet/graph/model_zoo.h"

namespace precis {
namespace {

std::filesystem::path GoldenPath(const std::string& model) {
  return std::filesystem::path(PRECIS_GOLDEN_GRAPHS) / (model + ".txt");
}

std::string Report(const ModelGraph& graph) {
  std::string text = graph.CanonicalText();
  absl::StrAppend(&text, "\nlayers\n");
  for (const Layer& layer : graph.Layers()) {
    absl::StrAppend(&text, layer.name, " ", LayerKindName(layer.kind), " macs=", layer.macs,
                    " weights=", layer.weights, " output_channels=", layer.output_channels,
                    " reduction=", layer.reduction, " input_elements=", layer.input_elements,
                    layer.group.empty() ? "" : " group=", layer.group, "\n");
  }
  absl::StrAppend(&text, "\ntotal macs=", TotalMacs(graph), " parameters=", graph.ParameterCount(), "\n");
  return text;
}

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const ModelInfo& InfoOf(const std::string& name) {
  return *std::find_if(Models().begin(), Models().end(),
                       [&](const ModelInfo& model) { return model.name == name; });
}

class GoldenGraph : public testing::TestWithParam<std::string> {};

TEST_P(GoldenGraph, IsAsRecorded) {
  const int64_t side = std::max<int64_t>(32, InfoOf(GetParam()).smallest_size);
  const ModelOptions options{.channels = 3, .height = side, .width = side, .classes = 10};
  const absl::StatusOr<ModelGraph> graph = BuildModel(GetParam(), options);
  ASSERT_TRUE(graph.ok()) << graph.status();
  const std::filesystem::path path = GoldenPath(GetParam());
  if (std::getenv("PRECIS_REWRITE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << Report(*graph);
    GTEST_SKIP() << "wrote " << path;
  }
  ASSERT_TRUE(std::filesystem::exists(path)) << "every model of the zoo has a golden file; see above how";
  EXPECT_EQ(Report(*graph), ReadAll(path));
}

std::vector<std::string> ModelNames() {
  std::vector<std::string> names;
  for (const ModelInfo& model : Models()) names.push_back(model.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Zoo, GoldenGraph, testing::ValuesIn(ModelNames()),
                         [](const auto& info) { return info.param; });

TEST(GoldenGraphFolder, HoldsNoFileOfAModelThatIsGone) {
  std::set<std::string> known;
  for (const std::string& name : ModelNames()) known.insert(name + ".txt");
  for (const auto& entry : std::filesystem::directory_iterator(PRECIS_GOLDEN_GRAPHS)) {
    EXPECT_TRUE(known.contains(entry.path().filename().string())) << entry.path();
  }
}

}  // namespace
}  // namespace precis
