// Training, measuring and keeping the shared weights. Host and device meet once a step and once an
// evaluation: figures are gathered on the device and fetched together.
#include "supernet/execution/supernet_oracle.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/str_join.h"
#include "supernet/data/cores.h"
#include "supernet/execution/frozen_network.h"
#include "supernet/execution/noise_scores.h"
#include "supernet/execution/torch_guard.h"
#include "supernet/execution/weight_exchange.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

// Streams of random numbers that one seed feeds; the numbers are part of what a seed promises.
enum class Stream : uint64_t {
  kWeights = 1,
  kSplit,
  kTrainOrder,
  kSearchOrder,
  kRecalibration,
  kSameProbe,
  kRounding,
  kAugmentation
};

// Of a batch norm's input, so that channels that are always 0 can be compared.
constexpr double kLeastVariance = 1e-5;

// splitmix64 of the seed and the stream: near seeds give unrelated streams.
uint64_t StreamSeed(uint64_t seed, Stream stream) {
  uint64_t mixed = seed + 0x9E3779B97F4A7C15u * static_cast<uint64_t>(stream);
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
  return mixed ^ (mixed >> 31);
}

TrainSearchSplit SplitOf(const Dataset& dataset, const OracleOptions& options) {
  return SplitTrainSearch(dataset.train.labels, static_cast<int>(dataset.info.classes), options.search_images,
                          StreamSeed(options.training.seed, Stream::kSplit));
}

std::vector<at::Tensor> Values(const std::vector<Parameter>& parameters) {
  std::vector<at::Tensor> values;
  for (const Parameter& parameter : parameters) values.push_back(parameter.value);
  return values;
}

std::vector<bool> Decays(const std::vector<Parameter>& parameters) {
  std::vector<bool> decays;
  for (const Parameter& parameter : parameters) decays.push_back(parameter.decays);
  return decays;
}

// The ranges of the operands as a pass found them.
class OperandRanges : public ForwardObserver {
 public:
  explicit OperandRanges(const Supernet& net) : ranges_(net.operands().size()) {}

  void OnOperand(size_t operand, const at::Tensor& range) override { ranges_[operand] = range; }
  void OnBatchNorm(NodeId /*node*/, const at::Tensor& /*mean*/,
                   const at::Tensor& /*inverse_deviation*/) override {}

  const std::vector<at::Tensor>& ranges() const { return ranges_; }

 private:
  std::vector<at::Tensor> ranges_;
};

std::vector<ActivationRange> ToHost(const std::vector<at::Tensor>& ranges) {
  std::vector<ActivationRange> host;
  for (const at::Tensor& range : ranges) {
    const at::Tensor ends = range.to(at::kCPU).to(at::kDouble).contiguous();
    const double* end = ends.data_ptr<double>();
    const bool two_ends = ends.numel() == 2;
    host.push_back({.low = two_ends ? end[0] : -end[0], .high = two_ends ? end[1] : end[0]});
  }
  return host;
}

// A set, and how the loader reads it, if it does. On the CPU it shares the cores with the network; images in
// memory cost it little.
ImageStore StoreOf(const Dataset& dataset, ImageSet& images, bool varied, const DataOptions& options,
                   c10::Device device) {
  HostLoading loading{.always = varied, .threads = options.loader_threads};
  if (loading.threads == 0) {
    const int cores = AvailableCores();
    loading.threads = images.files == nullptr ? 1 : std::max(1, device.is_cuda() ? cores : cores / 2);
  }
  return ImageStore(dataset, std::move(images), device, loading);
}

}  // namespace

