// "table": costs out of the user's own table (cost_table.h), for one network.
//
// Threading: pure functions; models are immutable.
#pragma once

#include <memory>
#include <vector>

#include "search/cost/cost_model.h"
#include "search/cost/cost_table.h"
#include "search/violation.h"

namespace precis::search {

// The model, which prices what the table has. Violations of "cost.table" with the line: a name that no layer
// has, a glob that matches none. An operation that the network does not have is none: tables are made for
// hardware.
std::shared_ptr<const CostModel> MakeTableCost(const CostTable& table, const std::vector<Layer>& layers,
                                               Violations& violations);

// Every option of the space that `model` has no price of: a violation of "cost.table" for each pair of
// formats, naming the layers.
void CheckPrices(const CostModel& model, const SearchSpace& space, const std::vector<Layer>& layers,
                 Violations& violations);

}  // namespace precis::search
