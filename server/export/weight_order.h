// WeightOrder: where the elements of a weight lie in its tensor {outputs, inputs, positions …}.
//
// Formats with blocks, and rotations, see a row of a weight position by position, the inputs of one position
// beside each other: {outputs, positions …, inputs}, channels last. Others take the tensor's own order.
//
// Threading: immutable.
#pragma once

#include <cstddef>

#include "supernet/graph/weight_file.h"

namespace precis::server {

class WeightOrder {
 public:
  WeightOrder(const WeightTensor& tensor, bool channels_last)
      : outputs_(static_cast<size_t>(tensor.shape[0])),
        inputs_(static_cast<size_t>(tensor.shape[1])),
        positions_(tensor.values.size() / outputs_ / inputs_),
        channels_last_(channels_last) {}

  size_t row_size() const { return inputs_ * positions_; }  // elements of one output

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

}  // namespace precis::server
