// Rows to prices, and what is missing.
#include "search/cost/table_cost.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/check.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::search {
namespace {

constexpr size_t kMostNamed = 3;

using Pair = std::pair<Format, Format>;
Pair PairOf(const LayerFormats& formats) { return {formats.weight, formats.activation}; }

// How closely a pattern means a layer; more is closer.
enum Closeness { kNot, kEvery, kOperation, kGlob, kName };

bool IsOperation(const std::string& pattern) {
  return pattern == "conv2d" || pattern == "depthwise_conv2d" || pattern == "linear" || pattern == "matmul";
}

Closeness Match(const std::string& pattern, const Layer& layer) {
  if (pattern == layer.name) return kName;
  if (pattern == "*") return kEvery;
  if (IsOperation(pattern)) return pattern == LayerKindName(layer.kind) ? kOperation : kNot;
  if (pattern.find_first_of("*?[") == std::string::npos) return kNot;
  return fnmatch(pattern.c_str(), layer.name.c_str(), 0) == 0 ? kGlob : kNot;
}

struct Price {
  double cost = 0;
  Closeness closeness = kNot;
};

class TableCost final : public CostModel {
 public:
  TableCost(const CostTable& table, std::vector<std::map<Pair, Price>> prices)
      : unit_(table.unit), per_mac_(table.per_mac), rows_(table.rows.size()), prices_(std::move(prices)) {}

  std::string name() const override { return "table"; }
  std::string unit() const override { return unit_; }
  std::string basis() const override {
    return absl::StrCat("the job's own table of ", rows_, rows_ == 1 ? " row" : " rows", ", a cost a ",
                        per_mac_ ? "multiply-accumulate of one image" : "layer",
                        ", summed over every layer; what it counts its author knows");
  }
  bool Prices(size_t layer, const LayerFormats& formats) const override {
    return layer < prices_.size() && prices_[layer].contains(PairOf(formats));
  }
  double LayerCost(size_t layer, const LayerFormats& formats) const override {
    PRECIS_CHECK(layer < prices_.size());
    const auto price = prices_[layer].find(PairOf(formats));
    PRECIS_CHECK(price != prices_[layer].end());
    return price->second.cost;
  }

 private:
  const std::string unit_;
  const bool per_mac_;
  const size_t rows_;
  const std::vector<std::map<Pair, Price>> prices_;  // of each layer
};

}  // namespace

std::shared_ptr<const CostModel> MakeTableCost(const CostTable& table, const std::vector<Layer>& layers,
                                               Violations& violations) {
  std::vector<std::string> names;
  names.reserve(layers.size());
  for (const Layer& layer : layers) names.push_back(layer.name);
  std::vector<std::map<Pair, Price>> prices(layers.size());
  std::map<std::string, std::vector<std::pair<size_t, Closeness>>> matches;  // of each pattern
  for (const CostTable::Row& row : table.rows) {
    const auto [known, fresh] = matches.try_emplace(row.layer);
    if (fresh) {
      for (size_t i = 0; i < layers.size(); ++i) {
        const Closeness closeness = Match(row.layer, layers[i]);
        if (closeness != kNot) known->second.emplace_back(i, closeness);
      }
      if (known->second.empty() && !IsOperation(row.layer) && row.layer != "*") {
        violations.push_back(
            {"cost.table", absl::StrCat("line ", row.line, ": no layer of the network is \"",
                                        row.layer.substr(0, 100), "\".", DidYouMean(row.layer, names),
                                        " Give a layer's name, a glob over names, an operation or *.")});
      }
    }
    for (const auto& [layer, closeness] : known->second) {
      Price& price = prices[layer][PairOf(row.formats)];
      // The first of equals stands.
      if (closeness <= price.closeness) continue;
      const double count = table.per_mac ? static_cast<double>(layers[layer].macs) : 1;
      price = {.cost = row.cost * count, .closeness = closeness};
    }
  }
  return std::make_shared<TableCost>(table, std::move(prices));
}

void CheckPrices(const CostModel& model, const SearchSpace& space, const std::vector<Layer>& layers,
                 Violations& violations) {
  std::vector<std::pair<LayerFormats, std::vector<std::string>>> gaps;
  for (const Decision& decision : space.decisions) {
    for (const LayerFormats& option : decision.options) {
      for (size_t layer : decision.layers) {
        if (model.Prices(layer, option)) continue;
        auto gap = std::find_if(gaps.begin(), gaps.end(), [&](const auto& g) { return g.first == option; });
        if (gap == gaps.end()) gap = gaps.insert(gaps.end(), {option, {}});
        gap->second.push_back(layers[layer].name);
      }
    }
  }
  for (const auto& [option, missing] : gaps) {
    const size_t named = std::min(missing.size(), kMostNamed);
    violations.push_back(
        {"cost.table",
         absl::StrCat(
             "has no cost of ", LayerFormatsName(option), " for ",
             absl::StrJoin(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(named), ", "),
             missing.size() > named ? absl::StrCat(" and ", missing.size() - named, " more layers") : "",
             ": add a row such as \"*,", FormatName(option.weight), ",", FormatName(option.activation),
             ",1\", or take it out of space.formats.")});
  }
}

}  // namespace precis::search
