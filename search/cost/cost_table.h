// The user's own cost table: CSV text to rows.
//
//   # unit: uJ                        what costs are counted in; "units" if not said
//   # per: mac                        or layer: what one cost is of; layer if not said
//   layer,weight,activation,cost      the header may be left out; with one, columns may come in any order
//   conv2d,int8,int8,0.21
//   conv2d,int4,uint4,0.07
//   stage3.*,int8,int8,0.19           a glob (*, ?, [a-z])
//   classifier,int8,int8,0.4
//   "*",int4,uint4,0.1
//
// With three columns the second is "format", as in a job's space: int8, or int4/uint4 for weight/activation.
// layer is a layer's name, a glob over names, an operation (conv2d, depthwise_conv2d, linear, matmul) or "*".
// Of the rows with a layer's two formats the most specific serves: its name, then the first glob in the
// file that it matches, then its operation, then "*". Fields may be in double quotes; blanks around them,
// empty lines and lines that begin with # (but for the two above) are passed over.
//
// Threading: values and pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "search/violation.h"
#include "supernet/graph/assignment.h"

namespace precis::search {

inline constexpr size_t kMostTableBytes = size_t{1} << 20;

struct CostTable {
  struct Row {
    int line = 0;  // in the text, from 1
    std::string layer;
    LayerFormats formats;
    double cost = 0;
  };
  std::string unit = "units";
  bool per_mac = false;
  std::vector<Row> rows;  // in the text's order
};

// What could be read; a violation of "cost.table" for every line that is at fault: a wrong number of columns,
// an unknown format, a cost that is no finite number or below 0, a row given twice, a unit that cannot be
// one. A row whose cost alone is at fault is among the rows, with cost 0, so that it does not count as
// missing.
CostTable ParseCostTable(std::string_view text, Violations& violations);

// The unit alone, whatever else is wrong.
std::string TableUnit(std::string_view text);

}  // namespace precis::search