SupernetOracle::SupernetOracle(const ModelGraph& graph, Dataset dataset, const OracleOptions& options,
                               c10::Device device)
    : options_(options.training),
      explosion_loss_(options.training.explosion_factor *
                      std::log(static_cast<double>(dataset.info.classes))),
      skipped_images_(dataset.skipped_images),
      pixel_statistics_({{"pixel_mean", absl::StrJoin(dataset.mean, ",")},
                         {"pixel_stddev", absl::StrJoin(dataset.stddev, ",")}}),
      search_indices_(SplitOf(dataset, options).search),
      recalibration_indices_(SplitOf(dataset, options).train),
      test_indices_(static_cast<size_t>(dataset.test.count)),
      train_images_(StoreOf(dataset, dataset.train, options.data.augment.Any(), options.data, device)),
      test_images_(StoreOf(dataset, dataset.test, false, options.data, device)),
      network_(options.network),
      net_(network_ == nullptr ? graph : network_->Graph(network_->Largest()),
           StreamSeed(options_.seed, Stream::kWeights), device, options_.ranges),
      optimizer_(Values(net_.parameters()), Decays(net_.parameters()), options_),
      gradient_watch_(options_.gradient_explosion_factor, options_.gradient_clip_norm),
      train_batches_(
          train_images_,
          [order = BatchSampler(recalibration_indices_, StreamSeed(options_.seed, Stream::kTrainOrder)),
           size = options_.batch_size]() mutable { return order.Next(size); },
          options.data.augment, StreamSeed(options_.seed, Stream::kAugmentation)),
      search_order_(search_indices_, StreamSeed(options_.seed, Stream::kSearchOrder)),
      post_training_(options.post_training) {
  std::mt19937_64 generator(StreamSeed(options_.seed, Stream::kRecalibration));
  Shuffle(recalibration_indices_, generator);
  recalibration_indices_.resize(
      std::min(recalibration_indices_.size(), static_cast<size_t>(options_.recalibration_images)));
  std::iota(test_indices_.begin(), test_indices_.end(), 0);
  same_probe_indices_ = search_indices_;
  generator.seed(StreamSeed(options_.seed, Stream::kSameProbe));
  Shuffle(same_probe_indices_, generator);
}

bool SupernetOracle::Fits(const Assignment& assignment) const {
  const Architecture& architecture = assignment.architecture;
  return assignment.layers.size() == net_.layer_count() &&
         (architecture.empty() || (network_ != nullptr && network_->Has(architecture)));
}

SupernetOracle::Part SupernetOracle::PartFor(const Assignment& assignment) const {
  if (network_ == nullptr) return {.net = &net_, .assignment = assignment};
  Part part = {
      .assignment = network_->CutOut(assignment),
      .own = std::make_shared<const Supernet>(net_.CutOut(network_->Graph(assignment.architecture)))};
  part.net = part.own.get();
  return part;
}

absl::StatusOr<StepOutcome> SupernetOracle::TrainStep(const Assignment& assignment) {
  PRECIS_CHECK(Fits(assignment));
  const auto begin = std::chrono::steady_clock::now();
  absl::StatusOr<StepOutcome> outcome =
      Guarded("training a step", [&]() -> absl::StatusOr<StepOutcome> { return Train(assignment); });
  seconds_trained_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (outcome.ok()) outcome->data = Report();
  return outcome;
}

// Gives every range that the assignment learns and that has not been met a start from this batch and the
// weights. Returns those.
std::vector<RangeKey> SupernetOracle::BeginToLearn(const Part& part, const at::Tensor& images) {
  RangeBook& book = net_.ranges();
  const Supernet& net = *part.net;
  const Assignment& assignment = part.assignment;
  struct Read {
    RangeKey key;
    size_t operand;  // of an activation
  };
  std::vector<Read> reads;  // by layer: its input, then its weight or second operand
  const auto add_operand = [&](size_t i) {
    reads.push_back(
        {{net.Whole(net.operands()[i].node), Operand::kActivation, net.FormatOf(i, assignment)}, i});
  };
  for (size_t layer = 0; layer < assignment.layers.size(); ++layer) {
    add_operand(layer);
    if (net.layers()[layer].HasWeight()) {
      const NodeId node = net.Whole(net.layers()[layer].node);
      reads.push_back({{node, Operand::kWeight, assignment.layers[layer].weight}, 0});
    } else {
      add_operand(net.SecondOperand(layer));
    }
  }
  const auto is_new = [&](const Read& read) {
    return book.Learns(read.key.operand, read.key.format) && !book.Find(read.key).defined();
  };
  std::vector<RangeKey> begun;
  if (std::none_of(reads.begin(), reads.end(), is_new)) return begun;

  const c10::NoGradGuard no_gradients;
  OperandRanges found(net);
  net.Forward(images, assignment, {.observer = &found});
  for (const Read& read : reads) {
    const RangeKey& key = read.key;
    if (!is_new(read)) continue;
    const at::Tensor start = key.operand == Operand::kActivation
                                 ? found.ranges()[read.operand]
                                 : MeasureRange(net_.Weight(key.node), Operand::kWeight, key.format,
                                                book.MethodOf(Operand::kWeight));
    if (!book.Learn(key, start)) continue;
    learned_.push_back(book.Find(key));
    optimizer_.Add(learned_.back());
    begun.push_back(key);
  }
  return begun;
}

