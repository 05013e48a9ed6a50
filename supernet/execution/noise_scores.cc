// One pass for all options: a layer in another format needs the layer's inputs only.
#include "supernet/execution/noise_scores.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>
#include <vector>

#include "supernet/execution/batch_stream.h"
#include "supernet/execution/operand_cache.h"
#include "supernet/execution/run_node.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

// A layer as it ran, before its operands were quantised.
struct LayerRun {
  at::Tensor x;
  at::Tensor second;  // of a product; undefined where the layer has a weight
  at::Tensor y;
};

class LayerRuns : public LayerObserver {
 public:
  void OnLayer(size_t /*layer*/, const at::Tensor& x, const at::Tensor& second,
               const at::Tensor& y) override {
    runs.push_back({x.detach(), second.defined() ? second.detach() : at::Tensor(), y});
  }
  std::vector<LayerRun> runs;  // by layer
};

at::Tensor SumOfSquares(const at::Tensor& x) { return x.to(at::kDouble).square().sum(); }

// Noise over signal; 0 where there is neither.
at::Tensor NoiseShare(const at::Tensor& x, const at::Tensor& quantized) {
  const at::Tensor noise = SumOfSquares(x - quantized);
  return at::where(noise.eq(0), at::zeros_like(noise), noise / SumOfSquares(x));
}

class NoiseMeter {
 public:
  NoiseMeter(const Supernet& net, NoiseMeasure measure, const Assignment& base, const LayerOptions& options)
      : net_(net), measure_(measure), base_(base), options_(options) {
    for (const std::vector<LayerFormats>& each : options) sums_.emplace_back(each.size());
  }

  void Add(const Batch& batch) {
    LayerRuns seen;
    std::vector<at::Tensor> slopes;
    {
      const c10::AutoGradMode gradients(measure_ == NoiseMeasure::kFisher);
      const at::Tensor logits = net_.Forward(batch.images, base_, {.layers = &seen});
      if (measure_ == NoiseMeasure::kFisher) {
        std::vector<at::Tensor> outputs;
        for (const LayerRun& run : seen.runs) outputs.push_back(run.y);
        // Of the sum, so that what an image's outputs get is the gradient of its own loss.
        const at::Tensor loss = at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Sum);
        slopes = torch::autograd::grad({loss}, outputs);
      }
    }
    const c10::NoGradGuard no_gradients;
    const int64_t count = batch.labels.size(0);
    for (size_t layer = 0; layer < seen.runs.size(); ++layer) {
      const at::Tensor slope = slopes.empty() ? at::Tensor() : std::exchange(slopes[layer], {});
      AddLayer(layer, std::exchange(seen.runs[layer], {}), slope, static_cast<double>(count));
    }
    images_ += count;
  }

  LayerScores Fetch() const {
    LayerScores scores;
    for (const std::vector<at::Tensor>& layer : sums_) {
      scores.emplace_back();
      for (const at::Tensor& sum : layer) {
        scores.back().push_back(sum.item<double>() / static_cast<double>(images_));
      }
    }
    return scores;
  }

 private:
  // `images` in the batch.
  void AddLayer(size_t layer, const LayerRun& run, const at::Tensor& slope, double images) {
    const Layer& which = net_.layers()[layer];
    const NodeOp& op = net_.graph().node(which.node).op;
    const at::Tensor& second = which.HasWeight() ? net_.Weight(which.node) : run.second;
    const at::Tensor plain = slope.defined() ? RunLayer(op, run.x, second, {}) : at::Tensor();
    OperandCache cache(net_.graph().nodes().size(), net_.ranges(), /*averages=*/true, /*pass_seed=*/0);
    Assignment assignment = base_;
    for (size_t o = 0; o < options_[layer].size(); ++o) {
      assignment.layers[layer] = options_[layer][o];
      const at::Tensor x = cache.Quantized(net_.ReadOf(layer, assignment), run.x);
      const at::Tensor rounded =
          which.HasWeight() ? net_.QuantizedWeight(which.node, assignment.layers[layer].weight, 0)
                            : cache.Quantized(net_.ReadOf(net_.SecondOperand(layer), assignment), second);
      at::Tensor& sum = sums_[layer][o];
      const at::Tensor term = slope.defined()
                                  ? SumOfSquares((RunLayer(op, x, rounded, {}) - plain) * slope) / 2
                                  : (NoiseShare(run.x, x) + NoiseShare(second, rounded)) * images;
      sum = sum.defined() ? sum + term : term;
    }
  }

  const Supernet& net_;
  const NoiseMeasure measure_;
  const Assignment& base_;
  const LayerOptions& options_;
  std::vector<std::vector<at::Tensor>> sums_;  // over images
  int64_t images_ = 0;
};

}  // namespace

absl::StatusOr<LayerScores> MeasureNoise(const Supernet& net, NoiseMeasure measure, const Assignment& base,
                                         const LayerOptions& options, const ImageStore& images,
                                         std::span<const int64_t> indices, int64_t batch_size) {
  PRECIS_CHECK(options.size() == net.layer_count() && !indices.empty());
  NoiseMeter meter(net, measure, base, options);
  const absl::Status read =
      ForEachBatch(images, indices, batch_size, [&](const Batch& batch) { meter.Add(batch); });
  if (!read.ok()) return read;
  return meter.Fetch();
}

}  // namespace precis
