// Grids, GPTQ and learned rounding: on every format's own grid, and better than nearest rounding.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "supernet/execution/gptq.h"
#include "supernet/execution/layer_moments.h"
#include "supernet/execution/learned_rounding.h"
#include "supernet/execution/run_node.h"
#include "supernet/execution/weight_grid.h"
#include "tests/supernet/execution/synthetic.h"

namespace precis {
namespace {

at::Tensor NearNormal(at::IntArrayRef shape, uint64_t seed) {
  std::mt19937_64 generator(seed);
  at::Tensor tensor = at::empty(shape);
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    double sum = -6;
    for (int k = 0; k < 12; ++k) sum += static_cast<double>(generator() >> 11) * 0x1p-53;
    tensor.data_ptr<float>()[i] = static_cast<float>(sum);
  }
  return tensor;
}

// One convolution of that many groups, read as layer 1 of a network.
ModelGraph OneLayer(int64_t groups) {
  ModelGraph g("one", {8, 6, 6});
  Append(g, "conv", Conv2dNode{.out_channels = 8, .kernel = 3, .padding = {1, 0, 1, 1}, .groups = groups},
         {0});
  return g;
}

std::vector<Format> Grids() {
  std::vector<Format> formats;
  for (const Format& format : CatalogueFormats()) {
    if (HasGrid(format)) formats.push_back(format);
  }
  for (const char* name :
       {"int4@fp32:16", "e2m1@ue5m3:16:global", "mxint4:ceil", "mxfp4:even", "int3:tensor"}) {
    if (const absl::StatusOr<Format> format = ParseFormat(name); format.ok() && HasGrid(*format)) {
      formats.push_back(*format);
    }
  }
  return formats;
}

struct Trial {
  explicit Trial(int64_t groups, RangeRule rule = RangeRule::kMeanSquareError)
      : net(OneLayer(groups), 1, c10::kCPU, {.weights = rule}),
        x(NearNormal({40, 8, 6, 6}, 7).abs()),
        rounded((x * 2).round() / 2 * 0.95),
        moments(net.graph().node(1), 40, true) {
    const c10::NoGradGuard no_gradients;
    net.Weight(1).copy_(NearNormal(net.Weight(1).sizes(), 3) * 0.2);
    // Neighbouring channels go together, as they do in networks.
    x = x + x.roll(1, 1) + x.roll(2, 1);
    rounded = (x * 2).round() / 2 * 0.95;
    moments.Add(x, rounded);
  }

  // What rounding does to the layer's output, measured on the data themselves.
  double Error(const at::Tensor& rows) const {
    const NodeOp& op = net.graph().node(1).op;
    const at::Tensor y = RunLayer(op, x, net.Weight(1), {});
    const at::Tensor of = RunLayer(op, rounded, FromRows(rows, net.Weight(1)), {});
    return (y - of).to(at::kDouble).square().mean().item<double>();
  }
  // Stores what was chosen as the oracle does, and rounds it anew.
  at::Tensor Again(const WeightGrid& grid, const Format& format, const at::Tensor& rows) {
    const c10::NoGradGuard no_gradients;
    Supernet copy = net.Clone();
    copy.Weight(1).copy_(FromRows(rows, net.Weight(1)));
    if (grid.range().defined()) copy.ranges().Restore({1, Operand::kWeight, format}, grid.range());
    return ToRows(copy.QuantizedWeight(1, format, 0), WeightGroups(net.graph().node(1).op)).detach();
  }

