// What an ONNX node is read from, and what it becomes: constants, or activations of a draft of the graph.
// Internal to the ONNX reader.
//
// An activation is one tensor a batch. Its dimensions in ONNX contain the batch, anywhere: dims[batch_axis]
// is how many entries of that dimension belong to one image, 1 as a rule, T where images and their T tokens
// were merged into one dimension. The draft's nodes have no batch: a batch dimension of 1 is left out there.
//
// Threading: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "supernet/graph/node.h"
#include "supernet/graph/onnx_attributes.h"
#include "supernet/graph/onnx_tensors.h"

namespace precis::onnx_reader {

class Draft;

struct Activation {
  NodeId node = 0;  // of the draft
  std::vector<int64_t> dims;
  int64_t batch_axis = 0;

  int64_t rank() const { return static_cast<int64_t>(dims.size()); }
  int64_t per_image() const { return dims[static_cast<size_t>(batch_axis)]; }
  int64_t dim(int64_t axis) const { return dims[static_cast<size_t>(axis)]; }
  // The shape of the node; {1} if nothing but the batch is left.
  Shape NodeShape() const;
  // The node's dimension; -1 for a batch dimension that it lacks.
  int64_t NodeAxis(int64_t axis) const;
};

// Nothing is what an optional input is that is not there, or what a node gives that could not be read.
using Value = std::variant<std::monostate, TensorPtr, Activation>;

template <typename... Parts>
absl::Status Unsupported(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

// Declares what an expression gives, or returns what went wrong with it.
#define ONNX_TRY(declaration, ...) ONNX_TRY_AT(__LINE__, declaration, __VA_ARGS__)
#define ONNX_TRY_AT(line, declaration, ...) ONNX_TRY_AS(line, declaration, __VA_ARGS__)
#define ONNX_TRY_AS(line, declaration, ...)             \
  auto result##line = (__VA_ARGS__);                    \
  if (!result##line.ok()) return result##line.status(); \
  declaration = *std::move(result##line)

// An axis of a rank, from the end if negative.
absl::StatusOr<int64_t> NormalAxis(int64_t axis, int64_t rank);

// Integers of a constant; INVALID_ARGUMENT if one depends on the batch, or they are floats.
absl::StatusOr<std::vector<int64_t>> PlainInts(const OnnxTensor& tensor);

// One node on its way. Everything it asks for answers INVALID_ARGUMENT with what is wrong, without the node's
// name.
struct OnnxNode {
  std::string op;    // "Conv"
  std::string name;  // a word, of what the node adds to the draft
  int64_t opset = 0;
  int64_t batch = 0;   // the batch that the file is fixed to; 0: free
  size_t outputs = 1;  // up to the last that somebody reads
  size_t declared_outputs = 1;
  OnnxAttributes attributes;
  std::vector<Value> inputs;
  std::vector<std::string> weight_names;  // by input: of an initialiser, or empty
  std::vector<bool> read_here_alone;      // by input
  const ExternalData& external;
  Draft& draft;
  Budget& budget;

  bool Has(size_t input) const {
    return input < inputs.size() && !std::holds_alternative<std::monostate>(inputs[input]);
  }
  absl::StatusOr<Activation> ActivationAt(size_t input) const;
  absl::StatusOr<TensorPtr> ConstantAt(size_t input) const;
  absl::StatusOr<TensorPtr> FloatsAt(size_t input) const;
  // From the attribute, or, as newer opsets have it, the input; nothing if neither is there.
  absl::StatusOr<std::optional<std::vector<int64_t>>> IntsAt(const char* attribute, size_t input);
  absl::StatusOr<double> ScalarAt(size_t input, double otherwise) const;
};

}  // namespace precis::onnx_reader
