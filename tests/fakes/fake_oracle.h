// FakeOracle: an Oracle without tensors, for tests of everything above the waist.
//
// The damage of an assignment is a sum over layers of sensitivity · decay^(2 - bits), three times as much at
// 2 bits; stem and classifier are the most sensitive, the other layers differ by the seed. Accuracy is
//   chance + (peak(steps) - chance) · exp(-damage),   peak rising to 0.92 over the first few hundred steps,
// and a little more damage where a layer runs at other widths than it was trained at, so that frozen steps
// help. At the defaults and enough steps: int8 about 92 %, int4 90 %, int3 79 %, int2 15 %. Measured values
// carry the noise of a finite sample (binomial, as a normal), drawn from hashes of the seed: equal calls in
// equal order give equal answers, and a counted evaluation depends on weights and assignment alone.
//
// What it "learns" lives in the first two values of every layer's weight, so files restore it.
//
// Threading: as Oracle.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numbers>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/graph/assignment.h"
#include "supernet/graph/model_graph.h"
#include "supernet/graph/oracle.h"
#include "supernet/graph/weight_file.h"

namespace precis {

struct FakeOracleOptions {
  uint64_t seed = 1;
  int64_t classes = 10;
  int64_t batch_size = 128;
  int64_t search_images = 6000;
  int64_t test_images = 10000;
  double steps_to_learn = 100;  // time constant of learning
  double decay = 6;             // of the damage, for one more bit, on the geometric average over layers
  double noise = 1;             // of measured accuracies, as a multiple of a finite sample's

  DataReport report = {};

  // Injected failures; steps, probes and evaluations count from 0.
  std::set<int64_t> exploding_steps;                  // not applied; the loss is NaN and 1e30 in turns
  std::function<bool(const Assignment&)> explodes;    // likewise, by assignment
  std::set<int64_t> non_finite_probes;                // NaN accuracy
  std::function<bool(const Assignment&)> not_finite;  // evaluations with NaN accuracy and loss
  int64_t failing_step = -1;                          // UNAVAILABLE
  int64_t failing_probe = -1;
  int64_t failing_evaluation = -1;
  bool save_fails = false;
};

class FakeOracle final : public Oracle {
 public:
  struct Call {
    enum class Kind { kTrain, kProbe, kEvaluateSearch, kEvaluateTest, kSave, kLoad } kind;
    Assignment assignment;  // empty for kLoad
  };

  FakeOracle(ModelGraph graph, FakeOracleOptions options)
      : graph_(std::move(graph)), options_(std::move(options)), layers_(graph_.Layers()) {
    const size_t n = layers_.size();
    skill_.assign(n, 0);
    habit_.assign(n, 8);
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const bool end = i == 0 || i + 1 == n;
      sensitivity_.push_back((end ? 3.0 : 1.0) * std::exp(0.7 * Normal("sensitivity", i)));
      sum += sensitivity_.back();
      decay_.push_back(options_.decay * std::exp(0.25 * Normal("decay", i)));
    }
    for (double& each : sensitivity_) each *= 0.9 / sum;
  }

  DataReport Report() const override { return options_.report; }

  absl::StatusOr<StepOutcome> TrainStep(const Assignment& assignment) override {
    Record(Call::Kind::kTrain, assignment);
    const int64_t step = steps_++;
    if (step == options_.failing_step) return absl::UnavailableError("injected failure of a training step");
    if (options_.exploding_steps.contains(step) || (options_.explodes && options_.explodes(assignment))) {
      return StepOutcome{.loss = step % 2 == 0 ? std::nan("") : 1e30, .accuracy = 0, .applied = false};
    }
    const double accuracy =
        Noisy(TrueAccuracy(assignment), options_.batch_size, Normal("train", static_cast<uint64_t>(step)));
    for (size_t i = 0; i < layers_.size(); ++i) {
      skill_[i] += 1;
      habit_[i] += 0.02F * (Bits(assignment.layers[i]) - habit_[i]);
    }
    return StepOutcome{.loss = Loss(accuracy), .accuracy = accuracy, .applied = true};
  }

