// JobSpec: what a user asks for, as a plain value. This struct is the manual of a job: meaning, unit,
// default and range of every field. The wire's JobSpec (proto/precis/v1/job.proto) has the same fields;
// server/convert translates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "search/space.h"
#include "search/violation.h"
#include "supernet/graph/data_options.h"
#include "supernet/graph/dataset_info.h"
#include "supernet/graph/model_zoo.h"
#include "supernet/graph/post_training.h"
#include "supernet/graph/training_options.h"

namespace precis::search {

// How the configurations are found. Each is a set of defaults for reward, controller and finish
// (SetAlgorithmDefaults), any of which a job may set otherwise.
enum class Algorithm {
  // Ours. Trains the widest formats through the warm-up, measures what each option does by itself on equal
  // images (search/screening.h), solves for the best within each target, and from then on trains what it has
  // found. If asked (`refinements`) it measures again around the answer and moves on (search/refinement.h);
  // with
  // an elastic network it does so once, from the best of some architectures (search/anchors.h).
  kPrecis,
  kReinforce,  // a policy from that screening, taught by rewards of held-out images; half of the steps widest
  kFliqs,      // as FLIQS' open code: rewards from the training loss, entropy penalty, no frozen share
  kTunas,      // as TuNAS: held-out accuracy, sum of log-probabilities, debiased baseline, growing rate
  kRandom,     // single-path training, then the best of random configurations near the target
  kEvolution,  // single-path training, then NSGA-II over the shared weights (Deb et al. 2002)
  kSensitivity,  // widest training, then a score of every option by itself (OptionScore), solved as a
                 // knapsack
  kUniform,      // the dearest uniform configuration within the target
};

// What a sample is praised for.
enum class QualitySource {
  kSearchAccuracy,  // accuracy on a held-out batch after the weight update (TuNAS)
  kTrainLoss,       // -loss of the training batch itself (FLIQS' open code); costs no extra pass
};

// By what an option of a layer is judged, before a knapsack is solved over all layers.
enum class OptionScore {
  // The loss of the network with the option, and the widest formats elsewhere: a forward pass an option.
  kLoss,
  // The same loss as squared gradients of the layers' outputs foretell it: NoiseMeasure::kFisher.
  kFisher,
  // Noise over signal of what the layer computes, which needs neither labels nor a network in that format:
  // NoiseMeasure::kQsnr.
  kQsnr,
};

// How cost C against target T turns quality Q into a reward; x = C / T.
enum class RewardShape {
  kAbsolute,         // Q - beta·|x - 1|
  kOneSided,         // Q - beta·max(0, x - 1)
  kSoftExponential,  // Q·x^-beta     (for Q < 0: Q·x^beta, so that a dearer sample is never better)
  kHardExponential,  // Q·max(1, x)^-beta, likewise
};

enum class EntropySchedule { kCosine, kLinear, kConstant };
enum class LogProbReduction { kMean, kSum };  // over decisions: FLIQS, TuNAS

// Where the search of a user's own model starts.
enum class Start {
  kFromScratch,   // from fresh weights: of the file only the network counts
  kFinetune,      // from its weights, which are trained further, shortly (the setting of FLIQS)
  kPostTraining,  // from its weights, which stay as they are: nothing is trained, and no label is read before
                  // the tests at the end
};
const char* StartName(Start start);  // "from_scratch", "finetune", "post_training"

// What the server found in the user's file when it accepted the job.
struct FoundModel {
  std::string content;  // hex SHA-256 of the copy that the job keeps

