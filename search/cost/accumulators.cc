// Widths of exact sums.
#include "search/cost/accumulators.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "supernet/formats/check.h"

namespace precis::search {
namespace {

// Bits of the largest magnitude in units of the smallest step.
int MagnitudeBits(const ElementFormat& element) {
  if (element.kind == ElementKind::kInteger) return element.is_signed ? element.bits - 1 : element.bits;
  return 1 + static_cast<int>(std::floor(std::log2(MaxFinite(element) / SmallestStep(element))));
}

int CeilLog2(int64_t count) { return std::bit_width(static_cast<uint64_t>(count) - 1); }

class AccumulatorCost final : public CostModel {
 public:
  explicit AccumulatorCost(std::vector<Layer> layers) : layers_(std::move(layers)) {}

  std::string name() const override { return "accumulator_bits"; }
  std::string unit() const override { return "bits"; }
  std::string basis() const override {
    return "output elements of one image times the bits of the exact accumulator each needs (Aggarwal 2023, "
           "arXiv 2311.12359: integers, and Kulisch sums of floats), over every layer; with blocks, of one "
           "block's sum; what adds blocks up, biases and batch norm are not counted";
  }
  double LayerCost(size_t layer, const LayerFormats& formats) const override {
    PRECIS_CHECK(layer < layers_.size());
    const Layer& l = layers_[layer];
    const int64_t reduction = std::max<int64_t>(l.reduction, 1);
    const double outputs = static_cast<double>(l.macs) / static_cast<double>(reduction);
    return outputs * AccumulatorBits(formats, ExactProducts(formats, reduction));
  }

 private:
  const std::vector<Layer> layers_;
};

}  // namespace

int64_t ExactProducts(const LayerFormats& formats, int64_t reduction) {
  int64_t products = reduction;
  for (const Format& format : {formats.weight, formats.activation}) {
    if (IsBlockScaled(format)) products = std::min<int64_t>(products, format.scale.block);
  }
  return products;
}

int AccumulatorBits(const LayerFormats& formats, int64_t products) {
  PRECIS_CHECK(products >= 1);
  const ElementFormat& w = formats.weight.element;
  const ElementFormat& a = formats.activation.element;
  const int growth = CeilLog2(products);
  if (w.kind == ElementKind::kInteger && a.kind == ElementKind::kInteger) return w.bits + a.bits + growth + 1;
  return MagnitudeBits(w) + MagnitudeBits(a) + growth + 1;
}

std::shared_ptr<const CostModel> MakeAccumulatorCost(std::vector<Layer> layers) {
  return std::make_shared<AccumulatorCost>(std::move(layers));
}

}  // namespace precis::search