absl::StatusOr<StepOutcome> SupernetOracle::Train(const Assignment& assignment) {
  const absl::StatusOr<Batch> taken = train_batches_.Take();
  if (!taken.ok()) return taken.status();
  const Batch& batch = *taken;
  const double rate = LearningRateAt(step_, options_);
  const uint64_t rounding =
      StreamSeed(options_.seed, Stream::kRounding) + (static_cast<uint64_t>(step_) << 32);
  ++step_;
  Part part = PartFor(assignment);
  const std::vector<RangeKey> begun = BeginToLearn(part, batch.images);
  // So that the part has the new ranges.
  if (!begun.empty()) part = PartFor(assignment);

  OperandRanges found(*part.net);
  const bool averages = options_.ranges.activations == RangeRule::kMovingAverage;
  const at::Tensor logits = part.net->Forward(batch.images, part.assignment,
                                              {.observer = averages ? &found : nullptr, .seed = rounding});
  const at::Tensor loss =
      at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Mean, -100, options_.label_smoothing);
  std::vector<at::Tensor> parameters = Values(net_.parameters());
  parameters.insert(parameters.end(), learned_.begin(), learned_.end());
  std::vector<at::Tensor> gradients = torch::autograd::grad(
      {loss}, parameters, {}, c10::nullopt, false, /*allow_unused=*/network_ != nullptr || !learned_.empty());

  const c10::NoGradGuard no_gradients;
  const at::Tensor correct = logits.argmax(1).eq(batch.labels).sum().to(at::kFloat);
  const at::Tensor figures = at::stack({loss.detach(), GlobalNorm(gradients), correct}).to(at::kCPU);
  const float* figure = figures.data_ptr<float>();
  const double norm = figure[1];

  StepOutcome outcome;
  outcome.loss = figure[0];
  outcome.accuracy = figure[2] / static_cast<double>(batch.labels.size(0));
  outcome.applied =
      std::isfinite(outcome.loss) && outcome.loss <= explosion_loss_ && gradient_watch_.Accepts(norm);
  if (!outcome.applied) {
    for (const RangeKey& key : begun) net_.ranges().Forget(key);
    learned_.resize(learned_.size() - begun.size());
    optimizer_.Truncate(net_.parameters().size() + learned_.size());
    return outcome;
  }

  if (options_.gradient_clip_norm > 0 && norm > options_.gradient_clip_norm) {
    for (at::Tensor& gradient : gradients) {
      if (gradient.defined()) gradient.mul_(options_.gradient_clip_norm / norm);
    }
  }
  std::vector<at::Tensor> before;
  for (const at::Tensor& range : learned_) before.push_back(range.detach().clone());
  optimizer_.Step(std::move(gradients), rate);
  tuned_.clear();
  for (size_t i = 0; i < learned_.size(); ++i) {
    // No step, however wild, makes a range vanish or turn around.
    const at::Tensor range = learned_[i];
    range.copy_(at::minimum(at::maximum(range, before[i] * 0.5), before[i] * 2));
  }
  if (averages) MoveAverages(part, found.ranges());
  return outcome;
}

void SupernetOracle::MoveAverages(const Part& part, const std::vector<at::Tensor>& found) {
  const Supernet& net = *part.net;
  std::set<RangeKey> moved;  // layers that read one tensor in one format share its average
  for (size_t i = 0; i < found.size(); ++i) {
    const RangeKey key = {net.Whole(net.operands()[i].node), Operand::kActivation,
                          net.FormatOf(i, part.assignment)};
    if (!net_.ranges().Averages(key.operand, key.format) || !moved.insert(key).second) continue;
    net_.ranges().Average(key, found[i]);
  }
}

