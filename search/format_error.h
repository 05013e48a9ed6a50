// How coarse a format is, as one number that needs no network: what the sensitivity estimate starts from.
#pragma once

#include <vector>

#include "supernet/formats/format.h"
#include "supernet/graph/assignment.h"

namespace precis::search {

// Which values are rounded: normal ones, or their magnitudes, as a ReLU gives them.
enum class Values { kNormal, kMagnitudes };

// Mean squared rounding error of standard normal values, relative to their mean square, when ±4 is scaled to
// the format's largest value: int2 0.87, int3 0.14, int4 0.027, int8 0.00008, fp32 nearly 0. Exact scalar
// quantisation, integrated numerically; a millisecond or two. Formats with blocks, a rotation, random
// rounding or a zero point quantise 8,192 pseudo-random normal values instead. Unsigned formats take
// magnitudes whatever is asked for.
double RelativeError(const Format& format, Values values = Values::kNormal);

// errors[d][o] for option o of decision d: the sum over weight and activation format, divided by the largest
// of the decision's options, so that it lies in 0…1. Of an architecture's options from 1, the smallest, to 0
// in equal steps.
std::vector<std::vector<double>> OptionErrors(const SearchSpace& space);

}  // namespace precis::search
