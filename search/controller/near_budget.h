// Random configurations that spend a budget: what random search and evolution start from. Uniform samples of
// a wide space nearly all cost much the same, far from most targets.
//
// Threading: the calls change the generator and nothing else.
#pragma once

#include <functional>
#include <random>
#include <vector>

#include "search/controller/controller.h"

namespace precis::search {

// costs[d][o]: of option o of decision d; the total is their sum.
using CostTable = std::vector<std::vector<double>>;

double TableCost(const CostTable& costs, const Choices& choices);

// In [0, 1), from 53 random bits; the standard's distributions differ between platforms.
double UniformUnit(std::mt19937_64& generator);
size_t UniformIndex(size_t count, std::mt19937_64& generator);  // below `count`, which is not 0

// What choices cost all together where that is not the sum of a table.
using TotalCostOf = std::function<double(const Choices&)>;

// Uniform choices, then random decisions moved to the next cheaper option until the total fits, then to the
// next dearer one as long as it still does. Above the budget only if the cheapest configuration is.
Choices NearBudget(const CostTable& costs, double budget, std::mt19937_64& generator);

// The same by another total; the table tells which of a decision's options is the next cheaper or dearer.
Choices NearBudget(const CostTable& costs, const TotalCostOf& total, double budget,
                   std::mt19937_64& generator);

}  // namespace precis::search
