// Node: one operation of a ModelGraph with its attributes, its inputs, and the shape of what it gives.
//
// Shapes leave the batch dimension out: an image is {channels, height, width}, a vector {features}, tokens
// are {tokens, features}, what heads of attention work on {heads, tokens, features or tokens}. Which of them
// an operation takes is said beside it; where it does not matter, "any".
//
// Threading: values; concurrent const access is safe.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace precis {

using NodeId = int32_t;
using Shape = std::vector<int64_t>;

// Along both sides of an image. One number stands for both.
struct Extent {
  // NOLINTNEXTLINE(google-explicit-constructor): so that kernel = 3 is a square kernel.
  Extent(int64_t both) : height(both), width(both) {}
  Extent(int64_t down, int64_t across) : height(down), width(across) {}

  int64_t height;
  int64_t width;

  bool operator==(const Extent&) const = default;
};

// What is put around an image. One number stands for all four edges, two for top and bottom, left and right.
struct Padding {
  // NOLINTNEXTLINE(google-explicit-constructor): so that padding = 1 is one pixel all around.
  Padding(int64_t all) : top(all), left(all), bottom(all), right(all) {}
  Padding(int64_t vertical, int64_t horizontal)
      : top(vertical), left(horizontal), bottom(vertical), right(horizontal) {}
  Padding(int64_t t, int64_t l, int64_t b, int64_t r) : top(t), left(l), bottom(b), right(r) {}

  int64_t top;
  int64_t left;
  int64_t bottom;
  int64_t right;

  bool operator==(const Padding&) const = default;
  bool IsSymmetric() const { return top == bottom && left == right; }
};

struct InputNode {};

// Image -> image. Cross-correlation, zero padding; weight {out_channels, in_channels / groups, height, width}
// of the kernel.
struct Conv2dNode {
  int64_t out_channels = 0;
  Extent kernel = 1;
  Extent stride = 1;
  Padding padding = 0;
  Extent dilation = 1;
  int64_t groups = 1;
  bool bias = false;

  bool operator==(const Conv2dNode&) const = default;
};

// y = x·Wᵀ + b on a vector, or on each token by itself; weight {out_features, in_features}.
struct LinearNode {
  int64_t out_features = 0;
  bool bias = true;

  bool operator==(const LinearNode&) const = default;
};

// {…, M, K} and {…, K, N} -> {…, M, N}, two or three dimensions; with transpose_second the second operand
// is {…, N, K}. A product of two activations.
struct MatMulNode {
  bool transpose_second = false;
};

// Image or vector; over channels, affine.
struct BatchNormNode {
  double epsilon = 1e-5;
};

// Any; over the last dimension, biased variance, affine unless it is said not to be.
struct LayerNormNode {
  double epsilon = 1e-5;
  bool affine = true;
};

enum class ActivationKind {
  kRelu,
  kRelu6,
  kSigmoid,
  kSilu,         // x · sigmoid(x)
  kHardSigmoid,  // clamp(x / 6 + 1/2, 0, 1)
  kHardSwish,    // x · hard_sigmoid(x)
  kGelu,         // x · Φ(x), Φ by the error function, not by tanh
  kTanh,
  kLeakyRelu,  // x < 0: alpha · x
  kElu,        // x < 0: alpha · (exp(x) - 1)
  kClip,       // clamp(x, alpha, beta)
  kPower,      // x to the power of alpha
  kErf,        // the error function
  kExp,
  kSoftplus,  // log(1 + exp(x))
};
struct ActivationNode {
  ActivationKind kind = ActivationKind::kRelu;
  double alpha = 0;  // of those whose formula has it, finite; 0 for all others
  double beta = 0;   // of kClip, no less than alpha
};

struct SoftmaxNode {};  // any; over the last dimension

// Any; elementwise sum of two inputs of as many dimensions. One of size 1 is repeated to the other's size.
struct AddNode {};

// Elementwise product; of what an addition takes, or of an image and a vector with a factor a channel.
struct MultiplyNode {};

// Any; times a constant, plus another. Both are finite.
struct ScaleNode {
  double factor = 1;
  double offset = 0;
};

// Any; times, or plus, a trained tensor of that shape, which has as many dimensions as the input. Of the two,
// a dimension of size 1 is repeated to the other's size.
struct GainNode {
  Shape shape;
};
struct OffsetNode {
  Shape shape;
};

// Image -> image. Padding never wins the maximum.
struct MaxPoolNode {
  Extent kernel = 2;
  Extent stride = 2;
  Padding padding = 0;
  Extent dilation = 1;
};

// Image -> image. The mean of the window; padding counts as zeros if so asked, else not at all.
struct AveragePoolNode {
  Extent kernel = 2;
  Extent stride = 2;
  Padding padding = 0;
  bool count_include_pad = false;
};

struct GlobalAveragePoolNode {};  // {C, H, W} -> {C}

// Any; the mean along these dimensions, which rise and stay, with size 1.
struct MeanNode {
  std::vector<int64_t> axes;
};

// Two or more inputs of one shape but for the dimension along which they are joined.
struct ConcatNode {
  int64_t axis = 0;
};

// Any; the same elements in the same row-major order.
struct ReshapeNode {
  Shape shape;
};

// Any; dimension i of the output is dimension permutation[i] of the input.
struct TransposeNode {
  std::vector<int64_t> permutation;
};

// Any; the part [begin, end) of one dimension, or every step-th element of it.
struct SliceNode {
  int64_t axis = 0;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t step = 1;
};

// Any; a constant, which is finite, put before and after: one entry a dimension.
struct PadNode {
  std::vector<int64_t> before;
  std::vector<int64_t> after;
  double value = 0;
};

// Any; along one dimension, the values at these positions, from 0 to its size - 1. A position between two
// elements takes from both by its distance.
struct SampleNode {
  int64_t axis = 0;
  std::vector<double> positions;
};

// Any of two dimensions or more; one index of one dimension, which goes away: a token of many.
struct SelectNode {
  int64_t axis = 0;
  int64_t index = 0;
};

// {T, F} -> {1 + T, F}: a trained token, weight {1, F}, before the others.
struct ClassTokenNode {};

// Any; plus a trained tensor of the same shape.
struct PositionEmbeddingNode {};

using NodeOp =
    std::variant<InputNode, Conv2dNode, LinearNode, MatMulNode, BatchNormNode, LayerNormNode, ActivationNode,
                 SoftmaxNode, AddNode, MultiplyNode, ScaleNode, MaxPoolNode, AveragePoolNode,
                 GlobalAveragePoolNode, ConcatNode, ReshapeNode, TransposeNode, SliceNode, SelectNode,
                 ClassTokenNode, PositionEmbeddingNode, GainNode, OffsetNode, MeanNode, PadNode, SampleNode>;

struct Node {
  std::string name;  // unique, path-like: "stage2.block0.conv1"; names parameters and exports
  NodeOp op;
  std::vector<NodeId> inputs;  // ids below this node's own
  Shape shape;                 // of the output
  std::string group = {};      // of a layer: those of one group take their formats together; or empty
};

}  // namespace precis
