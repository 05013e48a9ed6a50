// Table 5, and a line through its points over counted gates.
#include "search/cost/asic_costs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "supernet/formats/check.h"

namespace precis::search {
namespace {

// Gate equivalents of cells, as textbooks have them.
constexpr double kFullAdder = 5;
constexpr double kXor = 2.3;
constexpr double kMux = 2.3;
constexpr double kAndOr = 1.3;
constexpr int kWidestAligner = 24;  // bits, as the paper caps it
constexpr int kLanes = 32;

bool IsInteger(const Format& format) { return format.element.kind == ElementKind::kInteger; }

// Bits of the significand with its leading one, sign apart.
int Significand(const ElementFormat& element) {
  if (element.kind == ElementKind::kFloat) return element.mantissa_bits + 1;
  return element.is_signed ? element.bits - 1 : element.bits;
}

int Lanes(const LayerFormats& formats) {
  int lanes = kLanes;
  for (const Format& format : {formats.weight, formats.activation}) {
    if (IsBlockScaled(format)) lanes = std::min(lanes, format.scale.block);
  }
  return lanes;
}

// Whether the hardware of `a` is that of `b`: how a scale is found, codes left out, rotation and rounding
// cost no gate of those counted.
bool SameHardware(const Format& a, const Format& b) {
  return a.element.kind == b.element.kind && a.element.bits == b.element.bits &&
         a.element.exponent_bits == b.element.exponent_bits && a.element.is_signed == b.element.is_signed &&
         a.scale.type == b.scale.type && a.scale.block == b.scale.block;
}

double Of(const AsicPoint& point, AsicQuantity quantity) {
  return quantity == AsicQuantity::kEnergy ? point.energy : point.area;
}

// The formats of AsicPoints(), read once: prices are asked for at every step of a search.
const std::vector<Format>& PublishedFormats() {
  static const auto& formats = *new std::vector<Format>([] {
    std::vector<Format> all;
    for (const AsicPoint& point : AsicPoints()) all.push_back(*ParseFormat(point.format));
    return all;
  }());
  return formats;
}

struct Line {
  double at_zero = 0;
  double slope = 0;
};

// Through the two points whose elements are integers, or floats.
Line LineOf(AsicQuantity quantity, bool integers) {
  std::vector<std::pair<double, double>> points;
  for (size_t i = 0; i < AsicPoints().size(); ++i) {
    const Format& format = PublishedFormats()[i];
    if (IsInteger(format) != integers) continue;
    points.emplace_back(LaneGates({format, format}), Of(AsicPoints()[i], quantity));
  }
  PRECIS_CHECK(points.size() == 2);
  const double slope = (points[0].second - points[1].second) / (points[0].first - points[1].first);
  return {.at_zero = points[0].second - slope * points[0].first, .slope = slope};
}

class AsicCostModel final : public CostModel {
 public:
  AsicCostModel(AsicQuantity quantity, std::vector<Layer> layers)
      : quantity_(quantity), layers_(std::move(layers)) {}

  std::string name() const override {
    return quantity_ == AsicQuantity::kEnergy ? "asic-energy" : "asic-area";
  }
  std::string unit() const override { return "FP8MACs"; }
  std::string basis() const override {
    const bool energy = quantity_ == AsicQuantity::kEnergy;
    return std::string("multiply-accumulates of one image times the ") + (energy ? "energy" : "area") +
           " of a MAC relative to MXFP8 = 1 at equal throughput" +
           (energy ? "" : " (area-time: so many MXFP8 units busy for a cycle)") +
           ", over every layer; mxfp8, mxint8, nvfp4 and nvint4 as published (Chen 2025, arXiv 2510.25602, "
           "Table 5), every other format and pair estimated from that paper's gate counts, fitted to these "
           "points; quantisers, rotations, memory and wires are not counted";
  }
  double LayerCost(size_t layer, const LayerFormats& formats) const override {
    PRECIS_CHECK(layer < layers_.size());
    return static_cast<double>(layers_[layer].macs) * AsicCost(quantity_, formats);
  }

 private:
  const AsicQuantity quantity_;
  const std::vector<Layer> layers_;
};

}  // namespace

const std::vector<AsicPoint>& AsicPoints() {
  static const auto& points = *new std::vector<AsicPoint>{
      {"mxfp8", 1.00, 1.00}, {"mxint8", 0.63, 0.79}, {"nvfp4", 0.55, 0.54}, {"nvint4", 0.34, 0.38}};
  return points;
}

double LaneGates(const LayerFormats& formats) {
  const ElementFormat& w = formats.weight.element;
  const ElementFormat& a = formats.activation.element;
  if (IsInteger(formats.weight) && IsInteger(formats.activation)) {
    return w.bits * a.bits * (kAndOr + kFullAdder) + (w.bits + a.bits) * kFullAdder;
  }
  const int p = Significand(w), q = Significand(a);
  const int exponent = std::max(w.exponent_bits, a.exponent_bits);
  const double aligner =
      std::min<double>(std::exp2(w.exponent_bits) + std::exp2(a.exponent_bits) + p + q - 2, kWidestAligner);
  const double shifter = aligner * std::log2(aligner);
  const double multiplier = p * q * (kAndOr + kFullAdder);
  const double exponents = exponent * (kFullAdder + (kFullAdder + kXor) + (kXor + 2 * kAndOr));
  return multiplier + aligner * kFullAdder + exponents + shifter * kMux +
         shifter * (kMux + kAndOr) / Lanes(formats);
}

double AsicCost(AsicQuantity quantity, const LayerFormats& formats, bool* published) {
  for (size_t i = 0; i < AsicPoints().size(); ++i) {
    const Format& format = PublishedFormats()[i];
    if (!SameHardware(formats.weight, format) || !SameHardware(formats.activation, format)) continue;
    if (published != nullptr) *published = true;
    return Of(AsicPoints()[i], quantity);
  }
  if (published != nullptr) *published = false;
  const Line line = LineOf(quantity, IsInteger(formats.weight) && IsInteger(formats.activation));
  return line.at_zero + line.slope * LaneGates(formats);
}

std::shared_ptr<const CostModel> MakeAsicCost(AsicQuantity quantity, std::vector<Layer> layers) {
  return std::make_shared<AsicCostModel>(quantity, std::move(layers));
}

}  // namespace precis::search
