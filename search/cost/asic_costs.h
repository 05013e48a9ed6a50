// What a multiply-accumulate costs in silicon, by the model of Chen 2025 (arXiv 2510.25602, "Table 5" below):
// a MAC array with FP32 accumulators and dequantisers, at equal throughput, relative to the MXFP8 unit.
//
// Published points are exact: MXFP8, MXINT8, NVFP4 and NVINT4 in weights and inputs alike. Every other pair
// of formats is estimated: the paper's cell counts (its multiplier, adder, exponent, aligner and normaliser,
// a lane), weighed with textbook gate equivalents, on a straight line through the two published points of its
// kind (integers or floats). The paper's own gate factors are not published, so this is an estimate and
// called one. Neither has quantisers, rotations, registers or wires; formats with no blocks are priced as if
// they had some.
//
// Threading: pure functions; models are immutable.
#pragma once

#include <memory>
#include <vector>

#include "search/cost/cost_model.h"

namespace precis::search {

enum class AsicQuantity { kEnergy, kArea };

// Table 5, single-format units at equal throughput.
struct AsicPoint {
  const char* format;
  double energy;
  double area;
};
const std::vector<AsicPoint>& AsicPoints();

// Gate equivalents of one lane (FA 5, HA 2.7, XOR 2.3, MUX 2.3, AND and OR 1.3). A lane with a float on
// either side is a float lane: an integer is then a significand of its bits less the sign. Blocks set the
// lanes that share a normaliser; 32 without.
double LaneGates(const LayerFormats& formats);

// Of one MAC; MXFP8 is 1. `published` tells (unless null) whether the value is Table 5's.
double AsicCost(AsicQuantity quantity, const LayerFormats& formats, bool* published = nullptr);

// "asic-energy": Σ MACs of one image times energy. "asic-area": Σ MACs times area, which is area-time: at
// equal throughput an image occupies that many MXFP8 units for a cycle, so that it adds up over layers of one
// chip that has a unit for each format. Unit of both: "FP8MACs".
std::shared_ptr<const CostModel> MakeAsicCost(AsicQuantity quantity, std::vector<Layer> layers);

}  // namespace precis::search
