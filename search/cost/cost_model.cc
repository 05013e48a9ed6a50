// Bit operations and model size, and the list of all models.
#include "search/cost/cost_model.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "search/cost/accumulators.h"
#include "search/cost/asic_costs.h"
#include "search/cost/elastic_cost.h"
#include "search/cost/fpga_luts.h"
#include "search/cost/table_cost.h"
#include "supernet/formats/check.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::search {
namespace {

class BitOperations final : public CostModel {
 public:
  BitOperations(std::vector<Layer> layers, bool count_attention)
      : layers_(std::move(layers)),
        count_attention_(count_attention),
        has_products_(std::any_of(layers_.begin(), layers_.end(),
                                  [](const Layer& layer) { return !layer.HasWeight(); })) {}

  std::string name() const override { return "bops"; }
  std::string unit() const override { return "BOPs"; }
  std::string basis() const override {
    std::string basis =
        "multiply-accumulates of one image times weight bits times activation bits, over every conv and "
        "linear layer, stem and classifier included; bits as an element is stored (tf32 in 32), its share "
        "of block scales included; batch norm, activations, pooling and additions are not counted";
    if (!has_products_) return basis;
    return absl::StrCat(basis, "; the products of attention are ", count_attention_ ? "counted" : "not");
  }
  double LayerCost(size_t layer, const LayerFormats& formats) const override {
    PRECIS_CHECK(layer < layers_.size());
    if (!layers_[layer].HasWeight() && !count_attention_) return 0;
    return static_cast<double>(layers_[layer].macs) * BitsPerElement(formats.weight) *
           BitsPerElement(formats.activation);
  }

 private:
  const std::vector<Layer> layers_;
  const bool count_attention_;
  const bool has_products_;
};

class ModelSize final : public CostModel {
 public:
  explicit ModelSize(std::vector<Layer> layers) : layers_(std::move(layers)) {}

  std::string name() const override { return "model_size"; }
  std::string unit() const override { return "bits"; }
  std::string basis() const override {
    return "bits of the weights of every conv and linear layer as stored, with the format's scales: one an "
           "output channel, block or tensor; biases and batch-norm parameters are not counted";
  }
  double LayerCost(size_t layer, const LayerFormats& formats) const override {
    PRECIS_CHECK(layer < layers_.size());
    const Layer& l = layers_[layer];
    if (!l.HasWeight()) return 0;
    return static_cast<double>(StorageBits(formats.weight, l.output_channels, l.weights / l.output_channels));
  }

 private:
  const std::vector<Layer> layers_;
};

}  // namespace

double TotalCost(const CostModel& model, const Assignment& assignment) {
  PRECIS_CHECK(model.network() != nullptr || assignment.architecture.empty());
  double total = 0;
  if (assignment.architecture.empty()) {
    for (size_t i = 0; i < assignment.layers.size(); ++i) total += model.LayerCost(i, assignment.layers[i]);
    return total;
  }
  const std::vector<size_t> shapes = model.network()->ShapesOf(assignment.architecture);
  for (size_t i = 0; i < assignment.layers.size(); ++i) {
    if (shapes[i] != ElasticNetwork::kAbsent) total += model.LayerCost(shapes[i], assignment.layers[i]);
  }
  return total;
}

double OptionCost(const CostModel& model, const Decision& decision, size_t option) {
  PRECIS_CHECK(option < decision.options.size());
  double cost = 0;
  for (size_t layer : decision.layers) cost += model.LayerCost(layer, decision.options[option]);
  return cost;
}

const std::vector<std::string>& CostModelNames() {
  static const auto& names = *new std::vector<std::string>{
      "bops", "model_size", "asic-energy", "asic-area", "fpga-lut", "accumulator_bits", "table"};
  return names;
}

bool PricesUniform(const CostModel& model, size_t layer_count, const LayerFormats& formats) {
  for (size_t i = 0; i < layer_count; ++i) {
    if (!model.Prices(i, formats)) return false;
  }
  return true;
}

absl::StatusOr<std::shared_ptr<const CostModel>> MakeCostModel(std::string_view name,
                                                               const std::vector<Layer>& layers,
                                                               const CostOptions& options) {
  if (name == "bops") return std::make_shared<BitOperations>(layers, options.count_attention);
  if (name == "model_size") return std::make_shared<ModelSize>(layers);
  if (name == "asic-energy") return MakeAsicCost(AsicQuantity::kEnergy, layers);
  if (name == "asic-area") return MakeAsicCost(AsicQuantity::kArea, layers);
  if (name == "fpga-lut") return MakeFpgaLutCost(layers);
  if (name == "accumulator_bits") return MakeAccumulatorCost(layers);
  if (name == "table") {
    Violations violations;
    std::shared_ptr<const CostModel> model =
        MakeTableCost(ParseCostTable(options.table, violations), layers, violations);
    if (violations.empty()) return model;
    return absl::InvalidArgumentError(
        absl::StrJoin(violations, "; ", [](std::string* out, const Violation& violation) {
          absl::StrAppend(out, violation.field, ": ", violation.message);
        }));
  }
  return absl::NotFoundError(absl::StrCat("there is no cost metric \"", std::string(name), "\": give one of ",
                                          absl::StrJoin(CostModelNames(), ", "), ".",
                                          DidYouMean(name, CostModelNames())));
}

CostRange ReachableCost(const CostModel& model, const SearchSpace& space) {
  if (space.network != nullptr) {
    const auto range_at = [&](const Architecture& architecture) {
      SearchSpace formats = {.decisions = {}, .layer_count = space.layer_count};
      for (const Decision& decision : space.decisions) {
        if (!decision.IsArchitecture()) formats.decisions.push_back(decision);
      }
      return ReachableCost(CostAtArchitecture(model, architecture), formats);
    };
    return {range_at(space.network->Smallest()).min, range_at(space.network->Largest()).max};
  }
  std::vector<int> cheapest, dearest;
  for (const Decision& decision : space.decisions) {
    size_t low = 0, high = 0;
    for (size_t i = 1; i < decision.options.size(); ++i) {
      const double cost = OptionCost(model, decision, i);
      if (cost < OptionCost(model, decision, low)) low = i;
      if (cost > OptionCost(model, decision, high)) high = i;
    }
    cheapest.push_back(static_cast<int>(low));
    dearest.push_back(static_cast<int>(high));
  }
  return {TotalCost(model, space.Apply(cheapest)), TotalCost(model, space.Apply(dearest))};
}

}  // namespace precis::search