  Supernet net;
  at::Tensor x;
  at::Tensor rounded;
  LayerMoments moments;
};

// The codes are equal; values differ by roundings of an FP32 scale at most.
void ExpectSameCodes(const at::Tensor& a, const at::Tensor& b, const Format& format) {
  EXPECT_LE(((a - b).abs() - 1e-6 * b.abs()).max().item<double>(), 0) << FormatName(format);
  if (!IsBlockScaled(format)) {
    EXPECT_TRUE(at::equal(a, b)) << FormatName(format);
  }
}

TEST(WeightGrid, NearestIsWhatQuantisationGives) {
  for (const Format& format : Grids()) {
    for (const int64_t groups : {1, 2, 8}) {
      Trial trial(groups);
      const WeightGrid grid(trial.net, 1, format);
      const at::Tensor quantised = ToRows(trial.net.QuantizedWeight(1, format, 0), groups).detach();
      ExpectSameCodes(grid.Nearest(grid.weights(), 0), quantised, format);
    }
  }
}

TEST(WeightGrid, WhatIsChosenIsFoundAgain) {
  for (const RangeRule rule : {RangeRule::kMaxAbs, RangeRule::kMeanSquareError}) {
    for (const Format& format : Grids()) {
      Trial trial(1, rule);
      const WeightGrid grid(trial.net, 1, format);
      const Neighbours near = grid.NeighboursOf(grid.weights(), 0);
      at::Tensor chosen = at::where(NearNormal(grid.weights().sizes(), 11).gt(0), near.lower, near.upper);
      if (grid.pinned().defined()) {
        chosen = at::where(grid.pinned(), grid.Nearest(grid.weights(), 0), chosen);
      }
      ExpectSameCodes(trial.Again(grid, format, chosen), chosen, format);
    }
  }
}

TEST(WeightGrid, NeighboursEncloseTheWeight) {
  Trial trial(1);
  const WeightGrid grid(trial.net, 1, *ParseFormat("e2m1"));
  const Neighbours near = grid.NeighboursOf(grid.weights(), 0);
  const at::Tensor inside = near.lower.lt(near.upper);
  EXPECT_TRUE(near.lower.le(grid.weights()).logical_or(inside.logical_not()).all().item<bool>());
  EXPECT_TRUE(near.upper.ge(grid.weights()).logical_or(inside.logical_not()).all().item<bool>());
}

TEST(LayerMoments, TellTheErrorOfALayer) {
  for (const int64_t groups : {1, 2, 8}) {
    Trial trial(groups);
    const at::Tensor weights = ToRows(trial.net.Weight(1), groups).detach();
    const at::Tensor some = (weights * 8).round() / 8;
    const at::Tensor second = trial.moments.Second();
    const at::Tensor cross = trial.moments.Cross();
    // Without w·E[x xᵀ]·wᵀ: differences are what the data say.
    const double by_moments =
        (RowErrors(weights, some, second, cross) - RowErrors(weights, weights, second, cross))
            .mean()
            .item<double>();
    EXPECT_NEAR(by_moments, trial.Error(some) - trial.Error(weights), 1e-4 * trial.Error(some)) << groups;
  }
}

TEST(Gptq, BeatsNearestRoundingOnEveryGrid) {
  for (const Format& format : Grids()) {
    for (const int64_t groups : {1, 2, 8}) {
      Trial trial(groups);
      trial.x = trial.rounded;  // GPTQ's error is that of the weights alone
      const WeightGrid grid(trial.net, 1, format);
      const at::Tensor chosen = RoundByGptq(grid, trial.moments.Second());
      ExpectSameCodes(trial.Again(grid, format, chosen), chosen, format);
      const double nearest = trial.Error(grid.Nearest(grid.weights(), 0));
      EXPECT_LE(trial.Error(chosen), nearest * (1 + 1e-5)) << FormatName(format);
      if (format.element.bits <= 4 && groups == 1) {
        EXPECT_LT(trial.Error(chosen), 0.85 * nearest) << FormatName(format);
      }
    }
  }
}

TEST(LearnedRounding, BeatsNearestRoundingOnEveryGrid) {
  for (const Format& format : Grids()) {
    for (const int64_t groups : {1, 2}) {
      Trial trial(groups);
      const WeightGrid grid(trial.net, 1, format);
      const at::Tensor chosen =
          LearnRounding(grid, trial.moments.Second(), trial.moments.Cross(), {.steps = 300, .rate = 0.03});
      ExpectSameCodes(trial.Again(grid, format, chosen), chosen, format);
      const double nearest = trial.Error(grid.Nearest(grid.weights(), 0));
      EXPECT_LE(trial.Error(chosen), nearest * (1 + 1e-5)) << FormatName(format);
      if (format.element.bits <= 4) {
        EXPECT_LT(trial.Error(chosen), 0.85 * nearest) << FormatName(format);
      }
    }
  }
}

TEST(LearnedRounding, IsAFunctionOfItsArguments) {
  Trial trial(1);
  const WeightGrid grid(trial.net, 1, *ParseFormat("int3"));
  const auto learn = [&] {
    return LearnRounding(grid, trial.moments.Second(), trial.moments.Cross(), {.steps = 50});
  };
  EXPECT_TRUE(at::equal(learn(), learn()));
}

// The paper's recursion as it stands before any Cholesky factor: after each column the inverse of the Hessian
// of the columns that are left.
std::vector<double> PlainGptq(std::vector<double> w, std::vector<std::vector<double>> h, double scale,
                              double end) {
  const size_t n = w.size();
  double mean = 0;
  for (size_t i = 0; i < n; ++i) mean += h[i][i] / static_cast<double>(n);
  std::vector<size_t> order(n);
  for (size_t i = 0; i < n; ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return h[a][a] > h[b][b]; });
  for (size_t i = 0; i < n; ++i) h[i][i] += 0.01 * mean;
  // Gauss-Jordan.
  std::vector<std::vector<double>> inverse(n, std::vector<double>(n));
  for (size_t i = 0; i < n; ++i) inverse[i][i] = 1;
  for (size_t i = 0; i < n; ++i) {
    const double pivot = h[i][i];
    for (size_t j = 0; j < n; ++j) {
      h[i][j] /= pivot;
      inverse[i][j] /= pivot;
    }
    for (size_t k = 0; k < n; ++k) {
      const double factor = h[k][i];
      if (k == i) continue;
      for (size_t j = 0; j < n; ++j) {
        h[k][j] -= factor * h[i][j];
        inverse[k][j] -= factor * inverse[i][j];
      }
    }
  }
  std::vector<double> q(n);
  for (const size_t i : order) {
    q[i] = std::clamp(std::nearbyint(w[i] / scale), -end, end) * scale;
    const double error = (w[i] - q[i]) / inverse[i][i];
    for (size_t j = 0; j < n; ++j) w[j] -= error * inverse[i][j];
    const std::vector<double> row = inverse[i];
    for (size_t a = 0; a < n; ++a) {
      for (size_t b = 0; b < n; ++b) inverse[a][b] -= row[a] * row[b] / row[i];
    }
  }
  return q;
}

