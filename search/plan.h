// Plan: a job worked out. Everything that happens afterwards is a function of (Plan, data).
//
// Threading: a Plan is immutable; share it freely.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "search/controller/controller.h"
#include "search/cost/cost_model.h"
#include "search/job_spec.h"
#include "search/violation.h"
#include "supernet/graph/assignment.h"
#include "supernet/graph/dataset_info.h"
#include "supernet/graph/elastic_network.h"
#include "supernet/graph/model_graph.h"

namespace precis::search {

// A simple answer that every search must beat, or return.
struct Reference {
  std::string name;  // "uniform int4", "ends int8, rest int4"
  Assignment assignment;
};

// costs[cost] of a candidate may be `amount` at most, in its own unit.
struct CostLimit {
  size_t cost = 0;
  double amount = 0;
};

struct Plan {
  JobSpec spec;  // as submitted, with derived fields filled in
  DatasetInfo dataset;
  ModelGraph graph;  // in the network's own architecture
  std::vector<Layer> layers;
  std::shared_ptr<const ElasticNetwork> network = nullptr;  // null: the job searches formats alone
  SearchSpace space = {};
  std::vector<std::shared_ptr<const CostModel>> costs =
      {};                              // those reported; costs[constrained] is the target's
  std::vector<CostRange> ranges = {};  // of each cost over the space, by itself
  size_t constrained = 0;
  // In costs[constrained]'s unit, falling, at least one; and how the job names them. `target` is the first: a
  // candidate within it is within one of them.
  std::vector<double> targets = {};
  std::vector<std::string> target_texts = {};
  double target = 0;
  double cheapest = 0;  // the reachable range
  double dearest = 0;
  std::vector<CostLimit> limits = {};  // all that a feasible candidate is within; the first is the target
  Choices fitting = {};                // choices within all of them
  // Steps: [0, search) shared by all targets, of which [0, warmup) warm-up; [search, total) frozen, in equal
  // parts for the targets in their order.
  int64_t warmup_steps = 0;
  int64_t search_steps = 0;
  int64_t total_steps = 0;
  // The network of a candidate of that architecture.
  ModelGraph GraphOf(const Architecture& architecture) const {
    return network == nullptr ? graph : network->Graph(architecture);
  }
  // One past the last frozen step of a target.
  int64_t LegEnd(size_t target) const;
  // Uniform assignments of the allowed formats, and "first and last layer 8 bits, the rest uniform" for
  // each narrower format and each allowed 8-bit format (of the widest, where none has 8 bits). With an
  // elastic network those in its own architecture, then the uniform ones in its smallest.
  std::vector<Reference> references = {};
  // Hex SHA-256 over the canonical text of everything that decides the result; equal plans, equal text.
  std::string fingerprint = {};
};

// Pure. Either a plan or every violation found (never both, never neither). Calls Validate first.
struct CompiledPlan {
  std::shared_ptr<const Plan> plan;
  Violations violations;
};
// `from_file`: the network of spec.model.path, if there is one; null is a violation then.
CompiledPlan CompilePlan(const JobSpec& spec, const std::vector<DatasetInfo>& datasets,
                         const ModelGraph* from_file = nullptr);

}  // namespace precis::search
