// Made-up costs and spaces for tests of choices.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "search/cost/cost_model.h"
#include "supernet/formats/format.h"
#include "supernet/graph/assignment.h"

namespace precis::search {

// By layer and weight bits, from 2 up.
class MadeUpCost final : public CostModel {
 public:
  explicit MadeUpCost(std::vector<std::vector<double>> costs) : costs_(std::move(costs)) {}
  std::string name() const override { return "made_up"; }
  std::string unit() const override { return "units"; }
  std::string basis() const override { return "made up for a test"; }
  double LayerCost(size_t layer, const LayerFormats& formats) const override {
    return costs_[layer][static_cast<size_t>(formats.weight.element.bits - 2)];
  }

 private:
  std::vector<std::vector<double>> costs_;
};

// Integers of 2 bits and up for every layer.
inline SearchSpace SpaceOf(size_t layers, int options) {
  std::vector<LayerFormats> formats;
  for (int bits = 2; bits < 2 + options; ++bits) {
    const Format format{IntegerElement(bits), {}};
    formats.push_back({format, format});
  }
  return SearchSpace::PerLayer(std::vector<Layer>(layers), formats);
}

}  // namespace precis::search