  absl::StatusOr<Quality> Probe(const Assignment& assignment, int64_t images, ProbeImages which) override {
    PRECIS_CHECK(images > 0);
    Record(Call::Kind::kProbe, assignment);
    const int64_t probe = probes_++;
    const auto next = static_cast<uint64_t>(which == ProbeImages::kNext ? next_probes_++ : 0);
    if (probe == options_.failing_probe) return absl::UnavailableError("injected failure of a probe");
    if (options_.non_finite_probes.contains(probe)) return Quality{std::nan(""), std::nan(""), images};
    // On the same images most of the luck is shared.
    const double draw = which == ProbeImages::kNext
                            ? Normal("probe", next)
                            : 0.95 * Normal("same", static_cast<uint64_t>(images)) +
                                  0.3 * Normal(absl::StrCat("same ", AssignmentText(assignment)),
                                               static_cast<uint64_t>(images));
    const double accuracy = Noisy(TrueAccuracy(assignment), images, draw);
    return Quality{accuracy, Loss(accuracy), images};
  }

  absl::StatusOr<Evaluation> Evaluate(const Assignment& assignment, Split split) override {
    const bool test = split == Split::kTest;
    Record(test ? Call::Kind::kEvaluateTest : Call::Kind::kEvaluateSearch, assignment);
    if (evaluations_++ == options_.failing_evaluation) {
      return absl::UnavailableError("injected failure of an evaluation");
    }
    const int64_t images = test ? options_.test_images : options_.search_images;
    Evaluation evaluation;
    evaluation.quality = {std::nan(""), std::nan(""), images};
    if (!options_.not_finite || !options_.not_finite(assignment)) {
      const double draw = Normal(absl::StrCat(test ? "test " : "search ", AssignmentText(assignment)), 0);
      const double accuracy = Noisy(TrueAccuracy(assignment), images, draw);
      evaluation.quality = {accuracy, Loss(accuracy), images};
    }
    const std::vector<ActivationOperand> operands = graph_.ActivationOperands();
    for (size_t i = 0; i < operands.size(); ++i) {
      const double max_abs =
          2 + static_cast<double>(i) / 8 + 1.0 / Bits(assignment.layers[operands[i].layer]);
      evaluation.activation_ranges.push_back({-max_abs, max_abs});
    }
    return evaluation;
  }

  absl::Status SaveWeights(const Assignment& assignment, const std::string& path) override {
    Record(Call::Kind::kSave, assignment);
    if (options_.save_fails) return absl::UnavailableError(absl::StrCat(path, ": injected failure"));
    return WriteWeightFile(Weights(), path);
  }

