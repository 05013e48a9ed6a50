// Scales by the functions that quantisation uses, values by decoding every code.
#include "supernet/execution/weight_grid.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <variant>
#include <vector>

#include "supernet/formats/block_scale.h"
#include "supernet/formats/check.h"
#include "supernet/formats/kernels.h"
#include "supernet/formats/range.h"
#include "supernet/formats/scalar.h"
#include "supernet/quantizers/fake_quantize.h"

namespace precis {
namespace {

constexpr int kMostBits = 8;

std::vector<float> ValuesOf(const ElementFormat& element) {
  std::vector<float> values;
  for (uint32_t code = 0; code < (1u << element.bits); ++code) {
    const double value = Decode(element, code);
    if (std::isfinite(value) && value >= MinFinite(element))
      values.push_back(static_cast<float>(value + 0.0));
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// By row; or one for all.
at::Tensor ScaleOfRanges(const Format& format, const at::Tensor& range, int64_t rows) {
  at::Tensor scale = at::ones({rows, 1});
  if (!range.defined()) return scale;
  const at::Tensor host = range.detach().contiguous();
  const float* of = host.data_ptr<float>();
  for (int64_t row = 0; row < rows; ++row) {
    const float high = of[host.numel() == 1 ? 0 : row];
    if (std::isfinite(high)) scale[row] = ScaleForRange(format, {-high, high}).scale;
  }
  return scale;
}

}  // namespace

int64_t WeightGroups(const NodeOp& op) {
  const auto* conv = std::get_if<Conv2dNode>(&op);
  return conv == nullptr ? 1 : conv->groups;
}

at::Tensor ToRows(const at::Tensor& weight, int64_t groups) {
  const at::Tensor ordered = weight.dim() == 4 ? weight.permute({0, 2, 3, 1}) : weight;
  return ordered.reshape({groups, weight.size(0) / groups, -1});
}

at::Tensor FromRows(const at::Tensor& rows, const at::Tensor& like) {
  if (like.dim() != 4) return rows.reshape(like.sizes());
  return rows.reshape({like.size(0), like.size(2), like.size(3), like.size(1)}).permute({0, 3, 1, 2});
}

bool HasGrid(const Format& format) {
  return format.element.bits <= kMostBits && format.element.is_signed && format.hadamard == 0 &&
         format.stochastic_bits == 0 && !format.scale.zero_point;
}

WeightGrid::WeightGrid(const Supernet& net, NodeId layer, const Format& format) {
  PRECIS_CHECK(HasGrid(format));
  const at::Tensor weight = net.Weight(layer).detach().cpu();
  const int64_t groups = WeightGroups(net.graph().node(layer).op);
  weights_ = ToRows(weight, groups).contiguous();
  std::vector<float> values = ValuesOf(format.element);
  values_ = at::tensor(values);
  const int64_t rows = weight.size(0);
  const int64_t columns = weights_.size(2);
  if (!IsBlockScaled(format)) {
    range_ = net.ranges().Find({layer, Operand::kWeight, format});
    if (range_.defined()) {
      range_ = range_.detach().cpu();
    } else {
      range_ = MeasureRange(weight, Operand::kWeight, format, net.ranges().MethodOf(Operand::kWeight));
    }
    scale_ =
        ScaleOfRanges(format, range_, rows).expand({rows, columns}).reshape(weights_.sizes()).contiguous();
    return;
  }
  const auto block = static_cast<int64_t>(format.scale.block);
  const bool pins = format.scale.type != ScaleType::kE8M0;
  const float* in = weights_.data_ptr<float>();
  const GlobalScale global = GlobalScaleFor(format, MaxAbsFinite(in, static_cast<size_t>(weights_.numel())));
  scale_ = at::empty_like(weights_);
  pinned_ = at::zeros(weights_.sizes(), at::kBool);
  auto* scale = scale_.data_ptr<float>();
  auto* pinned = pinned_.data_ptr<bool>();
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t begin = row * columns; begin < (row + 1) * columns; begin += block) {
      const int64_t end = std::min(begin + block, (row + 1) * columns);
      const float max_abs = MaxAbs(in + begin, static_cast<size_t>(end - begin));
      std::fill(scale + begin, scale + end, BlockScaleFor(format, max_abs, global).decode);
      const float* largest =
          std::max_element(in + begin, in + end, [](float a, float b) { return std::abs(a) < std::abs(b); });
      pinned[largest - in] = pins;
    }
  }
  if (!pins) pinned_ = at::Tensor();
}

Neighbours WeightGrid::NeighboursOf(const at::Tensor& values, int64_t first) const {
  const at::Tensor scale = scale_.narrow(2, first, values.size(2));
  const at::Tensor units = (values.to(at::kFloat) / scale).contiguous();
  const int64_t last = values_.size(0) - 1;
  const at::Tensor above = at::searchsorted(values_, units, /*out_int32=*/false, /*right=*/true);
  return {.lower = values_.index({(above - 1).clamp(0, last)}) * scale,
          .upper = values_.index({above.clamp(0, last)}) * scale};
}

at::Tensor WeightGrid::Nearest(const at::Tensor& values, int64_t first) const {
  const Neighbours near = NeighboursOf(values, first);
  const at::Tensor plain = values.to(at::kFloat);
  return at::where((plain - near.lower).le(near.upper - plain), near.lower, near.upper);
}

WeightGrid WeightGrid::Permuted(const at::Tensor& order) const {
  WeightGrid grid = *this;
  const at::Tensor index = order.reshape({order.size(0), 1, order.size(1)}).expand_as(weights_);
  grid.weights_ = weights_.gather(2, index);
  grid.scale_ = scale_.gather(2, index);
  if (pinned_.defined()) grid.pinned_ = pinned_.gather(2, index);
  return grid;
}

}  // namespace precis
