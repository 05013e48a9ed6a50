// Operations as text.
#include <charconv>
#include <string>

#include "absl/strings/str_join.h"
#include "supernet/formats/check.h"
#include "supernet/graph/node_op.h"

namespace precis {
namespace {

// The shortest that reads back as the same number.
std::string NumberText(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), value);
  PRECIS_CHECK(error == std::errc());
  return {text, end};
}

std::string ConvText(const Conv2dNode& conv) {
  std::string text =
      absl::StrCat("conv2d out_channels=", conv.out_channels, " kernel=", ExtentText(conv.kernel),
                   " stride=", ExtentText(conv.stride), " padding=", PaddingText(conv.padding),
                   " groups=", conv.groups, " bias=", conv.bias ? 1 : 0);
  if (conv.dilation != Extent(1)) absl::StrAppend(&text, " dilation=", ExtentText(conv.dilation));
  return text;
}

std::string NormText(const char* kind, double epsilon) {
  return epsilon == 1e-5 ? kind : absl::StrCat(kind, " epsilon=", NumberText(epsilon));
}

std::string ActivationText(const ActivationNode& activation) {
  switch (activation.kind) {
    case ActivationKind::kRelu:
      return "relu";
    case ActivationKind::kRelu6:
      return "relu6";
    case ActivationKind::kSigmoid:
      return "sigmoid";
    case ActivationKind::kSilu:
      return "silu";
    case ActivationKind::kHardSigmoid:
      return "hard_sigmoid";
    case ActivationKind::kHardSwish:
      return "hard_swish";
    case ActivationKind::kGelu:
      return "gelu";
    case ActivationKind::kTanh:
      return "tanh";
    case ActivationKind::kLeakyRelu:
      return absl::StrCat("leaky_relu alpha=", NumberText(activation.alpha));
    case ActivationKind::kElu:
      return absl::StrCat("elu alpha=", NumberText(activation.alpha));
    case ActivationKind::kClip:
      return absl::StrCat("clip alpha=", NumberText(activation.alpha), " beta=", NumberText(activation.beta));
    case ActivationKind::kPower:
      return absl::StrCat("power alpha=", NumberText(activation.alpha));
    case ActivationKind::kErf:
      return "erf";
    case ActivationKind::kExp:
      return "exp";
    case ActivationKind::kSoftplus:
      return "softplus";
  }
  PRECIS_CHECK(false);
}

template <typename PoolNode>
std::string PoolText(const char* kind, const PoolNode& pool) {
  return absl::StrCat(kind, " kernel=", ExtentText(pool.kernel), " stride=", ExtentText(pool.stride),
                      " padding=", PaddingText(pool.padding));
}

std::string ScaleText(const ScaleNode& scale) {
  std::string text = absl::StrCat("scale factor=", NumberText(scale.factor));
  if (scale.offset != 0) absl::StrAppend(&text, " offset=", NumberText(scale.offset));
  return text;
}

std::string SliceText(const SliceNode& slice) {
  std::string text = absl::StrCat("slice axis=", slice.axis, " begin=", slice.begin, " end=", slice.end);
  if (slice.step != 1) absl::StrAppend(&text, " step=", slice.step);
  return text;
}

std::string SampleText(const SampleNode& sample) {
  const auto append = [](std::string* text, double position) { absl::StrAppend(text, NumberText(position)); };
  return absl::StrCat("sample axis=", sample.axis,
                      " positions=", absl::StrJoin(sample.positions, ",", append));
}

}  // namespace

std::string OpText(const NodeOp& op) {
  using Text = std::string;
  return std::visit(
      Overloaded{
          [](const InputNode&) -> Text { return "input"; },
          [](const Conv2dNode& conv) { return ConvText(conv); },
          [](const LinearNode& linear) {
            return absl::StrCat("linear out_features=", linear.out_features, " bias=", linear.bias ? 1 : 0);
          },
          [](const MatMulNode& product) {
            return absl::StrCat("matmul transpose_second=", product.transpose_second ? 1 : 0);
          },
          [](const BatchNormNode& norm) { return NormText("batch_norm", norm.epsilon); },
          [](const LayerNormNode& norm) {
            return absl::StrCat(NormText("layer_norm", norm.epsilon), norm.affine ? "" : " affine=0");
          },
          [](const ActivationNode& activation) { return ActivationText(activation); },
          [](const SoftmaxNode&) -> Text { return "softmax"; },
          [](const AddNode&) -> Text { return "add"; },
          [](const MultiplyNode&) -> Text { return "multiply"; },
          [](const ScaleNode& scale) { return ScaleText(scale); },
          [](const MaxPoolNode& pool) {
            const bool plain = pool.dilation == Extent(1);
            return absl::StrCat(PoolText("max_pool", pool),
                                plain ? "" : " dilation=", plain ? "" : ExtentText(pool.dilation));
          },
          [](const AveragePoolNode& pool) {
            return absl::StrCat(PoolText("average_pool", pool),
                                " count_include_pad=", pool.count_include_pad ? 1 : 0);
          },
          [](const GlobalAveragePoolNode&) -> Text { return "global_average_pool"; },
          [](const ConcatNode& concat) { return absl::StrCat("concat axis=", concat.axis); },
          [](const ReshapeNode&) -> Text { return "reshape"; },
          [](const TransposeNode& transpose) {
            return absl::StrCat("transpose permutation=", absl::StrJoin(transpose.permutation, ","));
          },
          [](const SliceNode& slice) { return SliceText(slice); },
          [](const SelectNode& select) {
            return absl::StrCat("select axis=", select.axis, " index=", select.index);
          },
          [](const ClassTokenNode&) -> Text { return "class_token"; },
          [](const PositionEmbeddingNode&) -> Text { return "position_embedding"; },
          [](const GainNode& gain) { return absl::StrCat("gain shape=", ShapeText(gain.shape)); },
          [](const OffsetNode& offset) { return absl::StrCat("offset shape=", ShapeText(offset.shape)); },
          [](const MeanNode& mean) { return absl::StrCat("mean axes=", absl::StrJoin(mean.axes, ",")); },
          [](const PadNode& pad) {
            return absl::StrCat("pad before=", absl::StrJoin(pad.before, ","),
                                " after=", absl::StrJoin(pad.after, ","), " value=", NumberText(pad.value));
          },
          [](const SampleNode& sample) { return SampleText(sample); },
      },
      op);
}

std::string ExtentText(const Extent& extent) {
  if (extent.height == extent.width) return absl::StrCat(extent.height);
  return absl::StrCat(extent.height, "x", extent.width);
}

std::string PaddingText(const Padding& padding) {
  if (padding == Padding(padding.top)) return absl::StrCat(padding.top);
  if (padding.IsSymmetric()) return absl::StrCat(padding.top, "x", padding.left);
  return absl::StrJoin({padding.top, padding.left, padding.bottom, padding.right}, ",");
}

std::string ShapeText(const Shape& shape) { return absl::StrJoin(shape, "x"); }

}  // namespace precis
