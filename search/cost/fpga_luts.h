// LUTs of a multiply-accumulate unit on an FPGA, with the exact accumulators of Aggarwal 2023
// (accumulators.h).
//
// Measured: one MAC with a registered accumulator for 4608 products, synthesised for UltraScale+ without DSP
// blocks by yosys 0.23 (`synth_xilinx -family xcup -nodsp -nowidelut`), LUTs counted; symmetric in weights
// and inputs. The circuits, which are ours and plain, are in tests/bench/fpga_luts.py, which makes the table
// anew. The paper's own table, of vendor tools, is not published. This tool builds multipliers without Booth
// coding or compressors, so integers come out dear beside floats, while vendor tools have minifloats 20 to
// 180 % dearer than integers of their size (Damsgaard 2025): compare within a kind, or bring a table of your
// own ("table").
//
// Estimated, for pairs that were not measured: a sum over the bits of the product of significands and of the
// accumulator, least squares of relative error over the table (the same script works it out); floats within
// 6 %, integers within 17 % where both sides have 4 bits and more. For other sums than 4608 products a bit of
// accumulator more or less is one LUT.
//
// Scales, conversion of the sum, zero points and memory are not counted.
//
// Threading: pure functions; models are immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "search/cost/cost_model.h"

namespace precis::search {

// Of one unit whose accumulator holds `products` >= 1 products. `measured` tells (unless null) whether the
// table has the pair.
double LutsPerMac(const LayerFormats& formats, int64_t products, bool* measured = nullptr);

// "fpga-lut": Σ MACs of one image times the LUTs of one unit, which is LUTs times cycles: a design that takes
// an image every N cycles needs the total over N. Unit: "LUTcycles".
std::shared_ptr<const CostModel> MakeFpgaLutCost(std::vector<Layer> layers);

}  // namespace precis::search
