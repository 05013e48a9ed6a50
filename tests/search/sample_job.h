// A valid job and the data set it is about, for tests to start from.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "search/job_spec.h"
#include "search/plan.h"
#include "supernet/graph/dataset_info.h"

namespace precis::search {

inline std::vector<DatasetInfo> SampleDatasets() {
  DatasetInfo dataset;
  dataset.name = "fashion_mnist";
  dataset.channels = 1;
  dataset.height = dataset.width = 28;
  dataset.classes = 10;
  dataset.train_images = 60000;
  dataset.test_images = 10000;
  DatasetInfo folder;  // its sizes lie in its files
  folder.name = "image_folder";
  return {dataset, folder};
}

inline JobSpec SampleJob() {
  JobSpec spec;
  SetAlgorithmDefaults(Algorithm::kReinforce, spec);
  spec.training.ranges = {};
  spec.model.name = "resnet8";
  spec.data.name = "fashion_mnist";
  spec.space.formats = {"int2", "int3", "int4", "int8"};
  spec.cost.target = "1.1x int4";
  return spec;
}

// The same with a few steps: 32 in all, 24 of them search, 6 of these warm-up.
inline JobSpec ShortJob() {
  JobSpec spec = SampleJob();
  spec.data.search_images = 2000;
  spec.training.batch_size = 500;
  spec.epochs = 32.0 * 500 / 58000;
  return spec;
}

inline std::shared_ptr<const Plan> PlanOf(const JobSpec& spec) {
  CompiledPlan compiled = CompilePlan(spec, SampleDatasets());
  for (const Violation& violation : compiled.violations) {
    std::fprintf(stderr, "%s: %s\n", violation.field.c_str(), violation.message.c_str());
  }
  if (compiled.plan == nullptr) std::abort();
  return compiled.plan;
}

}  // namespace precis::search
