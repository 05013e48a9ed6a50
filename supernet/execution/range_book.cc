// Names and values of kept ranges.
#include "supernet/execution/range_book.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace precis {
namespace {

constexpr std::string_view kWeightRange = ".weight_range.";
constexpr std::string_view kOutputRange = ".output_range.";

bool HasOneScale(const Format& format) { return NeedsRange(format) && !IsBlockScaled(format); }

}  // namespace

bool RangeBook::Learns(Operand operand, const Format& format) const {
  return RuleOf(operand) == RangeRule::kLearned && HasOneScale(format) && !format.scale.zero_point;
}

bool RangeBook::Keeps(Operand operand, const Format& format) const {
  if (operand == Operand::kActivation) return Learns(operand, format);
  return HasOneScale(format) && !format.scale.zero_point;
}

bool RangeBook::Averages(Operand operand, const Format& format) const {
  return RuleOf(operand) == RangeRule::kMovingAverage && NeedsRange(format);
}

const at::Tensor& RangeBook::Find(const RangeKey& key) const {
  static const auto& none = *new at::Tensor();
  const auto found = ranges_.find(key);
  return found == ranges_.end() ? none : found->second;
}

bool RangeBook::Learn(const RangeKey& key, const at::Tensor& start) {
  const c10::NoGradGuard no_gradients;
  const at::Tensor positive = start.detach().masked_select(start.gt(0));
  if (positive.numel() == 0 || !start.isfinite().all().item<bool>()) return false;
  at::Tensor value = at::where(start.gt(0), start.detach(), positive.mean());
  value.requires_grad_(true);
  ranges_[key] = value;
  return true;
}

void RangeBook::Restore(const RangeKey& key, const at::Tensor& value) {
  ranges_[key] = value.detach().clone().requires_grad_(Learns(key.operand, key.format));
}

void RangeBook::Average(const RangeKey& key, const at::Tensor& measured) {
  if (!measured.isfinite().all().item<bool>()) return;
  at::Tensor& average = ranges_[key];
  average = average.defined() ? average * options_.momentum + measured * (1 - options_.momentum) : measured;
}

RangeBook RangeBook::Translated(const std::vector<NodeId>& whole) const {
  RangeBook translated(options_);
  std::map<NodeId, NodeId> parts;
  // Of nodes that stand for the same one the last is what layers read.
  for (size_t i = 0; i < whole.size(); ++i) parts.insert_or_assign(whole[i], static_cast<NodeId>(i));
  for (const auto& [key, range] : ranges_) {
    const auto part = parts.find(key.node);
    if (part != parts.end()) translated.ranges_[{part->second, key.operand, key.format}] = range;
  }
  return translated;
}

void RangeBook::CutChannels(const std::function<int64_t(NodeId)>& channels) {
  for (auto& [key, range] : ranges_) {
    if (key.operand != Operand::kWeight || range.dim() == 0) continue;
    if (const int64_t count = channels(key.node); count < range.size(0)) range = range.narrow(0, 0, count);
  }
}

std::vector<std::pair<RangeKey, at::Tensor>> RangeBook::Learned() const {
  std::vector<std::pair<RangeKey, at::Tensor>> learned;
  for (const auto& [key, value] : ranges_) {
    if (Learns(key.operand, key.format)) learned.emplace_back(key, value);
  }
  return learned;
}

std::vector<std::pair<RangeKey, at::Tensor>> RangeBook::Kept() const {
  std::vector<std::pair<RangeKey, at::Tensor>> kept;
  for (const auto& [key, value] : ranges_) {
    if (Keeps(key.operand, key.format)) kept.emplace_back(key, value);
  }
  return kept;
}

std::string RangeBook::Name(const ModelGraph& graph, const RangeKey& key) {
  return absl::StrCat(graph.node(key.node).name,
                      std::string(key.operand == Operand::kWeight ? kWeightRange : kOutputRange),
                      FormatName(key.format));
}

absl::StatusOr<RangeKey> RangeBook::ParseName(const ModelGraph& graph, std::string_view name) {
  for (const auto& [kind, operand] :
       {std::pair{kWeightRange, Operand::kWeight}, {kOutputRange, Operand::kActivation}}) {
    const size_t at = name.rfind(kind);
    if (at == std::string_view::npos) continue;
    const absl::StatusOr<Format> format = ParseFormat(name.substr(at + kind.size()));
    if (!format.ok()) return format.status();
    for (NodeId id = 0; id <= graph.output(); ++id) {
      if (graph.node(id).name == name.substr(0, at)) return RangeKey{id, operand, *format};
    }
  }
  return absl::NotFoundError(absl::StrCat(std::string(name), " is the name of no range"));
}

}  // namespace precis
