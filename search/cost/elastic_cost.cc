// Shapes priced one by one, summed by architecture.
#include "search/cost/elastic_cost.h"

#include <utility>

#include "supernet/formats/check.h"

namespace precis::search {
namespace {

class ElasticCost final : public CostModel {
 public:
  ElasticCost(std::shared_ptr<const CostModel> of_shapes, std::shared_ptr<const ElasticNetwork> network)
      : of_shapes_(std::move(of_shapes)), network_(std::move(network)) {}

  std::string name() const override { return of_shapes_->name(); }
  std::string unit() const override { return of_shapes_->unit(); }
  std::string basis() const override { return of_shapes_->basis(); }
  double LayerCost(size_t shape, const LayerFormats& formats) const override {
    return of_shapes_->LayerCost(shape, formats);
  }
  const ElasticNetwork* network() const override { return network_.get(); }

 private:
  const std::shared_ptr<const CostModel> of_shapes_;
  const std::shared_ptr<const ElasticNetwork> network_;
};

}  // namespace

std::shared_ptr<const CostModel> MakeElasticCost(std::shared_ptr<const CostModel> of_shapes,
                                                 std::shared_ptr<const ElasticNetwork> network) {
  return std::make_shared<ElasticCost>(std::move(of_shapes), std::move(network));
}

double CostAtArchitecture::LayerCost(size_t layer, const LayerFormats& formats) const {
  PRECIS_CHECK(layer < shapes_.size());
  return shapes_[layer] == ElasticNetwork::kAbsent ? 0 : model_.LayerCost(shapes_[layer], formats);
}

}  // namespace precis::search
