// Which range serves a read.
#include "supernet/execution/operand_cache.h"

#include "supernet/execution/run_node.h"
#include "supernet/quantizers/fake_quantize.h"

namespace precis {

const at::Tensor& OperandCache::MaxAbs(NodeId node, const at::Tensor& value) {
  at::Tensor& max_abs = max_abs_[static_cast<size_t>(node)];
  if (!max_abs.defined()) max_abs = MaxAbsPerTensor(value);
  return max_abs;
}

const at::Tensor& OperandCache::Measured(const OperandRead& read, const at::Tensor& value) {
  const Format& format = read.format;
  if (book_.Learns(Operand::kActivation, format)) {
    const at::Tensor& learned = book_.Find({read.node, Operand::kActivation, format});
    if (learned.defined()) return learned;
  }
  const RangeMethod method = book_.MethodOf(Operand::kActivation);
  if (!NeedsRange(format) || (HasPlainRange(format) && TakesLargest(format, method.rule))) {
    return MaxAbs(read.node, value);
  }
  at::Tensor& range = ranges_[read];
  if (!range.defined()) range = MeasureRangeAlong(read.axis, value, format, method);
  return range;
}

at::Tensor OperandCache::Quantized(const OperandRead& read, const at::Tensor& value) {
  const Format& format = read.format;
  if (IsFloat32(format) && format.hadamard == 0) return value;
  at::Tensor& quantized = quantized_[read];
  if (quantized.defined()) return quantized;
  FakeQuantizeOptions how;
  how.seed = RoundingSeed(pass_seed_, read.node, Operand::kActivation);
  if (NeedsRange(format)) {
    if (averages_ && book_.Averages(Operand::kActivation, format)) {
      how.range = book_.Find({read.node, Operand::kActivation, format});
    }
    if (!how.range.defined()) {
      how.range = Measured(read, value);
      const bool holds_all = HoldsNegatives(format) || read.is_nonnegative;
      if (TakesLargest(format, book_.RuleOf(Operand::kActivation)) && holds_all) {
        how.clipping = Clipping::kNone;
      }
    }
  }
  quantized = FakeQuantizeAlong(read.axis, value, format, how);
  return quantized;
}

void OperandCache::Forget(NodeId node) {
  const auto is_of_node = [node](const auto& entry) { return entry.first.node == node; };
  std::erase_if(quantized_, is_of_node);
  std::erase_if(ranges_, is_of_node);
}

}  // namespace precis
