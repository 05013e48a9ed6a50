// Moments are summed in double: mean and mean square over all images follow exactly from each batch's.
#include "supernet/execution/calibration.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <variant>

#include "supernet/execution/batch_stream.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

class Collector : public ForwardObserver {
 public:
  explicit Collector(const Supernet& net)
      : graph_(net.graph()),
        mean_(graph_.nodes().size()),
        mean_square_(graph_.nodes().size()),
        ranges_(net.operands().size()) {}

  void StartBatch(double share) { share_ = share; }

  void OnOperand(size_t operand, const at::Tensor& range) override {
    Accumulate(ranges_[operand], range.to(at::kDouble));
  }

  void OnBatchNorm(NodeId node, const at::Tensor& mean, const at::Tensor& inverse_deviation) override {
    const at::Tensor batch_mean = mean.to(at::kDouble);
    const double epsilon = std::get<BatchNormNode>(graph_.node(node).op).epsilon;
    const at::Tensor variance = inverse_deviation.to(at::kDouble).pow(-2).sub(epsilon).clamp_min(0);
    Accumulate(mean_[static_cast<size_t>(node)], batch_mean * share_);
    Accumulate(mean_square_[static_cast<size_t>(node)], (variance + batch_mean.square()) * share_);
  }

  Calibration Finish(double batches) const {
    Calibration calibration;
    calibration.mean.resize(mean_.size());
    calibration.variance.resize(mean_.size());
    for (size_t node = 0; node < mean_.size(); ++node) {
      if (!mean_[node].defined()) continue;
      calibration.mean[node] = mean_[node].to(at::kFloat);
      calibration.variance[node] = (mean_square_[node] - mean_[node].square()).clamp_min(0).to(at::kFloat);
    }
    for (const at::Tensor& sum : ranges_) {
      calibration.activation_ranges.push_back((sum / batches).to(at::kFloat));
    }
    return calibration;
  }

 private:
  static void Accumulate(at::Tensor& sum, const at::Tensor& term) { sum = sum.defined() ? sum + term : term; }

  const ModelGraph& graph_;
  double share_ = 0;  // of the batch in all images
  std::vector<at::Tensor> mean_;
  std::vector<at::Tensor> mean_square_;
  std::vector<at::Tensor> ranges_;
};

}  // namespace

absl::StatusOr<Calibration> Calibrate(const Supernet& net, const Assignment& assignment,
                                      const ImageStore& images, std::span<const int64_t> indices,
                                      int64_t batch_size, const NormStatistics* norms) {
  const auto total = static_cast<int64_t>(indices.size());
  PRECIS_CHECK(total > 0 && batch_size > 0);
  const c10::NoGradGuard no_gradients;
  const int64_t batches = (total + batch_size - 1) / batch_size;
  Collector collector(net);
  BatchStream stream(images, EqualParts(indices, batches));
  for (int64_t i = 0; i < batches; ++i) {
    const absl::StatusOr<Batch> batch = stream.Take();
    if (!batch.ok()) return batch.status();
    collector.StartBatch(static_cast<double>(batch->labels.size(0)) / static_cast<double>(total));
    net.Forward(batch->images, assignment, {.norms = norms, .observer = &collector, .averages = false});
  }
  return collector.Finish(static_cast<double>(batches));
}

}  // namespace precis
