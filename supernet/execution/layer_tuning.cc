// The walk.
#include "supernet/execution/layer_tuning.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "supernet/execution/batch_stream.h"
#include "supernet/execution/chunks.h"
#include "supernet/execution/gptq.h"
#include "supernet/execution/layer_moments.h"
#include "supernet/execution/learned_rounding.h"
#include "supernet/execution/run_node.h"
#include "supernet/execution/weight_grid.h"
#include "supernet/formats/check.h"
#include "supernet/graph/node_op.h"

namespace precis {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 29;  // of all images
constexpr int64_t kLargestLive = 8;                  // of an image, in units of the largest output
constexpr int64_t kLeastImages = 32;

// A node's output in both networks.
struct Outputs {
  Chunks plain;
  Chunks rounded;
};

bool IsPlain(const Format& format) { return IsFloat32(format) && format.hadamard == 0; }

// The dimension of channels, batch included: the last of a linear layer's output.
int64_t ChannelDimension(const NodeOp& op, const at::Tensor& y) {
  return std::holds_alternative<LinearNode>(op) ? y.dim() - 1 : 1;
}

class Tuning {
 public:
  Tuning(const Supernet& net, const PostTraining& how, const Assignment& assignment, const TuningNorms& norms)
      : given_(net), how_(how), assignment_(assignment), norms_(norms), tuned_(net.Clone()) {}

  Supernet Run(Chunks images) {
    const ModelGraph& graph = given_.graph();
    images_ = 0;
    for (const at::Tensor& chunk : images) images_ += chunk.size(0);
    values_.resize(graph.nodes().size());
    values_[0] = {images, images};
    for (NodeId id = 1; id <= graph.output(); ++id) {
      const NodeOp& op = graph.node(id).op;
      if (next_layer_ < given_.layer_count() && given_.layers()[next_layer_].node == id) {
        RunLayerNode(id, next_layer_++);
      } else if (const auto* norm = std::get_if<BatchNormNode>(&op)) {
        RunNormNode(id, *norm);
      } else {
        values_[static_cast<size_t>(id)] = RunOther(id);
      }
      for (const NodeId done : given_.walk().LastReadBy(id)) values_[static_cast<size_t>(done)] = {};
    }
    return std::move(tuned_);
  }

 private:
  const Outputs& Input(NodeId node, size_t i = 0) const {
    return values_[static_cast<size_t>(given_.graph().node(node).inputs[i])];
  }

  // Rounded as a counted evaluation does it: under the mean of what the rule finds on the batches.
  Chunks Rounded(size_t operand, const Chunks& chunks) const {
    const OperandRead read = given_.ReadOf(operand, assignment_);
    if (IsPlain(read.format)) return chunks;
    at::Tensor range;
    if (NeedsRange(read.format)) {
      const RangeMethod method = given_.ranges().MethodOf(Operand::kActivation);
      for (const at::Tensor& x : chunks) {
        const at::Tensor found = MeasureRangeAlong(read.axis, x, read.format, method).to(at::kDouble);
        range = range.defined() ? range + found : found;
      }
      range = (range / static_cast<double>(chunks.size())).to(at::kFloat);
    }
    const uint64_t seed = RoundingSeed(/*pass_seed=*/0, read.node, Operand::kActivation);
    return Map(chunks, [&](const at::Tensor& x) {
      return FakeQuantizeAlong(read.axis, x, read.format, {.range = range, .seed = seed});
    });
  }

