// Exact accumulators: how wide a sum of products must be so that nothing is ever rounded, and what that
// costs.
//
//   integers       r_a + r_b + ⌈log2 n⌉ + 1                                    (r: bits of an element)
//   floats         2^e_a + m_a + 2^e_b + m_b + ⌈log2 n⌉ − 1, a Kulisch accumulator
//
// for n products (Aggarwal 2023, arXiv 2311.12359). A float of e exponent and m mantissa bits is an integer
// of 2^e + m − 1 bits and a sign; counted here from the format's own limits, so that codes lost to infinity
// or NaN (e4m3fn, e5m2) save the bit they save. With an integer on one side only: its magnitude's bits in
// that place. n is the layer's reduction; with blocks on either side the shorter block, if that is less: what
// adds up across blocks has another scale and is not counted.
//
// Threading: pure functions; models are immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "search/cost/cost_model.h"

namespace precis::search {

// Products that one exact sum takes in of a layer that sums up `reduction` of them.
int64_t ExactProducts(const LayerFormats& formats, int64_t reduction);

// Bits of the sum of `products` >= 1 products.
int AccumulatorBits(const LayerFormats& formats, int64_t products);

// "accumulator_bits": Σ output elements of one image times the bits of the accumulator each takes: the
// traffic of exact sums. Unit: "bits".
std::shared_ptr<const CostModel> MakeAccumulatorCost(std::vector<Layer> layers);

}  // namespace precis::search