TEST(Gptq, IsThePapersRecursion) {
  Trial trial(1, RangeRule::kMaxAbs);
  const Format format = *ParseFormat("int4");
  const WeightGrid grid(trial.net, 1, format);
  const at::Tensor chosen = RoundByGptq(grid, trial.moments.Second());
  const at::Tensor nearest = grid.Nearest(grid.weights(), 0);
  const at::Tensor second = trial.moments.Second().contiguous();
  const int64_t rows = grid.weights().size(1);
  const int64_t columns = grid.weights().size(2);
  std::vector<std::vector<double>> h(static_cast<size_t>(columns));
  for (int64_t i = 0; i < columns; ++i) {
    const double* of = second.data_ptr<double>() + i * columns;
    h[static_cast<size_t>(i)].assign(of, of + columns);
  }
  int64_t taken = 0;
  for (int64_t row = 0; row < rows; ++row) {
    if (at::equal(chosen[0][row], nearest[0][row])) continue;  // which was no worse
    const float* of = grid.weights().data_ptr<float>() + row * columns;
    const double scale = static_cast<double>(grid.range()[row].item<float>() / 7);
    const std::vector<double> plain = PlainGptq(std::vector<double>(of, of + columns), h, scale, 7);
    for (int64_t i = 0; i < columns; ++i) {
      EXPECT_NEAR(chosen[0][row][i].item<double>(), plain[static_cast<size_t>(i)], 1e-5) << row << " " << i;
    }
    ++taken;
  }
  EXPECT_GT(taken, rows / 2);
}

}  // namespace
}  // namespace precis
