// The costs of a plan: which are reported, what can be reached, and what is within the limits.
//
// Threading: pure functions.
#pragma once

#include <vector>

#include "search/plan.h"
#include "search/violation.h"

namespace precis::search {

// Fills in costs, ranges and constrained out of spec.cost, layers and space. Violations of "cost.table" with
// every fault of the table, missing prices included; then the plan is left without costs. Checks the table
// even if other costs of the spec are at fault, which `spec_is_sound` tells; the plan is then left without
// costs too.
void AddCosts(Plan& plan, bool spec_is_sound, Violations& violations);

// The unit that a target of `metric` may have beside the known ones.
std::string TableUnitOf(const Plan& plan);

// Fills in limits and fitting. Violations: of "cost.limits[i].at_most" for one that is out of reach by
// itself, with the reachable range; of "cost.limits" if no configuration was found within all at once, with
// how far each comes down within the target (not looked for if the target itself is out of reach).
// Precondition: costs and target.
void AddLimits(Plan& plan, Violations& violations);

// Whether a candidate with these costs is feasible.
bool IsWithinLimits(const Plan& plan, const std::vector<double>& costs);

// The cost that the search holds against the target: the constrained one or, where another limit L of a cost
// C is used up more, target · C / L. At most the target exactly if the assignment is within all limits.
double BindingCost(const Plan& plan, const Assignment& assignment, double target);

}  // namespace precis::search
