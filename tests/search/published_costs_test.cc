// The bit operations of arXiv 2308.03290 (FLIQS), from the raw numbers of its figures: every uniform row of
// four networks at every width, and what its search found where that is known to one assignment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "search/cost/cost_model.h"
#include "supernet/graph/model_zoo.h"

namespace precis::search {
namespace {

ModelGraph AtImageNetSize(const std::string& name, double width) {
  ModelOptions options;
  options.height = options.width = 224;
  options.classes = 1000;
  options.width_multiplier = width;
  return *BuildModel(name, options);
}

double GigaBops(const ModelGraph& graph, const Assignment& assignment, const CostOptions& options = {}) {
  return TotalCost(**MakeCostModel("bops", graph.Layers(), options), assignment) / 1e9;
}

double UniformGigaBops(const ModelGraph& graph, const std::string& format) {
  return GigaBops(graph, UniformAssignment(graph.Layers().size(), *ParseFormat(format)));
}

// A printed number: its value, and what one is in its last digit.
struct Printed {
  explicit Printed(const char* printed) : text(printed), value(std::stod(text)) {
    const size_t point = text.find('.');
    unit = point == std::string::npos ? 1 : std::pow(10.0, -static_cast<double>(text.size() - point - 1));
  }
  bool IsRounded(double exact) const { return std::fabs(exact - value) <= unit / 2; }
  bool IsCut(double exact) const { return exact >= value && exact < value + unit; }

