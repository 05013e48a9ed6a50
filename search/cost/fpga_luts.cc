// The measured table, and a fit for what it lacks.
#include "search/cost/fpga_luts.h"

#include <algorithm>
#include <array>
#include <utility>

#include "search/cost/accumulators.h"
#include "supernet/formats/check.h"

namespace precis::search {
namespace {

constexpr int64_t kMeasuredProducts = 4608;

// Signed operands: integers of `bits`, or floats of e exponent and m mantissa bits.
struct Operand {
  int bits = 0;
  int e = 0;
  int m = 0;
  auto operator<=>(const Operand&) const = default;  // NOLINT(modernize-use-nullptr)
};
constexpr Operand Int(int bits) { return {bits, 0, 0}; }
constexpr Operand Float(int e, int m) { return {1 + e + m, e, m}; }

struct Row {
  Operand a, b;
  int luts;
};

constexpr std::array<Row, 28> kMeasured = {{
    {Int(2), Int(2), 37},
    {Int(3), Int(3), 76},
    {Int(4), Int(4), 80},
    {Int(5), Int(5), 119},
    {Int(6), Int(6), 160},
    {Int(7), Int(7), 191},
    {Int(8), Int(8), 261},
    {Int(16), Int(16), 715},
    {Int(2), Int(8), 51},
    {Int(3), Int(8), 106},
    {Int(4), Int(8), 113},
    {Float(2, 0), Float(2, 0), 43},
    {Float(2, 1), Float(2, 1), 56},
    {Float(3, 0), Float(3, 0), 71},
    {Float(2, 2), Float(2, 2), 70},
    {Float(3, 1), Float(3, 1), 88},
    {Float(2, 3), Float(2, 3), 88},
    {Float(3, 2), Float(3, 2), 98},
    {Float(4, 1), Float(4, 1), 149},
    {Float(2, 4), Float(2, 4), 112},
    {Float(3, 3), Float(3, 3), 118},
    {Float(4, 2), Float(4, 2), 155},
    {Float(2, 5), Float(2, 5), 145},
    {Float(3, 4), Float(3, 4), 137},
    {Float(4, 3), Float(4, 3), 171},
    {Float(5, 2), Float(5, 2), 261},
    {Float(2, 1), Float(4, 3), 115},
    {Float(2, 1), Float(2, 3), 68},
}};

// LUTs = per_product · product bits + per_bit · accumulator bits + fixed, fitted to the rows above.
struct Fit {
  double per_product;
  double per_bit;
  double fixed;
};
constexpr Fit kIntegers = {2.826, 1.264, 0};
constexpr Fit kFloats = {1.687, 3.550, -29.41};

bool IsInteger(const ElementFormat& element) { return element.kind == ElementKind::kInteger; }

int Significand(const ElementFormat& element) {
  if (!IsInteger(element)) return element.mantissa_bits + 1;
  return element.is_signed ? element.bits - 1 : element.bits;
}

// Codes left out, specials and bias change no multiplier.
Operand OperandOf(const ElementFormat& element) {
  return IsInteger(element) ? Int(element.bits) : Float(element.exponent_bits, element.mantissa_bits);
}

double Estimate(const LayerFormats& formats) {
  const ElementFormat& w = formats.weight.element;
  const ElementFormat& a = formats.activation.element;
  const bool integers = IsInteger(w) && IsInteger(a);
  const Fit& fit = integers ? kIntegers : kFloats;
  const int product = integers ? w.bits * a.bits : Significand(w) * Significand(a);
  return fit.per_product * product + fit.per_bit * AccumulatorBits(formats, kMeasuredProducts) + fit.fixed;
}

class FpgaLutCost final : public CostModel {
 public:
  explicit FpgaLutCost(std::vector<Layer> layers) : layers_(std::move(layers)) {}

  std::string name() const override { return "fpga-lut"; }
  std::string unit() const override { return "LUTcycles"; }
  std::string basis() const override {
    return "multiply-accumulates of one image times the LUTs of one MAC unit with an exact accumulator "
           "(widths: "
           "Aggarwal 2023, arXiv 2311.12359), over every layer: over N, the LUTs of a design that takes an "
           "image every N cycles; LUTs measured with yosys 0.23, synth_xilinx -family xcup -nodsp "
           "-nowidelut, "
           "which overprices integers beside floats; pairs that were not measured are estimated by a fit to "
           "those that were; scales, conversions and memory are not counted";
  }
  double LayerCost(size_t layer, const LayerFormats& formats) const override {
    PRECIS_CHECK(layer < layers_.size());
    const Layer& l = layers_[layer];
    const int64_t products = ExactProducts(formats, std::max<int64_t>(l.reduction, 1));
    return static_cast<double>(l.macs) * LutsPerMac(formats, products);
  }

 private:
  const std::vector<Layer> layers_;
};

}  // namespace

double LutsPerMac(const LayerFormats& formats, int64_t products, bool* measured) {
  const int wider = AccumulatorBits(formats, products) - AccumulatorBits(formats, kMeasuredProducts);
  const Operand w = OperandOf(formats.weight.element), a = OperandOf(formats.activation.element);
  const bool is_signed = formats.weight.element.is_signed && formats.activation.element.is_signed;
  const auto row = std::find_if(kMeasured.begin(), kMeasured.end(), [&](const Row& each) {
    return is_signed && ((each.a == w && each.b == a) || (each.a == a && each.b == w));
  });
  if (measured != nullptr) *measured = row != kMeasured.end();
  return wider + (row != kMeasured.end() ? row->luts : Estimate(formats));
}

std::shared_ptr<const CostModel> MakeFpgaLutCost(std::vector<Layer> layers) {
  return std::make_shared<FpgaLutCost>(std::move(layers));
}

}  // namespace precis::search