  // Chooses the layer's weight, if it is to be chosen.
  void ChooseWeight(NodeId id, const Format& format, const Chunks& plain, const Chunks& rounded) {
    const bool learns = how_.Has(Technique::kLearnedRounding);
    if (!(learns || how_.Has(Technique::kGptq)) || IsPlain(format) || !HasGrid(format)) return;
    LayerMoments moments(given_.graph().node(id), images_, learns);
    for (size_t i = 0; i < rounded.size(); ++i) moments.Add(plain[i], rounded[i]);
    const WeightGrid grid(tuned_, id, format);
    if (!grid.weights().isfinite().all().item<bool>()) return;
    const at::Tensor chosen =
        learns ? LearnRounding(grid, moments.Second(), moments.Cross()) : RoundByGptq(grid, moments.Second());
    const at::Tensor& weight = tuned_.Weight(id);
    weight.copy_(FromRows(chosen, weight));
    if (!grid.range().defined()) return;
    // A channel of zeros has no range, and any will do.
    const at::Tensor range = at::where(grid.range().gt(0), grid.range(), at::ones_like(grid.range()));
    tuned_.ranges().Restore({id, Operand::kWeight, format}, range.to(weight.device()));
  }

  void RunLayerNode(NodeId id, size_t layer) {
    const Node& node = given_.graph().node(id);
    const Outputs& in = Input(id);
    Outputs out;
    if (!given_.layers()[layer].HasWeight()) {
      const Outputs& second = Input(id, 1);
      const size_t operand = given_.SecondOperand(layer);
      out.plain = Run(node.op, in.plain, second.plain);
      out.rounded = Run(node.op, Rounded(layer, in.rounded), Rounded(operand, second.rounded));
      values_[static_cast<size_t>(id)] = std::move(out);
      return;
    }
    const Format& format = assignment_.layers[layer].weight;
    const Chunks rounded = Rounded(layer, in.rounded);
    ChooseWeight(id, format, in.plain, rounded);
    const at::Tensor weight = tuned_.QuantizedWeight(id, format, /*pass_seed=*/0);
    const auto run = [&](const Chunks& x, const at::Tensor& w, const at::Tensor& bias) {
      return Map(x, [&](const at::Tensor& chunk) { return RunLayer(node.op, chunk, w, bias); });
    };
    out.plain = run(in.plain, given_.Weight(id), given_.Bias(id));
    if (how_.Has(Technique::kBiasCorrection) &&
        !(IsPlain(format) && IsPlain(assignment_.layers[layer].activation))) {
      const bool learned = how_.Has(Technique::kLearnedRounding);
      const int64_t dimension = ChannelDimension(node.op, out.plain.front());
      const at::Tensor without =
          MeanAlong(run(learned ? rounded : Rounded(layer, in.plain), weight, tuned_.Bias(id)), dimension);
      CorrectBehind(id, (MeanAlong(out.plain, dimension) - without).to(at::kFloat));
    }
    out.rounded = run(rounded, weight, tuned_.Bias(id));
    values_[static_cast<size_t>(id)] = std::move(out);
  }

  static Chunks Run(const NodeOp& product, const Chunks& first, const Chunks& second) {
    Chunks out;
    for (size_t i = 0; i < first.size(); ++i) out.push_back(RunLayer(product, first[i], second[i], {}));
    return out;
  }

  // Adds `shift`, by channel, to what the layer gives: in the batch norm behind it, or in its own bias.
  void CorrectBehind(NodeId layer, const at::Tensor& shift) {
    const NodeId norm = NormBehind(layer);
    if (norm < 0) {
      if (tuned_.Bias(layer).defined()) tuned_.Bias(layer).add_(shift);
      return;
    }
    if (norms_.rounded.relative) return;  // its mean moves along
    const at::Tensor& variance = norms_.rounded.variance[static_cast<size_t>(norm)];
    const double epsilon = std::get<BatchNormNode>(given_.graph().node(norm).op).epsilon;
    tuned_.Bias(norm).add_(shift * tuned_.Weight(norm) * (variance + epsilon).rsqrt());
  }