template <typename Forward>
absl::StatusOr<Quality> SupernetOracle::MeasureSearch(std::span<const int64_t> indices,
                                                      const Forward& forward) const {
  QualitySum sum;
  size_t begin = 0;
  const absl::Status read =
      ForEachBatch(train_images_, indices, options_.evaluation_batch_size, [&](const Batch& batch) {
        const int64_t count = batch.labels.size(0);
        if (teacher_.has_value()) {
          sum.AddAgainst(forward(batch.images), teacher_->LogProbabilities(indices, begin, count));
        } else {
          sum.Add(forward(batch.images), batch.labels);
        }
        begin += static_cast<size_t>(count);
      });
  if (!read.ok()) return read;
  return sum.Fetch();
}

absl::StatusOr<Quality> SupernetOracle::Probe(const Assignment& assignment, int64_t images,
                                              ProbeImages which) {
  PRECIS_CHECK(Fits(assignment) && images > 0);
  return Guarded("probing an assignment", [&]() -> absl::StatusOr<Quality> {
    const c10::NoGradGuard no_gradients;
    const Part part = PartFor(assignment);
    std::vector<int64_t> next;
    if (which == ProbeImages::kNext) {
      next = search_order_.Next(images);
      probed_images_ += images;
    }
    return MeasureSearch(which == ProbeImages::kNext ? std::span<const int64_t>(next) : SameImages(images),
                         [&](const at::Tensor& x) {
                           return part.net->Forward(x, part.assignment, {.norms = Norms(part.assignment)});
                         });
  });
}

std::span<const int64_t> SupernetOracle::SameImages(int64_t count) const {
  PRECIS_CHECK(count > 0 && static_cast<size_t>(count) <= same_probe_indices_.size());
  return std::span(same_probe_indices_).first(static_cast<size_t>(count));
}

absl::StatusOr<LayerScores> SupernetOracle::NoiseScores(NoiseMeasure measure, const Assignment& base,
                                                        const LayerOptions& options, int64_t images) {
  PRECIS_CHECK(network_ == nullptr && Fits(base) && options.size() == net_.layer_count());
  return Guarded("scoring formats", [&] {
    return MeasureNoise(net_, measure, base, options, train_images_, SameImages(images),
                        options_.evaluation_batch_size);
  });
}

absl::StatusOr<Calibration> SupernetOracle::CalibrateFor(const Part& part) const {
  const NormStatistics* const norms = Norms(part.assignment);
  absl::StatusOr<Calibration> calibration =
      Calibrate(*part.net, part.assignment, train_images_, recalibration_indices_,
                options_.evaluation_batch_size, norms);
  for (size_t node = 0; calibration.ok() && norms != nullptr && node < norms->mean.size(); ++node) {
    if (!norms->mean[node].defined()) continue;
    at::Tensor& mean = calibration->mean[node];
    at::Tensor& variance = calibration->variance[node];
    mean = norms->relative ? mean + norms->mean[node] : norms->mean[node];
    variance = norms->relative ? variance * norms->variance[node] : norms->variance[node];
  }
  return calibration;
}

bool SupernetOracle::IsFloat(const Assignment& assignment) const {
  return std::all_of(assignment.layers.begin(), assignment.layers.end(), [](const LayerFormats& formats) {
    return IsFloat32(formats.weight) && formats.weight.hadamard == 0 && IsFloat32(formats.activation) &&
           formats.activation.hadamard == 0;
  });
}

const NormStatistics* SupernetOracle::Norms(const Assignment& assignment) const {
  if (!own_norms_.has_value()) return nullptr;
  return corrections_.has_value() && !IsFloat(assignment) ? &*corrections_ : &*own_norms_;
}

absl::StatusOr<Evaluation> SupernetOracle::Evaluate(const Assignment& assignment, Split split) {
  PRECIS_CHECK(Fits(assignment));
  return Guarded("evaluating an assignment", [&]() -> absl::StatusOr<Evaluation> {
    const c10::NoGradGuard no_gradients;
    const absl::StatusOr<Part> part = CountedPart(assignment);
    if (!part.ok()) return part.status();
    const absl::StatusOr<Calibration> calibration = CalibrateFor(*part);
    if (!calibration.ok()) return calibration.status();
    const FrozenNetwork frozen(*part->net, part->assignment, *calibration);
    Evaluation evaluation;
    evaluation.activation_ranges = ToHost(calibration->activation_ranges);
    if (split == Split::kSearch) {
      const absl::StatusOr<Quality> quality =
          MeasureSearch(search_indices_, [&](const at::Tensor& x) { return frozen.Forward(x); });
      if (!quality.ok()) return quality.status();
      evaluation.quality = *quality;
      return evaluation;
    }
    QualitySum sum;
    const absl::Status read =
        ForEachBatch(test_images_, test_indices_, options_.evaluation_batch_size,
                     [&](const Batch& batch) { sum.Add(frozen.Forward(batch.images), batch.labels); });
    if (!read.ok()) return read;
    evaluation.quality = sum.Fetch();
    return evaluation;
  });
}

