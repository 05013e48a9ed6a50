// Makes an Oracle that trains on LibTorch. The only header of this room that others include.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "supernet/data/dataset.h"
#include "supernet/graph/model_graph.h"
#include "supernet/graph/oracle.h"
#include "supernet/graph/training_options.h"

namespace precis {

struct OracleOptions {
  TrainingOptions training;
  int64_t search_images = 6000;  // held out of the training images
};

// Builds the supernet of `graph` with fresh weights (He initialisation) and splits the data.
// INVALID_ARGUMENT if the graph's input or output does not fit the data set; FAILED_PRECONDITION, with the
// remedy, if training.device is kCuda and there is none. Sets the process-wide number of LibTorch threads.
absl::StatusOr<std::unique_ptr<Oracle>> MakeSupernetOracle(const ModelGraph& graph, Dataset dataset,
                                                           const OracleOptions& options);

// "LibTorch 1.13.1, CPU, 2 threads": for provenance.
std::string ExecutionVersion();

}  // namespace precis
