// What every CostModel must do, whatever it counts. Instantiate with
//   INSTANTIATE_TEST_SUITE_P(Mine, CostModelContract, ::testing::Values(CostModelFactory{…}),
//   CostModelFactoryName);
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "search/cost/cost_model.h"
#include "supernet/formats/format.h"

namespace precis::search {

struct CostModelFactory {
  std::string name;  // letters and digits
  std::function<std::shared_ptr<const CostModel>(const std::vector<Layer>&)> make;
};

inline std::string CostModelFactoryName(const ::testing::TestParamInfo<CostModelFactory>& info) {
  return info.param.name;
}

class CostModelContract : public ::testing::TestWithParam<CostModelFactory> {
 protected:
  static std::vector<Layer> SomeLayers() {
    std::vector<Layer> layers(3);
    for (size_t i = 0; i < layers.size(); ++i) {
      const auto n = static_cast<int64_t>(i) + 1;
      layers[i].macs = 1000 * n;
      layers[i].weights = 90 * n;
      layers[i].output_channels = 10 * n;
      layers[i].reduction = 9;
      layers[i].input_elements = 50 * n;
    }
    return layers;
  }

  std::shared_ptr<const CostModel> Make() const { return GetParam().make(SomeLayers()); }
};

TEST_P(CostModelContract, DescribesItself) {
  const auto model = Make();
  EXPECT_FALSE(model->name().empty());
  EXPECT_FALSE(model->unit().empty());
  EXPECT_GT(model->basis().size(), 20u);
}

TEST_P(CostModelContract, CostsAreFiniteAndNotNegativeForEveryFormat) {
  const auto model = Make();
  for (const Format& format : CatalogueFormats()) {
    for (size_t layer = 0; layer < SomeLayers().size(); ++layer) {
      const double cost = model->LayerCost(layer, {format, format});
      EXPECT_TRUE(std::isfinite(cost)) << FormatName(format);
      EXPECT_GE(cost, 0) << FormatName(format);
    }
  }
}

TEST_P(CostModelContract, MoreBitsNeverCostLess) {
  const auto model = Make();
  const std::vector<std::string> rising = {"int2", "int3", "int4", "int8", "int16"};
  for (size_t i = 1; i < rising.size(); ++i) {
    const Format narrow = *ParseFormat(rising[i - 1]);
    const Format wide = *ParseFormat(rising[i]);
    EXPECT_LT(TotalCost(*model, UniformAssignment(3, narrow)), TotalCost(*model, UniformAssignment(3, wide)));
  }
}

TEST_P(CostModelContract, TheTotalIsTheSumOverLayers) {
  const auto model = Make();
  const Assignment assignment = *ParseAssignment("int2,e4m3/int8,fp32");
  double sum = 0;
  for (size_t i = 0; i < 3; ++i) sum += model->LayerCost(i, assignment.layers[i]);
  EXPECT_EQ(TotalCost(*model, assignment), sum);
  EXPECT_EQ(TotalCost(*Make(), assignment), sum) << "a second model of the same layers";
}

TEST_P(CostModelContract, TheReachableRangeIsThatOfAllAssignments) {
  const auto model = Make();
  std::vector<LayerFormats> options;
  for (const char* name : {"int4", "int2", "e4m3"}) options.push_back(*ParseLayerFormats(name));
  const SearchSpace space = SearchSpace::PerLayer(SomeLayers(), options);
  double low = INFINITY, high = -INFINITY;
  for (int a = 0; a < 3; ++a) {
    for (int b = 0; b < 3; ++b) {
      for (int c = 0; c < 3; ++c) {
        const double cost = TotalCost(*model, space.Apply({a, b, c}));
        low = std::min(low, cost);
        high = std::max(high, cost);
      }
    }
  }
  const CostRange range = ReachableCost(*model, space);
  EXPECT_EQ(range.min, low);
  EXPECT_EQ(range.max, high);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CostModelContract);

}  // namespace precis::search
