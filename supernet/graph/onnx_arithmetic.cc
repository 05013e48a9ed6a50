// Integers that may depend on the batch, and floats.
#include "supernet/graph/onnx_arithmetic.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "supernet/graph/onnx_constants.h"

namespace precis::onnx_reader {
namespace {

using Folded = absl::StatusOr<OnnxTensor>;
using FloatRule = double (*)(double, double);

const std::map<std::string, FloatRule, std::less<>>& FloatRules() {
  static const auto& rules = *new std::map<std::string, FloatRule, std::less<>>{
      {"Add", [](double a, double b) { return a + b; }},
      {"Sub", [](double a, double b) { return a - b; }},
      {"Mul", [](double a, double b) { return a * b; }},
      {"Div", [](double a, double b) { return a / b; }},
      {"Pow", [](double a, double b) { return std::pow(a, b); }},
      {"Min", [](double a, double b) { return std::min(a, b); }},
      {"Max", [](double a, double b) { return std::max(a, b); }},
      {"Equal", [](double a, double b) { return a == b ? 1.0 : 0.0; }},
      {"Greater", [](double a, double b) { return a > b ? 1.0 : 0.0; }},
      {"GreaterOrEqual", [](double a, double b) { return a >= b ? 1.0 : 0.0; }},
      {"Less", [](double a, double b) { return a < b ? 1.0 : 0.0; }},
      {"LessOrEqual", [](double a, double b) { return a <= b ? 1.0 : 0.0; }},
  };
  return rules;
}

bool IsComparison(const std::string& op) {
  return op == "Equal" || op.starts_with("Greater") || op.starts_with("Less");
}

const std::map<std::string, double (*)(double), std::less<>>& UnaryRules() {
  static const auto& rules = *new std::map<std::string, double (*)(double), std::less<>>{
      {"Sqrt", [](double x) { return std::sqrt(x); }},
      {"Exp", [](double x) { return std::exp(x); }},
      {"Log", [](double x) { return std::log(x); }},
      {"Neg", [](double x) { return -x; }},
      {"Abs", [](double x) { return std::fabs(x); }},
      {"Floor", [](double x) { return std::floor(x); }},
      {"Ceil", [](double x) { return std::ceil(x); }},
      {"Reciprocal", [](double x) { return 1 / x; }},
      {"Erf", [](double x) { return std::erf(x); }},
      {"Round", [](double x) { return std::nearbyint(x); }},
      {"Tanh", [](double x) { return std::tanh(x); }},
      {"Sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }},
      {"Relu", [](double x) { return std::max(x, 0.0); }},
  };
  return rules;
}

}  // namespace

bool IsUnary(std::string_view op) { return UnaryRules().contains(op); }

bool IsBinary(std::string_view op) {
  return FloatRules().contains(op) || op == "Mod" || op == "And" || op == "Or";
}

absl::StatusOr<BatchInt> IntegerResult(const std::string& op, const BatchInt& a, const BatchInt& b) {
  constexpr int64_t kLimit = int64_t{1} << 31;  // no count is near it, and no product of two overflows
  const auto small = [](const BatchInt& x) {
    return std::max(std::abs(x.value), std::abs(x.batches)) <= kLimit;
  };
  const bool plain = a.batches == 0 && b.batches == 0;
  const bool compares = op == "Equal";
  // "To the end" in slices is the largest integer, and only travels.
  if (!compares && !(plain && (op == "Min" || op == "Max")) &&
      (a.value == std::numeric_limits<int64_t>::min() || b.value == std::numeric_limits<int64_t>::min() ||
       !small(a) || !small(b))) {
    return Unsupported("integers beyond 2^31");
  }
  if (op == "Add") return BatchInt{a.value + b.value, a.batches + b.batches};
  if (op == "Sub") return BatchInt{a.value - b.value, a.batches - b.batches};
  if (op == "Equal") return BatchInt{a == b ? 1 : 0, 0};
  if (op == "Mul" && (a.batches == 0 || b.batches == 0)) {
    return BatchInt{a.value * b.value, a.batches * b.value + a.value * b.batches};
  }
  if (op == "Div" && b.batches == 0 && b.value != 0 &&
      (plain || (a.value % b.value == 0 && a.batches % b.value == 0))) {
    return BatchInt{a.value / b.value, a.batches / b.value};
  }
  if (!plain) return Unsupported(op, " of a number that depends on the batch");
  const int64_t x = a.value;
  const int64_t y = b.value;
  if (op == "Mod" && y != 0) return BatchInt{(x % y + y) % y, 0};
  if (op == "Min") return BatchInt{std::min(x, y), 0};
  if (op == "Max") return BatchInt{std::max(x, y), 0};
  if (op == "Greater") return BatchInt{x > y ? 1 : 0, 0};
  if (op == "GreaterOrEqual") return BatchInt{x >= y ? 1 : 0, 0};
  if (op == "Less") return BatchInt{x < y ? 1 : 0, 0};
  if (op == "LessOrEqual") return BatchInt{x <= y ? 1 : 0, 0};
  if (op == "And") return BatchInt{x != 0 && y != 0 ? 1 : 0, 0};
  if (op == "Or") return BatchInt{x != 0 || y != 0 ? 1 : 0, 0};
  if (op == "Pow" && y >= 0 && y <= 62) {
    const double power = std::pow(static_cast<double>(x), static_cast<double>(y));
    if (std::fabs(power) <= static_cast<double>(kLimit)) return BatchInt{static_cast<int64_t>(power), 0};
  }
  return Unsupported(op, " of ", x, " and ", y);
}

Folded Binary(const std::string& op, const OnnxTensor& first, const OnnxTensor& second, Budget& budget) {
  const std::optional<std::vector<int64_t>> dims = BroadcastDims(first.dims, second.dims);
  if (!dims.has_value()) return Unsupported("shapes that do not fit each other");
  const Folded a = BroadcastTo(first, *dims, budget);
  if (!a.ok()) return a.status();
  const Folded b = BroadcastTo(second, *dims, budget);
  if (!b.ok()) return b.status();
  OnnxTensor out{.dims = *dims, .is_float = a->is_float && !IsComparison(op), .floats = {}, .ints = {}};
  if (!a->is_float && !b->is_float) {
    for (size_t i = 0; i < a->ints.size(); ++i) {
      const absl::StatusOr<BatchInt> result = IntegerResult(op, a->ints[i], b->ints[i]);
      if (!result.ok()) return result.status();
      out.ints.push_back(*result);
    }
    return out;
  }
  const auto rule = FloatRules().find(op);
  if (!a->is_float || rule == FloatRules().end()) return Unsupported(op, " of floats and integers");
  for (size_t i = 0; i < a->floats.size(); ++i) {
    if (!b->is_float && b->ints[i].batches != 0)
      return Unsupported(op, " of a number that depends on the batch");
    const double right = b->is_float ? b->floats[i] : static_cast<double>(b->ints[i].value);
    const double result = rule->second(a->floats[i], right);
    if (out.is_float) {
      out.floats.push_back(static_cast<float>(result));
    } else {
      out.ints.push_back({result != 0 ? 1 : 0, 0});
    }
  }
  return out;
}

Folded Unary(const std::string& op, const OnnxTensor& x, Budget& budget) {
  if (absl::Status status = budget.Spend(x.size()); !status.ok()) return status;
  OnnxTensor out = x;
  for (float& value : out.floats) value = static_cast<float>(UnaryRules().at(op)(value));
  for (BatchInt& each : out.ints) {
    constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
    if ((op != "Neg" && op != "Abs" && op != "Relu") || each.value == kLeast || each.batches == kLeast ||
        (op != "Neg" && each.batches != 0)) {
      return Unsupported(op, " of integers");
    }
    if (op == "Neg") each = {-each.value, -each.batches};
    if (op == "Abs") each.value = std::abs(each.value);
    if (op == "Relu") each.value = std::max<int64_t>(each.value, 0);
  }
  return out;
}

Folded Cast(OnnxNode& node, const OnnxTensor& x) {
  const int64_t to = node.attributes.Int("to", 0);
  if (to < 0 || to > 100 || (!IsFloatType(static_cast<int>(to)) && !IsIntegerType(static_cast<int>(to)))) {
    return Unsupported("a cast to type ", to);
  }
  if (absl::Status status = node.budget.Spend(x.size()); !status.ok()) return status;
  OnnxTensor out{.dims = x.dims, .is_float = IsFloatType(static_cast<int>(to)), .floats = {}, .ints = {}};
  if (out.is_float == x.is_float) out = x;
  if (out.is_float && !x.is_float) {
    for (const BatchInt& each : x.ints) {
      if (each.batches != 0) return Unsupported("a cast to float of a number that depends on the batch");
      out.floats.push_back(static_cast<float>(each.value));
    }
  }
  if (!out.is_float && x.is_float) {
    for (const float value : x.floats) {
      if (!(std::fabs(value) < 0x1p62f)) return Unsupported("a cast of ", value, " to an integer");
      out.ints.push_back({static_cast<int64_t>(value), 0});
    }
  }
  if (to == onnx::TensorProto::BOOL) {
    for (size_t i = 0; i < out.ints.size(); ++i) {
      const bool zero = x.is_float ? x.floats[i] == 0 : x.ints[i] == BatchInt{};
      out.ints[i] = {zero ? 0 : 1, 0};
    }
  }
  return out;
}

}  // namespace precis::onnx_reader
