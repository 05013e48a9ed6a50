// OperandCache: the activations of one pass as its layers read them: measured once, quantised once for all
// layers that read one tensor in one format. Internal to supernet/execution.
//
// Threading: not thread-safe; one a pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "supernet/execution/range_book.h"
#include "supernet/formats/format.h"
#include "supernet/graph/model_graph.h"

namespace precis {

// A read of a node's output: in a format, whose blocks and rotations run along `axis` of the tensor.
struct OperandRead {
  NodeId node = 0;
  int64_t axis = 1;
  Format format;
  bool is_nonnegative = false;  // whether the tensor is known to hold nothing below 0

  bool operator<(const OperandRead& other) const {
    return std::tie(node, axis, format) < std::tie(other.node, other.axis, other.format);
  }
};

class OperandCache {
 public:
  // `book` must outlive this object. averages: whether moving averages serve as ranges where there are any.
  OperandCache(size_t node_count, const RangeBook& book, bool averages, uint64_t pass_seed)
      : book_(book), averages_(averages), pass_seed_(pass_seed), max_abs_(node_count) {}

  // max|value| of the node's output, for one who knows it already; it is measured when needed otherwise.
  void SetMaxAbs(NodeId node, const at::Tensor& max_abs) { max_abs_[static_cast<size_t>(node)] = max_abs; }

  // The learned range if there is one, else what the rule finds on `value`, the node's output. max|value|,
  // shape {}, for a format without range. The reference is good until the next call.
  const at::Tensor& Measured(const OperandRead& read, const at::Tensor& value);

  at::Tensor Quantized(const OperandRead& read, const at::Tensor& value);

  void Forget(NodeId node);

 private:
  const at::Tensor& MaxAbs(NodeId node, const at::Tensor& value);

  const RangeBook& book_;
  const bool averages_;
  const uint64_t pass_seed_;
  std::vector<at::Tensor> max_abs_;  // by node
  std::map<OperandRead, at::Tensor> ranges_;
  std::map<OperandRead, at::Tensor> quantized_;
};

// Of stochastic rounding, of a tensor in a pass: the weight of a node, or its output as a layer reads it.
inline uint64_t RoundingSeed(uint64_t pass_seed, NodeId node, Operand operand) {
  return pass_seed + 2 * static_cast<uint64_t>(node) + (operand == Operand::kActivation ? 1 : 0);
}

}  // namespace precis