  std::string text;
  double value;
  double unit;
};

struct Row {
  const char* model;
  double width;
  const char* e2m1;  // "" where the figures have none
  const char* e4m3;
  const char* bf16;
};

void ForEachNumber(const Row& row, const std::function<void(const Printed&, double exact)>& check) {
  const ModelGraph graph = AtImageNetSize(row.model, row.width);
  for (const auto& [format, text] : {std::pair{"e2m1", row.e2m1}, {"e4m3", row.e4m3}, {"bf16", row.bf16}}) {
    if (*text == '\0') continue;
    SCOPED_TRACE(absl::StrFormat("%s %g %s", row.model, row.width, format));
    check(Printed(text), UniformGigaBops(graph, format));
  }
}

TEST(PublishedCosts, UniformResNetsAreThoseOfTheFiguresToTheLastDigit) {
  const Row rows[] = {
      {"resnet18", 0.5, "7.78", "31.13", "124.5"},  {"resnet18", 0.75, "16.80", "67.19", "268.8"},
      {"resnet18", 1, "29.23", "116.9", "467.7"},   {"resnet18", 1.25, "45.08", "180.3", "721.3"},
      {"resnet18", 1.5, "64.35", "257.4", "1030"},  {"resnet18", 2, "113.1", "452.5", "1810"},
      {"resnet50", 0.5, "16.84", "67.35", "269.4"}, {"resnet50", 0.75, "37.16", "148.7", "594.6"},
      {"resnet50", 1, "65.43", "261.7", "1047"},    {"resnet50", 1.25, "101.6", "406.5", "1626"},
      {"resnet50", 1.5, "145.8", "583.1", "2332"},  {"resnet50", 2, "257.9", "1031", "4126"},
  };
  for (const Row& row : rows) {
    ForEachNumber(row, [](const Printed& printed, double exact) {
      EXPECT_TRUE(printed.IsRounded(exact)) << exact << ", printed " << printed.text;
    });
  }
}

// No network has 6.21 and 24.87 both rounded (24.87 / 4 is 6.2175): these figures mix rounding and cutting.
// All numbers but three are rounded.
TEST(PublishedCosts, UniformMobileNetV2IsThatOfTheFiguresRoundedOrCut) {
  const Row rows[] = {
      {"mobilenet_v2", 0.25, "", "2.38", "9.52"}, {"mobilenet_v2", 0.5, "1.55", "6.21", "24.87"},
      {"mobilenet_v2", 1, "4.81", "19.25", "77"}, {"mobilenet_v2", 1.4, "9.31", "37.2", "149"},
      {"mobilenet_v2", 2, "18.2", "", ""},
  };
  std::vector<std::string> cut;
  for (const Row& row : rows) {
    ForEachNumber(row, [&](const Printed& printed, double exact) {
      if (printed.IsRounded(exact)) return;
      EXPECT_TRUE(printed.IsCut(exact)) << exact << ", printed " << printed.text;
      cut.push_back(printed.text);
    });
  }
  EXPECT_THAT(cut, ::testing::ElementsAre("6.21", "9.31", "37.2"));
}

// Not met. The rows are those of some network at 224 pixels: they fit a·w² + b·w with b between 0.0126 and
// 0.0130, and the part linear in the width, first convolution and classifier, is 0.0127 at 224 pixels and
// 0.0213 at 299. But a is 2.992 GMACs, and InceptionV3 has 2.825 there (and 5.71 in all at 299, as everyone
// else counts). No padding of the stem and of the reductions, with or without the auxiliary head, nor another
// image size gives it. What is missing is the same 0.167 GMACs times w² in every row.
TEST(PublishedCosts, UniformInceptionV3IsTheSameNetworkShortOfTheFigures) {
  const Row rows[] = {
      {"inception_v3", 0.25, "3.04", "12.17", "48.69"},  {"inception_v3", 0.5, "12.07", "48.28", "193.1"},
      {"inception_v3", 0.75, "27.08", "108.3", "433.3"}, {"inception_v3", 1, "48.08", "192.3", "769.2"},
      {"inception_v3", 1.5, "108", "432", "1728"},
  };
  EXPECT_NEAR(UniformGigaBops(AtImageNetSize("inception_v3", 1), "e2m1"), 45.407, 5e-4);
  for (const Row& row : rows) {
    const double missing = 0.16688 * row.width * row.width;
    int index = 0;
    ForEachNumber(row, [&](const Printed& printed, double exact) {
      const double bits = std::vector<double>{16, 64, 256}[static_cast<size_t>(index++)];
      const double mended = exact + missing * bits;
      EXPECT_TRUE(printed.IsRounded(mended) || printed.IsCut(mended))
          << mended << ", printed " << printed.text;
      EXPECT_GT(printed.value / exact, 1.05);
    });
  }
}

// At these widths one assignment of {e2m1, e4m3} alone costs what is printed: the four projections and the
// classifier in eight bits, all else, the stem included, in four.
TEST(PublishedCosts, WhatTheSearchFoundForResNet18) {
  for (const auto& [width, text] : {std::pair{0.5, "8.18"}, {0.75, "17.68"}, {1.0, "30.80"}}) {
    const ModelGraph graph = AtImageNetSize("resnet18", width);
    const std::vector<Layer> layers = graph.Layers();
    Assignment assignment = UniformAssignment(layers.size(), *ParseFormat("e2m1"));
    int wide = 0;
    for (size_t i = 0; i < layers.size(); ++i) {
      if (!absl::StrContains(layers[i].name, "shortcut") && layers[i].name != "classifier") continue;
      assignment.layers[i] = *ParseLayerFormats("e4m3");
      ++wide;
    }
    EXPECT_EQ(wide, 5);
    const double exact = GigaBops(graph, assignment);
    EXPECT_TRUE(Printed(text).IsRounded(exact)) << exact << ", printed " << text;
  }
}

// Width 1.25 and 1.5: the same and the stem in eight bits.
TEST(PublishedCosts, WhatTheSearchFoundForWiderResNet18) {
  for (const auto& [width, text] : {std::pair{1.25, "54.60"}, {1.5, "76.35"}}) {
    const ModelGraph graph = AtImageNetSize("resnet18", width);
    const std::vector<Layer> layers = graph.Layers();
    Assignment assignment = UniformAssignment(layers.size(), *ParseFormat("e2m1"));
    for (size_t i = 0; i < layers.size(); ++i) {
      if (absl::StrContains(layers[i].name, "shortcut") || i == 0 || i + 1 == layers.size()) {
        assignment.layers[i] = *ParseLayerFormats("e4m3");
      }
    }
    const double exact = GigaBops(graph, assignment);
    EXPECT_TRUE(Printed(text).IsRounded(exact)) << exact << ", printed " << text;
  }
}

// FLIQS counts the linear layers of DeiT alone; by the shapes, an independent sum.
TEST(PublishedCosts, AttentionCountsIfAskedFor) {
  for (const auto& [name, width, features] : {std::tuple{"deit_tiny", 1.0, 192},
                                              {"deit_small", 1.0, 384},
                                              {"deit_base", 1.0, 768},
                                              {"deit_small", 0.75, 288},
                                              {"deit_base", 0.875, 672}}) {
    SCOPED_TRACE(absl::StrFormat("%s %g", name, width));
    const ModelGraph graph = AtImageNetSize(name, width);
    const double f = features;
    const double tokens = 14 * 14 + 1;
    const double linear = 14 * 14 * 16 * 16 * 3 * f + 12 * tokens * (4 * f * f + 8 * f * f) + 1000 * f;
    const double products = 12 * 2 * tokens * tokens * f;
    const Assignment assignment = UniformAssignment(graph.Layers().size(), *ParseLayerFormats("int4/int8"));
    EXPECT_DOUBLE_EQ(GigaBops(graph, assignment), linear * 32 / 1e9);
    EXPECT_DOUBLE_EQ(GigaBops(graph, assignment, {.count_attention = true}), (linear + products) * 32 / 1e9);
    EXPECT_EQ(static_cast<double>(TotalMacs(graph)), linear + products);
  }
}

}  // namespace
}  // namespace precis::search
