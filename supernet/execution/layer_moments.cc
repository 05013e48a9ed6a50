// Unfolded a few images at a time, so that what is unfolded stays small.
#include "supernet/execution/layer_moments.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <variant>

#include "supernet/execution/weight_grid.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr int64_t kMostPositions = 65536;
constexpr int64_t kPositionsAColumn = 16;
constexpr int64_t kSlice = 32;  // images

// {N, C, H, W} as {groups, columns, positions of all images}, of the positions `which`.
at::Tensor Unfolded(const Conv2dNode& conv, const at::Tensor& x, int64_t first, int64_t stride) {
  const Padding& padding = conv.padding;
  const at::Tensor padded =
      at::constant_pad_nd(x, {padding.left, padding.right, padding.top, padding.bottom}, 0).contiguous();
  const at::Tensor all =
      at::im2col(padded, {conv.kernel.height, conv.kernel.width}, {conv.dilation.height, conv.dilation.width},
                 {0, 0}, {conv.stride.height, conv.stride.width});
  const at::Tensor some = all.slice(2, std::min(first, all.size(2) - 1), all.size(2), stride);
  const int64_t taps = conv.kernel.height * conv.kernel.width;
  const int64_t channels = x.size(1) / conv.groups;
  return some.reshape({x.size(0), conv.groups, channels, taps, some.size(2)})
      .permute({1, 3, 2, 0, 4})
      .reshape({conv.groups, taps * channels, -1});
}

}  // namespace

LayerMoments::LayerMoments(const Node& layer, int64_t images, bool cross)
    : layer_(layer), images_(images), wants_cross_(cross) {}

at::Tensor LayerMoments::Columns(const at::Tensor& x, int64_t slice) const {
  const auto* conv = std::get_if<Conv2dNode>(&layer_.op);
  if (conv == nullptr) return x.reshape({1, -1, x.size(-1)}).transpose(1, 2);
  const int64_t columns = x.size(1) / conv->groups * conv->kernel.height * conv->kernel.width;
  const int64_t most = std::max(kMostPositions, kPositionsAColumn * columns);
  // Odd, so that it does not fall on the same columns of every row of an image.
  const int64_t stride = images_ * layer_.shape[1] * layer_.shape[2] / most | 1;
  return Unfolded(*conv, x, slice % stride, stride);
}

void LayerMoments::Add(const at::Tensor& plain, const at::Tensor& rounded) {
  PRECIS_CHECK(plain.sizes() == rounded.sizes());
  for (int64_t begin = 0; begin < rounded.size(0); begin += kSlice, ++slices_) {
    const int64_t count = std::min(kSlice, rounded.size(0) - begin);
    const at::Tensor columns = Columns(rounded.narrow(0, begin, count), slices_);
    const at::Tensor turned = columns.transpose(1, 2);
    const at::Tensor second = at::bmm(columns, turned).to(at::kDouble);
    second_ = second_.defined() ? second_ + second : second;
    positions_ += columns.size(2);
    if (!wants_cross_) continue;
    const at::Tensor cross = at::bmm(Columns(plain.narrow(0, begin, count), slices_), turned).to(at::kDouble);
    cross_ = cross_.defined() ? cross_ + cross : cross;
  }
}

at::Tensor LayerMoments::Second() const { return (second_ / static_cast<double>(positions_)).cpu(); }

at::Tensor LayerMoments::Cross() const {
  return cross_.defined() ? (cross_ / static_cast<double>(positions_)).cpu() : at::Tensor();
}

}  // namespace precis
