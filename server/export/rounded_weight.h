// A weight as its format has it: element by element, in the order in which the format sees it.
//
// Formats with blocks, and rotations, see a row of a weight {outputs, inputs, positions …} position by
// position, the inputs of one position beside each other: {outputs, positions …, inputs}, channels last.
// Others may be taken in the tensor's own order. A row is one output.
//
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <vector>

#include "server/export/layer_scales.h"
#include "supernet/formats/format.h"
#include "supernet/graph/weight_file.h"

namespace precis::server {

class WeightOrder {
 public:
  WeightOrder(const WeightTensor& tensor, bool channels_last);
  // Channels last where the format needs it.
  WeightOrder(const WeightTensor& tensor, const Format& format);

  bool channels_last() const { return channels_last_; }
  size_t row_size() const { return inputs_ * positions_; }

  // Where element i of the order is in the tensor.
  size_t operator[](size_t i) const {
    if (!channels_last_) return i;
    const size_t in_row = i % row_size();
    return i / row_size() * row_size() + in_row % inputs_ * positions_ + in_row / inputs_;
  }

 private:
  size_t outputs_;
  size_t inputs_;
  size_t positions_;
  bool channels_last_;
};

// The tensor's values in an order, which is one that the format takes, rotated if it rotates.
std::vector<float> ValuesInOrder(const WeightTensor& tensor, const WeightOrder& order, const Format& format);

struct RoundedElement {
  double value = 0;  // the element's, zero point included
  float scale = 1;
  int zero_point = 0;

  float Dequantized() const { return static_cast<float>(value - zero_point) * scale; }
};

// `values` of ValuesInOrder, rounded to the nearest. `scales` are ComputeScales' of this tensor.
std::vector<RoundedElement> RoundWeight(const Format& format, const LayerScales& scales,
                                        const std::vector<float>& values, size_t row_size);

}  // namespace precis::server