  bool operator==(const FoundModel&) const = default;
};

struct ModelSpec {
  std::string name;  // one of Models(); or
  // an ONNX file on the server's machine, absolute. The job keeps a copy. It takes the images of the data set
  // and gives a logit a class, in the order of the data set's classes.
  std::string path = {};
  std::string output = {};            // which output of the file has the logits; needed if there are several
  Start start = Start::kFromScratch;  // others only of a file, whose default is kFinetune
  // Of the networks by name.
  double width_multiplier = 1.0;
  Stem stem = Stem::kAuto;
  bool stage1_projection = true;
  // Names of the classes, one for each, in their order, for exports; none: the data set's own.
  std::vector<std::string> labels = {};
  std::optional<FoundModel> found = {};  // not the user's to say
};

// For Start::kPostTraining.
struct PostTrainingSpec {
  // Training images behind the ranges of activations and the statistics of batch norms of every counted
  // evaluation, in place of training.recalibration_images; without labels. 2…the training images.
  int64_t calibration_images = 512;
  // Whether the statistics of batch norms move, for each configuration, by as much as rounding moves those of
  // what they read, on the calibration images; else they stay as they are in the file.
  bool recalibrate_batch_norm = true;
  // What is done to the weights besides. Not kEqualization with kSmooth, which sets the same factors anew,
  // nor kLearnedRounding with kGptq, which choose the same weights.
  PostTraining rewriting = {};
};

// What the server found in the files of a data set whose sizes lie there, when it accepted the job.
struct FoundData {
  int64_t image_size = 0;
  int64_t classes = 0;
  int64_t train_images = 0;
  int64_t test_images = 0;
  std::string content = {};  // DatasetInfo::content

