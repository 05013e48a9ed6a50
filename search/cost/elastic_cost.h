// Costs of networks whose architecture is searched, out of models of their layers' shapes.
//
// Threading: immutable; concurrent calls are safe.
#pragma once

#include <memory>

#include "search/cost/cost_model.h"
#include "supernet/graph/elastic_network.h"

namespace precis::search {

// A model over ElasticNetwork::shapes() as one of the network's assignments: TotalCost then follows the
// architecture. LayerCost still takes the index of a shape, of which the first are the layers of the
// network's own architecture.
std::shared_ptr<const CostModel> MakeElasticCost(std::shared_ptr<const CostModel> of_shapes,
                                                 std::shared_ptr<const ElasticNetwork> network);

// Such a model held at one architecture: LayerCost takes a layer, and a layer that is absent is free.
// `model` must outlive it.
class CostAtArchitecture final : public CostModel {
 public:
  CostAtArchitecture(const CostModel& model, const Architecture& architecture)
      : model_(model), shapes_(model.network()->ShapesOf(architecture)) {}

  std::string name() const override { return model_.name(); }
  std::string unit() const override { return model_.unit(); }
  std::string basis() const override { return model_.basis(); }
  double LayerCost(size_t layer, const LayerFormats& formats) const override;

 private:
  const CostModel& model_;
  const std::vector<size_t> shapes_;
};

}  // namespace precis::search
