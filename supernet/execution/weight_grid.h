// WeightGrid: the values that the weights of a layer can take in a format, for those who choose among them.
// Internal to supernet/execution.
//
// Weights are rows here: {groups, rows, columns}, rows being the output channels of a group of a convolution
// (one group for other layers), and columns the products that a row sums, in the order in which formats see
// them: kernel row, kernel column, input channel.
//
// Scales are those that nearest rounding of the weights as they are would have. They stay while values are
// chosen, and must be found again from what was chosen, since nobody stores them: ranges are kept
// (RangeBook), and a block whose scale is no power of two keeps the code of its largest weight (`pinned`).
// Scales that are powers of two take care of themselves: one found smaller holds all values of the larger
// one.
//
// Threading: values; pure functions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "supernet/execution/supernet.h"

namespace precis {

at::Tensor ToRows(const at::Tensor& weight, int64_t groups);
// Of the shape and memory format of `like`.
at::Tensor FromRows(const at::Tensor& rows, const at::Tensor& like);

// Groups of a layer with a weight.
int64_t WeightGroups(const NodeOp& op);

// Whether weights in the format have a grid to choose on: 8 bits at most, to nearest, no rotation (whose grid
// is that of sums of weights) and no zero point. All others keep nearest rounding.
bool HasGrid(const Format& format);

struct Neighbours {
  at::Tensor lower;  // the largest value of the grid that is no larger; at its ends, the end
  at::Tensor upper;  // likewise, the next one: lower <= upper, and equal only at an end
};

class WeightGrid {
 public:
  // Of the layer's weights as they are, on the CPU. The format has a grid (checked).
  WeightGrid(const Supernet& net, NodeId layer, const Format& format);

  // Of values {groups, rows, n} that stand in columns [first, first + n); in units of their scales' values,
  // FP32.
  Neighbours NeighboursOf(const at::Tensor& values, int64_t first) const;
  // The nearer neighbour.
  at::Tensor Nearest(const at::Tensor& values, int64_t first) const;

  // The same grid with the columns in another order.
  WeightGrid Permuted(const at::Tensor& order) const;

  const at::Tensor& weights() const { return weights_; }  // {groups, rows, columns}, as they were
  const at::Tensor& pinned() const { return pinned_; }    // bool, likewise; undefined for none
  // To be kept with what is chosen; undefined where blocks, or nothing, decide the scale.
  const at::Tensor& range() const { return range_; }

 private:
  at::Tensor weights_;
  at::Tensor scale_;   // {groups, rows, columns}
  at::Tensor values_;  // of the element, rising
  at::Tensor pinned_;
  at::Tensor range_;
};

}  // namespace precis