  absl::Status LoadWeights(const std::string& path) override {
    calls_.push_back({Call::Kind::kLoad, {}});
    const absl::StatusOr<WeightFile> file = ReadWeightFile(path);
    if (!file.ok()) return file.status();
    const WeightFile mine = Weights();
    for (const auto& [name, tensor] : mine.tensors) {
      const auto found = file->tensors.find(name);
      if (found == file->tensors.end() || found->second.shape != tensor.shape) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": tensor ", name, " is missing or has another shape"));
      }
    }
    for (const auto& [name, tensor] : file->tensors) {
      if (!mine.tensors.contains(name)) {
        return absl::InvalidArgumentError(absl::StrCat(path, ": unknown tensor ", name));
      }
    }
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (!layers_[i].HasWeight()) continue;
      const WeightTensor& weight = file->tensors.at(layers_[i].name + ".weight");
      skill_[i] = weight.values[0];
      habit_[i] = weight.values[1];
    }
    return absl::OkStatus();
  }

  absl::Status SaveState(const std::string& path) override {
    WeightFile file;
    file.tensors = {{"skill", {{static_cast<int64_t>(skill_.size())}, skill_}},
                    {"habit", {{static_cast<int64_t>(habit_.size())}, habit_}}};
    file.metadata = {{"steps", absl::StrCat(steps_)},
                     {"probes", absl::StrCat(probes_)},
                     {"next_probes", absl::StrCat(next_probes_)},
                     {"evaluations", absl::StrCat(evaluations_)}};
    return WriteWeightFile(file, path);
  }

  absl::Status LoadState(const std::string& path) override {
    const absl::StatusOr<WeightFile> file = ReadWeightFile(path);
    if (!file.ok()) return file.status();
    const auto skill = file->tensors.find("skill");
    const auto habit = file->tensors.find("habit");
    bool fits = skill != file->tensors.end() && habit != file->tensors.end() &&
                skill->second.values.size() == skill_.size() && habit->second.values.size() == habit_.size();
    for (const auto& [name, count] :
         {std::pair{"steps", &steps_}, std::pair{"probes", &probes_}, std::pair{"next_probes", &next_probes_},
          std::pair{"evaluations", &evaluations_}}) {
      const auto found = file->metadata.find(name);
      fits = fits && found != file->metadata.end() && absl::SimpleAtoi(found->second, count);
    }
    if (!fits) return absl::DataLossError(absl::StrCat(path, " is no state of this oracle"));
    skill_ = skill->second.values;
    habit_ = habit->second.values;
    return absl::OkStatus();
  }

  // Without noise, under the weights as they are.
  double TrueAccuracy(const Assignment& assignment) const {
    PRECIS_CHECK(assignment.layers.size() == layers_.size());
    double damage = 0, steps = 0;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const float bits = Bits(assignment.layers[i]);
      damage += Damage(i, bits);
      damage += 0.002 * std::min(4.0F, std::abs(habit_[i] - bits)) / static_cast<double>(layers_.size());
      steps += skill_[i] / static_cast<double>(layers_.size());
    }
    const double chance = 1.0 / static_cast<double>(options_.classes);
    const double peak = chance + (0.92 - chance) * (1 - std::exp(-steps / options_.steps_to_learn));
    return chance + (peak - chance) * std::exp(-damage);
  }

  // What a layer of `bits` bits adds to the damage.
  double Damage(size_t layer, double bits) const {
    return sensitivity_[layer] * std::pow(decay_[layer], 2 - bits) * (bits <= 2 ? 3 : 1);
  }

  const std::vector<Call>& calls() const { return calls_; }

 private:
  static float Bits(const LayerFormats& formats) {
    return static_cast<float>(formats.weight.element.bits + formats.activation.element.bits) / 2;
  }
  static double Loss(double accuracy) { return -std::log(std::max(accuracy, 1e-3)); }

  void Record(Call::Kind kind, const Assignment& assignment) {
    PRECIS_CHECK(assignment.layers.size() == layers_.size());
    calls_.push_back({kind, assignment});
  }

  double Noisy(double accuracy, int64_t images, double draw) const {
    const double n = static_cast<double>(images);
    const double noisy = accuracy + options_.noise * draw * std::sqrt(accuracy * (1 - accuracy) / n);
    return std::round(std::clamp(noisy, 0.0, 1.0) * n) / n;
  }

  // Standard normal from the seed, a name and a number: FNV-1a, SplitMix64's finaliser, Box-Muller.
  double Normal(const std::string& name, uint64_t number) const {
    uint64_t hash = 0xcbf29ce484222325 ^ options_.seed;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash ^= number * 0x9e3779b97f4a7c15;
    const auto uniform = [&hash] {
      hash += 0x9e3779b97f4a7c15;
      uint64_t x = hash;
      x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
      x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
      return (static_cast<double>((x ^ (x >> 31)) >> 11) + 0.5) * 0x1.0p-53;
    };
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

  WeightFile Weights() const {
    WeightFile file;
    const auto put = [&file](const std::string& name, std::vector<int64_t> shape) -> WeightTensor& {
      int64_t count = 1;
      for (int64_t size : shape) count *= size;
      std::vector<float> values(static_cast<size_t>(count));
      for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 17) / 16 - 0.5F;
      return file.tensors[name] = {std::move(shape), std::move(values)};
    };
    for (const ParameterInfo& parameter : graph_.Parameters()) {
      put(parameter.name, parameter.shape);
      const Node& node = graph_.node(parameter.node);
      if (!std::holds_alternative<BatchNormNode>(node.op)) continue;
      for (const char* part : {".running_mean", ".running_var"}) put(node.name + part, {node.shape[0]});
    }
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (!layers_[i].HasWeight()) continue;
      WeightTensor& weight = file.tensors.at(layers_[i].name + ".weight");
      PRECIS_CHECK(weight.values.size() >= 2);
      weight.values[0] = skill_[i];
      weight.values[1] = habit_[i];
    }
    return file;
  }

  const ModelGraph graph_;
  const FakeOracleOptions options_;
  const std::vector<Layer> layers_;
  std::vector<double> sensitivity_;  // damage at 2 bits, but for the factor 3
  std::vector<double> decay_;        // of the damage, for one more bit
  std::vector<float> skill_;         // steps that trained the layer
  std::vector<float> habit_;         // moving average of the bits it was trained at
  int64_t steps_ = 0;
  int64_t probes_ = 0;
  int64_t next_probes_ = 0;
  int64_t evaluations_ = 0;
  std::vector<Call> calls_;
};

}  // namespace precis