DataReport SupernetOracle::Report() const {
  const double share = seconds_trained_ > 0 ? train_batches_.seconds_waited() / seconds_trained_ : 0;
  return {.loader_wait_share = std::min(share, 1.0), .skipped_images = skipped_images_};
}

absl::Status SupernetOracle::SaveWeights(const Assignment& assignment, const std::string& path) {
  PRECIS_CHECK(Fits(assignment));
  return Guarded("saving the weights", [&]() -> absl::Status {
    const c10::NoGradGuard no_gradients;
    const absl::StatusOr<Part> part = CountedPart(assignment);
    if (!part.ok()) return part.status();
    const absl::StatusOr<Calibration> calibration = CalibrateFor(*part);
    if (!calibration.ok()) return calibration.status();
    WeightFile file = ExportWeights(*part->net, part->assignment, *calibration);
    if (network_ != nullptr) file.metadata["architecture"] = network_->Describe(assignment.architecture);
    file.metadata.insert(pixel_statistics_.begin(), pixel_statistics_.end());
    return WriteWeightFile(file, path);
  });
}

absl::Status SupernetOracle::LoadWeights(const std::string& path) {
  return Guarded("loading the weights", [&] {
    const absl::StatusOr<WeightFile> file = ReadWeightFile(path);
    if (!file.ok()) return file.status();
    return Import(*file);
  });
}

absl::Status SupernetOracle::Import(const WeightFile& file) {
  if (absl::Status imported = ImportWeights(file, net_); !imported.ok()) return imported;
  tuned_.clear();
  optimizer_.Reset();
  optimizer_.Truncate(net_.parameters().size());
  learned_.clear();
  for (const auto& [key, range] : net_.ranges().Learned()) {
    learned_.push_back(range);
    optimizer_.Add(range);
  }
  gradient_watch_.Reset();
  return absl::OkStatus();
}

absl::Status SupernetOracle::Begin(const OracleOptions& options) {
  PRECIS_CHECK(network_ == nullptr);
  if (absl::Status imported = Import(*options.weights); !imported.ok()) return imported;
  if (!options.against_float && !options.keep_statistics) return absl::OkStatus();
  const c10::NoGradGuard no_gradients;
  const Calibration own = StatisticsOf(*options.weights, net_);
  own_norms_ = NormStatistics{.mean = own.mean, .variance = own.variance};
  if (absl::Status rewritten = RewriteWeights(); !rewritten.ok()) return rewritten;
  if (!options.against_float) return absl::OkStatus();
  const Part whole = {.net = &net_,
                      .assignment = UniformAssignment(net_.layer_count(), *ParseFormat("fp32"))};
  if (!options.keep_statistics) {
    const absl::StatusOr<Calibration> seen =
        Calibrate(net_, whole.assignment, train_images_, recalibration_indices_,
                  options_.evaluation_batch_size, &*own_norms_);
    if (!seen.ok()) return seen.status();
    corrections_ = NormStatistics{.mean = own.mean, .variance = own.variance, .relative = true};
    for (size_t node = 0; node < own.mean.size(); ++node) {
      if (!own.mean[node].defined()) continue;
      corrections_->mean[node] = own.mean[node] - seen->mean[node];
      corrections_->variance[node] =
          (own.variance[node] + kLeastVariance) / (seen->variance[node] + kLeastVariance);
    }
  }
  const FrozenNetwork as_given(net_, whole.assignment, own);
  absl::StatusOr<Teacher> teacher =
      Teacher::Ask(as_given, train_images_, search_indices_, options_.evaluation_batch_size);
  if (!teacher.ok()) return teacher.status();
  teacher_ = *std::move(teacher);
  return absl::OkStatus();
}

}  // namespace precis