  // The batch norm that alone reads the node; -1 for none.
  NodeId NormBehind(NodeId id) const {
    if (given_.walk().Readers(id) != 1) return -1;
    for (NodeId next = id + 1; next <= given_.graph().output(); ++next) {
      const Node& node = given_.graph().node(next);
      if (std::find(node.inputs.begin(), node.inputs.end(), id) == node.inputs.end()) continue;
      return std::holds_alternative<BatchNormNode>(node.op) ? next : -1;
    }
    return -1;
  }

  void RunNormNode(NodeId id, const BatchNormNode& norm) {
    const auto at = static_cast<size_t>(id);
    const auto run = [&](const Chunks& chunks, const at::Tensor& mean, const at::Tensor& variance,
                         const Supernet& net) {
      const at::Tensor factor = net.Weight(id) * (variance + norm.epsilon).rsqrt();
      const at::Tensor shift = net.Bias(id) - mean * factor;
      return Map(chunks, [&](const at::Tensor& x) { return x * Along(factor, 1, x) + Along(shift, 1, x); });
    };
    const Outputs& in = Input(id);
    at::Tensor mean = norms_.rounded.mean[at];
    at::Tensor variance = norms_.rounded.variance[at];
    if (norms_.rounded.relative) {
      const at::Tensor found = MeanAlong(in.rounded, 1).to(at::kFloat);
      const Chunks squares =
          Map(in.rounded, [&](const at::Tensor& x) { return (x - Along(found, 1, x)).square(); });
      mean = found + mean;
      variance = MeanAlong(squares, 1).to(at::kFloat) * variance;
    }
    values_[at] = {.plain = run(in.plain, norms_.plain.mean[at], norms_.plain.variance[at], given_),
                   .rounded = run(in.rounded, mean, variance, tuned_)};
  }

  Outputs RunOther(NodeId id) const {
    const Node& node = given_.graph().node(id);
    const auto run = [&](Chunks Outputs::*which) {
      Chunks out;
      for (size_t i = 0; i < (Input(id).*which).size(); ++i) {
        std::vector<at::Tensor> inputs;
        for (size_t j = 0; j < node.inputs.size(); ++j) inputs.push_back((Input(id, j).*which)[i]);
        out.push_back(
            RunPlainNode(node.op, inputs, {given_.Weight(id), given_.Bias(id)}, /*overwrite=*/false));
      }
      return out;
    };
    return {.plain = run(&Outputs::plain), .rounded = run(&Outputs::rounded)};
  }

  const Supernet& given_;
  const PostTraining& how_;
  const Assignment& assignment_;
  const TuningNorms& norms_;
  Supernet tuned_;
  std::vector<Outputs> values_;  // by node
  size_t next_layer_ = 0;
  int64_t images_ = 0;
};

int64_t ImagesThatFit(const ModelGraph& graph) {
  int64_t largest = 1;
  for (const Node& node : graph.nodes()) largest = std::max(largest, ElementCount(node.shape));
  return std::max(kLeastImages, kMostElements / (kLargestLive * largest));
}

}  // namespace

absl::StatusOr<Supernet> TuneLayers(const Supernet& net, const PostTraining& how,
                                    const Assignment& assignment, const TuningNorms& norms,
                                    const TuningImages& images) {
  PRECIS_CHECK(assignment.layers.size() == net.layer_count() && !images.indices.empty() &&
               !norms.plain.relative);
  const c10::NoGradGuard no_gradients;
  const int64_t count = std::min(static_cast<int64_t>(images.indices.size()), ImagesThatFit(net.graph()));
  const int64_t batches = (count + images.batch_size - 1) / images.batch_size;
  BatchStream stream(images.store, EqualParts(images.indices.first(static_cast<size_t>(count)), batches));
  Chunks chunks;
  for (int64_t i = 0; i < batches; ++i) {
    const absl::StatusOr<Batch> batch = stream.Take();
    if (!batch.ok()) return batch.status();
    chunks.push_back(batch->images);
  }
  return Tuning(net, how, assignment, norms).Run(std::move(chunks));
}

}  // namespace precis