  bool operator==(const FoundData&) const = default;
};

struct DataSpec {
  std::string name;              // one of Datasets()
  std::string path;              // folder; empty = where Debian's package puts it, if one does
  int64_t search_images = 6000;  // held out of the training images, 1…half of them
  DataOptions options = {};      // data.channels, data.augment and so on: supernet/graph/data_options.h
  std::optional<FoundData> found = {};  // not the user's to say
};

// A further constraint beside the target.
struct CostLimitSpec {
  std::string metric;   // as CostSpec::metric, but another one, and none twice
  std::string at_most;  // as CostSpec::target, in this metric's units
};

struct CostSpec {
  // "bops", "model_size", "asic-energy", "asic-area", "fpga-lut", "accumulator_bits" or "table"; what each
  // counts is in search/cost/.
  std::string metric = "bops";
  // "1.1x int4": times the cost of uniform int4. Or an amount: "0.21 GBOPs", "40 KiB", "153000000" in the
  // metric's own unit (operations, bits). See search/cost/target.h.
  std::string target;
  // Several, in place of `target`: one supernet, and one answer for each. At most 64, no two of equal cost.
  std::vector<std::string> targets = {};
  // Likewise: `count` targets from one end to the other, each the same multiple of the one before.
  struct Range {
    std::string from;
    std::string to;
    int64_t count = 0;  // 2…64; 0: no range
  } range = {};
  // A candidate is feasible only within the target and all of these.
  std::vector<CostLimitSpec> limits = {};
  // Metrics that candidates are given costs in, beside those of the target and the limits; empty: bops,
  // model_size and, if there is one, table.
  std::vector<std::string> report = {};
  // The text of the user's table, up to 1 MiB, for the metric "table"; see search/cost/cost_table.h.
  std::string table = {};
  bool count_attention = false;  // whether bops count the products of attention; FLIQS does not
};

constexpr double kUnsetBeta = -1;

struct RewardSpec {
  QualitySource quality = QualitySource::kSearchAccuracy;
  RewardShape shape = RewardShape::kAbsolute;
  // Weight of the cost, >= 0. Unset (kUnsetBeta): 1.0 for kTrainLoss as in FLIQS' open code, 0.1 for
  // kSearchAccuracy as in TuNAS: each fits the scale of its quality.
  double beta = kUnsetBeta;
  int64_t probe_images = 128;  // held-out images behind one reward, for kSearchAccuracy; 1…search_images
};

// How the controller's rate moves after the warm-up.
enum class RateSchedule { kConstant, kGrowing };  // growing: tenfold by the last step, exponentially (TuNAS)

struct ControllerSpec {
  Algorithm algorithm = Algorithm::kPrecis;
  double learning_rate = 0.04;  // Adam on the logits, > 0
  RateSchedule rate_schedule = RateSchedule::kConstant;
  double adam_beta1 = 0.9;          // 0…1, 1 excluded; 0 in TuNAS
  double baseline_momentum = 0.95;  // moving average of the reward, 0…1, 1 excluded
  bool baseline_debiased = false;   // from 0 and divided by its weight (TuNAS); else from the first reward
  double warmup_share = 0.95;       // of the search steps: the widest formats (precis) or uniform samples;
                                    // nothing is learned. Of a policy or population a step must remain
  // Share of the search steps, from the end of the warm-up on, that train every layer at its widest format
  // instead of the sampled one; the sample is probed either way. Samples alone teach shared weights little
  // where a format is so harsh that it stops layers from learning. 0…1; 0 in FLIQS.
  double widest_share = 0.5;
  // The same share at the first step, from which it moves linearly to widest_share over the warm-up (TuNAS'
  // op warm-up). A search from pretrained weights does not need it. 0…1.
  double widest_probability = 1;
  // Held-out images on which every option is tried by itself when the warm-up is over, so that the policy
  // does not start from ignorance (search/screening.h); all of the search split, where it has fewer.
  // 0: it does, as in FLIQS.
  int64_t screening_images = 1024;
  // precis and sensitivity: by what the screening judges options, on screening_images. Other than kLoss not
  // for architectures, nor with refinements, which measure losses.
  OptionScore score = OptionScore::kLoss;
  // precis: how often it measures around its answers after the warm-up, 0…100. Not at all by default: in
  // tests/experiments/RESULTS.md it buys nothing.
  int64_t refinements = 0;
  // random, evolution: configurations that are measured, for all targets together, on screening_images each.
  // 0: as many as precis would measure in screening and refinements.
  int64_t evaluations = 0;
  // Final weight of the entropy penalty, >= 0. FLIQS' 0.5 fits its reward of -loss; with accuracies it makes
  // the policy settle on noise.
  double entropy_weight = 0.02;
  EntropySchedule entropy_schedule = EntropySchedule::kCosine;
  LogProbReduction log_prob = LogProbReduction::kMean;
};

struct FinishSpec {
  double frozen_share = 0.3;        // last share of the steps on the chosen configuration, 0…0.9
  int64_t sampled_candidates = 12;  // distinct sampled configurations evaluated beside it, over the
                                    // range of costs, 0…1000
};

// What a job takes unless it says otherwise. With 2 to 4 bits it decides: README.
constexpr RangeOptions kLearnedRanges = {.weights = RangeRule::kLearned, .activations = RangeRule::kLearned};

struct JobSpec {
  std::string display_name;  // for people; up to 100 characters
  ModelSpec model;
  DataSpec data;
  SpaceSpec space;
  CostSpec cost;
  RewardSpec reward;
  ControllerSpec controller;
  double epochs = 4;  // passes over the training images, frozen share included, > 0
  TrainingOptions training = {.ranges = kLearnedRanges};  // `steps` is derived from epochs
  FinishSpec finish;
  PostTrainingSpec post_training;
  uint64_t seed = 1;  // of everything; training.seed is derived from it
};

// Sets the algorithm, and whatever else of reward, controller, finish and ranges it stands for, to its
// defaults.
void SetAlgorithmDefaults(Algorithm algorithm, JobSpec& spec);
// Sets what a start has other defaults for: of a search from pretrained weights rate and length of the
// training, after training its absence. After the algorithm's.
void SetStartDefaults(Start start, JobSpec& spec);
// What decides what a step trains (search/trunk.h): a policy's samples, answers, or a population's.
enum class Family { kPolicy, kAnswers, kPopulation };
Family FamilyOf(Algorithm algorithm);
const char* AlgorithmName(Algorithm algorithm);  // "precis", "fliqs", …
const char* OptionScoreName(OptionScore score);  // "loss", "fisher", "qsnr"

// How many training steps a job takes, and of which kind: [0, warmup) sampled uniformly, [warmup, search) by
// the policy, [search, total) frozen. Preconditions: epochs, batch size and shares within their ranges.
struct Schedule {
  int64_t warmup_steps = 0;
  int64_t search_steps = 0;
  int64_t total_steps = 0;
};
Schedule ScheduleOf(const JobSpec& spec, const DatasetInfo& dataset);

// The data set of a job: as the catalogue has it, with what was found.
DatasetInfo WithFound(const DatasetInfo& dataset, const DataSpec& spec);

// Every fault that can be seen in the spec alone, all at once; empty if there is none. Faults that need
// the network or its costs (a target out of reach) come from CompilePlan. Field paths are those of a job
// file: "training.epochs", "threads".
Violations Validate(const JobSpec& spec, const std::vector<DatasetInfo>& datasets);

}  // namespace precis::search
