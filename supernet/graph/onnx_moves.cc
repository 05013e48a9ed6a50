// Elements of constants by stride, and shapes that follow from shapes.
#include <algorithm>

#include "supernet/graph/onnx_constants.h"

namespace precis::onnx_reader {

std::vector<int64_t> StridesOf(const std::vector<int64_t>& dims) {
  std::vector<int64_t> strides(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * std::max<int64_t>(dims[i], 1);
  return strides;
}

absl::StatusOr<OnnxTensor> Strided(const OnnxTensor& from, std::vector<int64_t> dims,
                                   const std::vector<int64_t>& strides, int64_t base, Budget& budget) {
  const std::optional<int64_t> count = CountElements(dims);
  if (!count.has_value()) return Unsupported("a result that is too large");
  if (absl::Status status = budget.Spend(*count); !status.ok()) return status;
  OnnxTensor out{.dims = std::move(dims), .is_float = from.is_float, .floats = {}, .ints = {}};
  std::vector<int64_t> index(out.dims.size(), 0);
  int64_t at = base;
  for (int64_t i = 0; i < *count; ++i) {
    if (from.is_float) {
      out.floats.push_back(from.floats[static_cast<size_t>(at)]);
    } else {
      out.ints.push_back(from.ints[static_cast<size_t>(at)]);
    }
    for (size_t d = index.size(); d-- > 0;) {
      at += strides[d];
      if (++index[d] < out.dims[d]) break;
      at -= strides[d] * out.dims[d];
      index[d] = 0;
    }
  }
  return out;
}

absl::StatusOr<OnnxTensor> Transposed(const OnnxTensor& from, const std::vector<int64_t>& permutation,
                                      Budget& budget) {
  std::vector<int64_t> sorted = permutation;
  std::sort(sorted.begin(), sorted.end());
  bool permutes = sorted.size() == from.dims.size();
  for (size_t i = 0; i < sorted.size(); ++i) permutes &= sorted[i] == static_cast<int64_t>(i);
  if (!permutes) return Unsupported("a permutation that does not fit the input");
  const std::vector<int64_t> all = StridesOf(from.dims);
  std::vector<int64_t> dims;
  std::vector<int64_t> strides;
  for (const int64_t axis : permutation) {
    dims.push_back(from.dims[static_cast<size_t>(axis)]);
    strides.push_back(all[static_cast<size_t>(axis)]);
  }
  return Strided(from, dims, strides, 0, budget);
}

absl::StatusOr<OnnxTensor> BroadcastTo(const OnnxTensor& from, const std::vector<int64_t>& dims,
                                       Budget& budget) {
  if (from.dims.size() > dims.size()) return Unsupported("a shape with fewer dimensions");
  const size_t missing = dims.size() - from.dims.size();
  const std::vector<int64_t> own = StridesOf(from.dims);
  std::vector<int64_t> strides(dims.size(), 0);
  for (size_t i = 0; i < from.dims.size(); ++i) {
    if (from.dims[i] != 1 && from.dims[i] != dims[missing + i])
      return Unsupported("a shape that does not fit");
    strides[missing + i] = from.dims[i] == 1 ? 0 : own[i];
  }
  return Strided(from, dims, strides, 0, budget);
}

SliceRange SliceOf(int64_t size, int64_t start, int64_t end, int64_t step) {
  const auto bounded = [size](int64_t at, int64_t lowest, int64_t highest) {
    if (at < 0) at = std::max(at, -size - 1) + size;
    return std::clamp(at, lowest, highest);
  };
  const int64_t stride = std::clamp(step, -(int64_t{1} << 40), int64_t{1} << 40);
  const int64_t from = step > 0 ? bounded(start, 0, size) : bounded(start, -1, size - 1);
  const int64_t to = step > 0 ? bounded(end, 0, size) : bounded(end, -1, size - 1);
  const int64_t span = step > 0 ? to - from : from - to;
  const int64_t count = span > 0 ? (span - 1) / std::abs(stride) + 1 : 0;
  if (count == 0) return {0, 1, 0};
  return {from, count == 1 ? 1 : stride, count};  // no product with a step that is not taken
}

absl::StatusOr<std::vector<int64_t>> ReshapedDims(const std::vector<int64_t>& from,
                                                  const std::vector<int64_t>& asked, bool allow_zero) {
  std::vector<int64_t> dims = asked;
  int64_t open = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && !allow_zero) {
      if (i >= from.size()) return Unsupported("a 0 in the shape that copies nothing");
      dims[i] = from[i];
    }
    if (dims[i] != -1) continue;
    if (open >= 0) return Unsupported("more than one -1 in the shape");
    open = static_cast<int64_t>(i);
    dims[i] = 1;
  }
  const std::optional<int64_t> have = CountElements(from);
  const std::optional<int64_t> others = CountElements(dims);
  if (!have.has_value() || !others.has_value()) return Unsupported("a shape that no tensor has");
  if (open >= 0) {
    if (*others == 0 || *have % *others != 0)
      return Unsupported("a -1 in the shape that stands for no number");
    dims[static_cast<size_t>(open)] = *have / *others;
  }
  return dims;
}

std::optional<std::vector<int64_t>> BroadcastDims(const std::vector<int64_t>& a,
                                                  const std::vector<int64_t>& b) {
  if (a.size() < b.size()) return BroadcastDims(b, a);
  std::vector<int64_t> dims = a;
  const size_t missing = a.size() - b.size();
  for (size_t i = 0; i < b.size(); ++i) {
    int64_t& dimension = dims[missing + i];
    if (dimension == 1) {
      dimension = b[i];
    } else if (b[i] != 1 && b[i] != dimension) {
      return std::nullopt;
    }
  }
  return dims;
}

}  // namespace precis::onnx_reader
