// What the oracle does to weights that are not trained.
#include <ATen/ATen.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "supernet/execution/channel_groups.h"
#include "supernet/execution/equalization.h"
#include "supernet/execution/layer_tuning.h"
#include "supernet/execution/supernet_oracle.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr int64_t kMostKept = int64_t{1} << 28;  // parameters of all tuned networks that are kept: 1 GiB

// max|x| of what layers read, by channel, over batches.
class ChannelRanges : public LayerObserver {
 public:
  explicit ChannelRanges(const Supernet& net) : net_(net), ranges_(net.layer_count()) {}

  void OnLayer(size_t layer, const at::Tensor& x, const at::Tensor& /*second*/,
               const at::Tensor& /*y*/) override {
    const int64_t axis =
        std::holds_alternative<LinearNode>(net_.graph().node(net_.layers()[layer].node).op) ? x.dim() - 1 : 1;
    const at::Tensor found = x.abs().transpose(0, axis).flatten(1).amax(1);
    ranges_[layer] = ranges_[layer].defined() ? at::maximum(ranges_[layer], found) : found;
  }

  // Of what the group's consumers read.
  at::Tensor Of(const ChannelGroup& group) const {
    at::Tensor largest;
    for (size_t layer = 0; layer < net_.layer_count(); ++layer) {
      const NodeId node = net_.layers()[layer].node;
      if (!std::binary_search(group.consumers.begin(), group.consumers.end(), node)) continue;
      largest = largest.defined() ? at::maximum(largest, ranges_[layer]) : ranges_[layer];
    }
    return largest;
  }

 private:
  const Supernet& net_;
  std::vector<at::Tensor> ranges_;  // by layer
};

}  // namespace

absl::Status SupernetOracle::RewriteWeights() {
  if (post_training_.Has(Technique::kEqualization)) EqualizeLayers(net_, *own_norms_);
  if (!post_training_.Has(Technique::kSmooth)) return absl::OkStatus();
  ChannelRanges ranges(net_);
  const Assignment plain = UniformAssignment(net_.layer_count(), *ParseFormat("fp32"));
  const absl::Status read = ForEachBatch(
      train_images_, recalibration_indices_, options_.evaluation_batch_size, [&](const Batch& batch) {
        net_.Forward(batch.images, plain, {.norms = &*own_norms_, .layers = &ranges});
      });
  if (!read.ok()) return read;
  const std::vector<ChannelGroup> groups = FindChannelGroups(net_.graph());
  std::vector<at::Tensor> max_abs;
  for (const ChannelGroup& group : groups) max_abs.push_back(ranges.Of(group));
  MigrateScales(net_, groups, max_abs, post_training_.smooth_alpha);
  return absl::OkStatus();
}

absl::StatusOr<SupernetOracle::Part> SupernetOracle::CountedPart(const Assignment& assignment) {
  if (!post_training_.DependsOnFormats() || IsFloat(assignment)) return PartFor(assignment);
  PRECIS_CHECK(network_ == nullptr);
  const auto same = [&](const auto& each) { return each.first == assignment; };
  auto found = std::find_if(tuned_.begin(), tuned_.end(), same);
  if (found == tuned_.end()) {
    absl::StatusOr<Supernet> tuned =
        TuneLayers(net_, post_training_, assignment, {.plain = *own_norms_, .rounded = *Norms(assignment)},
                   {.store = train_images_,
                    .indices = recalibration_indices_,
                    .batch_size = options_.evaluation_batch_size});
    if (!tuned.ok()) return tuned.status();
    const int64_t most = std::max<int64_t>(1, kMostKept / net_.graph().ParameterCount());
    if (static_cast<int64_t>(tuned_.size()) >= most) tuned_.pop_front();
    tuned_.emplace_back(assignment, std::make_shared<const Supernet>(*std::move(tuned)));
    found = std::prev(tuned_.end());
  }
  return Part{.net = found->second.get(), .assignment = assignment, .own = found->second};
}

}  // namespace precis
