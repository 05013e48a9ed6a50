// CostModel: what an assignment costs on some hardware, as a sum over layers.
//
// Threading: immutable; concurrent calls are safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/assignment.h"
#include "supernet/graph/model_graph.h"

namespace precis::search {

class CostModel {
 public:
  virtual ~CostModel() = default;
  virtual std::string name() const = 0;   // "bops"
  virtual std::string unit() const = 0;   // "BOPs", "bits"
  virtual std::string basis() const = 0;  // one sentence: what is counted and what is not
  // Whether LayerCost may be asked: a user's table has prices of what its author listed, all others have
  // every one.
  virtual bool Prices(size_t /*layer*/, const LayerFormats& /*formats*/) const { return true; }
  // layer indexes the graph's Layers(); a finite number >= 0. Precondition (checked): Prices.
  virtual double LayerCost(size_t layer, const LayerFormats& formats) const = 0;
  // Of a network whose architecture is searched, null otherwise: see elastic_cost.h.
  virtual const ElasticNetwork* network() const { return nullptr; }
};

// Sum over the layers that the assignment's architecture has, in their shapes there. Precondition (checked):
// one entry a layer, and no architecture but the network's own unless the model has a network.
double TotalCost(const CostModel& model, const Assignment& assignment);

// Of one option of one decision of formats: the sum over the layers it governs, in the network's own
// architecture.
double OptionCost(const CostModel& model, const Decision& decision, size_t option);

struct CostOptions {
  // Whether bops count the products of two activations, those of attention. FLIQS does not: its costs of
  // vision transformers are those of the linear layers alone.
  bool count_attention = false;
  std::string_view table = {};  // the user's, for "table"
};

// "bops":       Σ MACs · weight bits · activation bits over every conv and linear layer, stem and
//               classifier included, for one image; of products if options say so. Bits are storage bits
//               of the element.
// "model_size": Σ StorageBits: bits of the weights as stored, scales included, one row an output channel.
//               Biases, norms, tokens and embeddings are not counted; a product has no weights.
// "asic-energy", "asic-area": cost/asic_costs.h. "fpga-lut": cost/fpga_luts.h.
// "accumulator_bits": cost/accumulators.h. "table": cost/table_cost.h, out of the text options.table.
// NOT_FOUND with a did-you-mean; INVALID_ARGUMENT with every fault of the table.
absl::StatusOr<std::shared_ptr<const CostModel>> MakeCostModel(std::string_view name,
                                                               const std::vector<Layer>& layers,
                                                               const CostOptions& options = {});
// In the order in which costs are reported.
const std::vector<std::string>& CostModelNames();

// Whether the model has a price of every layer in these formats.
bool PricesUniform(const CostModel& model, size_t layer_count, const LayerFormats& formats);

// Cheapest and dearest total over a search space: TotalCost of the two assignments, to the last bit. Of
// architectures the smallest and the largest, whose every layer costs least and most.
struct CostRange {
  double min = 0;
  double max = 0;
};
CostRange ReachableCost(const CostModel& model, const SearchSpace& space);

}  // namespace precis::search
