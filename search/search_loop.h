// SearchLoop: runs a Plan against an Oracle from the first step to the last.
//
//   search   [0, search_steps): the trunk, which all targets share (search/trunk.h).
//            At each eighth of these steps, from one eighth after the warm-up on, the configuration that is
//            then held to be the best within the first target is evaluated, so that whoever watches, or
//            cancels, has candidates.
//
// then for every target, from the largest to the smallest, a leg:
//
//   freeze   Counted evaluation on the search split of: what the trunk proposes for the target (a policy also
//   its
//            three best samples within it) and the references within it. The best of these is frozen (by
//            accuracy; ties: the lower loss, then the cheaper). So no answer is worse than the simple one.
//   frozen   The target's part of [search_steps, total_steps): training goes on under it alone. Legs follow
//   each
//            other on the same weights, from many bits to few, so that each starts from all training before
//            it.
//   finish   of one target: every candidate is evaluated again under the final weights, and so are the
//            references beyond the target and, spread over the range of costs, more samples and estimated
//            bests; the best within the target on the search split (ties as above) is final. Then, once:
//            float, references and final on the test split. Weights are saved, calibrated for the final
//            configuration. of several: the frozen one is evaluated again at the end of the leg; it, or an
//            earlier answer within the target if that is better, is the target's final, is tested once, and
//            its weights are saved (AnswerWeightsPath); float is measured after the first leg. At the very
//            end all that is not final is measured under the last weights.
//
// Candidates of one target are at most: the references, two proposals, and finish.sampled_candidates others
// (a third of them at most from the evaluations during the search).
//
// A step whose loss or gradient is not finite or explodes changes nothing (Oracle's contract), teaches the
// policy nothing but that the sample was bad (its reward is the worst seen so far), and is counted; so is a
// sample whose probe is not finite.
//
// Determinism: the same plan on an oracle with the same answers gives the same calls, bit for bit.
// Threading: Run blocks; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "search/candidate.h"
#include "search/controller/controller.h"
#include "search/plan.h"
#include "supernet/graph/oracle.h"

namespace precis::search {

enum class Phase { kPrepare, kWarmup, kSearch, kFreeze, kFrozen, kFinish };
const char* PhaseName(Phase phase);  // "prepare", "warmup", …

struct Progress {
  Phase phase = Phase::kPrepare;
  int64_t step = 0;  // training steps done
  int64_t total_steps = 0;
  // Share of the whole job done, evaluations included, 0…1, never falling.
  double fraction = 0;
  // Moving averages over recent steps (about 50), 0 before the first; reward and cost over the search steps
  // alone, loss and accuracy over applied steps.
  double loss = 0;
  double train_accuracy = 0;
  double reward = 0;
  double cost = 0;          // of sampled configurations, constrained metric
  double mean_entropy = 0;  // of the policy, nats
  double mean_max_probability = 0;
  int64_t rejected_steps = 0;    // not applied, or with a probe that is not finite, since the start
  double images_per_second = 0;  // filled in by the sink's owner, who has a clock
  double loader_wait_share = 0;  // of the time of the training steps so far, in waiting for images, 0…1
};

// What the search hands out. Calls come from Run's thread and may block; a status other than OK ends the
// search with that status (CANCELLED for a cancelled job).
class SearchSink {
 public:
  virtual ~SearchSink() = default;
  // After every step and every evaluation.
  virtual absl::Status OnProgress(const Progress& progress) = 0;
  // A candidate is new, or has been measured again (same number).
  virtual absl::Status OnCandidate(const Candidate& candidate) = 0;
};

struct SearchResult {
  int64_t final_candidate = 0;  // number of the answer: of several the best by accuracy
  Quality float_search;         // fp32 everywhere under the final weights: what the formats cost in accuracy
  Quality float_test;
  int64_t rejected_steps = 0;
  PolicySummary policy;          // as it stood when the choice was frozen
  int64_t images_trained = 0;    // through training steps
  int64_t images_evaluated = 0;  // through probes and evaluations, recalibration included
  double loader_wait_share = 0;  // as Progress
  int64_t skipped_images = 0;    // corrupt files that were left out
};

// Where the weights of one of several targets' answers go, by the candidate's number: next to the path,
// weights-candidate7.safetensors. Everything else was measured under the weights in the path itself.
std::string AnswerWeightsPath(const std::string& weights_path, int64_t number);

// weights_path: where the final weights go. Returns the oracle's or the sink's error, if any.
absl::StatusOr<SearchResult> RunSearch(const Plan& plan, Oracle& oracle, SearchSink& sink,
                                       const std::string& weights_path);

// Likewise with another controller, fresh, for the plan's decisions in their order, in place of the first
// target's of a policy algorithm.
absl::StatusOr<SearchResult> RunSearch(const Plan& plan, Oracle& oracle, Controller& controller,
                                       SearchSink& sink, const std::string& weights_path);

}  // namespace precis::search
