// What can be wrong with the costs of a job before its network is built.
#pragma once

#include "search/job_spec.h"

namespace precis::search {

// Unknown metrics, targets and limits that cannot be read, metrics named twice, a table that is missing or
// too long. What is in the table is checked with the network (plan_costs.h).
void CheckCost(const CostSpec& cost, Violations& violations);

}  // namespace precis::search
