// Makes an Oracle that trains on LibTorch. The only header of this room that others include.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "supernet/data/dataset.h"
#include "supernet/graph/elastic_network.h"
#include "supernet/graph/model_graph.h"
#include "supernet/graph/oracle.h"
#include "supernet/graph/post_training.h"
#include "supernet/graph/training_options.h"
#include "supernet/graph/weight_file.h"

namespace precis {

struct OracleOptions {
  TrainingOptions training;
  int64_t search_images = 6000;  // held out of the training images
  DataOptions data = {};         // how training images are varied, and by how many threads
  // Null: `graph` is all there is. Else its own architecture is `graph`, and assignments may choose any.
  std::shared_ptr<const ElasticNetwork> network = nullptr;
  // Weights to start from, with the statistics of batch norms: what SaveWeights writes, or an ONNX model has.
  // Null: fresh ones. Not with a network of several architectures.
  std::shared_ptr<const WeightFile> weights = nullptr;
  // For weights that are not to be trained. Measures on the search split without labels, against what these
  // weights give in fp32 with their own statistics: accuracy is the share of images whose most likely class
  // is the same, loss the mean Kullback-Leibler divergence in nats. Batch norms keep the weights'
  // statistics in fp32; under other formats mean and variance move by as much as rounding moves those of what
  // they read, on the recalibration images.
  bool against_float = false;
  // What is done to such weights before they are rounded; with against_float only. Equalisation and scale
  // migration once; the others in every counted evaluation, and in what is saved, but not in probes and
  // scores.
  PostTraining post_training = {};
  // Batch norms keep the weights' statistics in probes and evaluations, whatever the formats.
  bool keep_statistics = false;
};

// Builds the supernet of `graph` with fresh weights (He initialisation) and splits the data.
// INVALID_ARGUMENT, naming every fault at once, if the graph's input or output does not fit the data set or
// an option is out of range, or naming the tensors, if given weights do not fit; FAILED_PRECONDITION, with
// the remedy, if training.device is kCuda and there is none; UNAVAILABLE if memory runs out.
//
// Settings of the whole process that it changes: the number of LibTorch's threads; how it gets memory on the
// CPU (host_memory.h); on CUDA, deterministic convolutions and no TF32.
//
// What a seed promises: the same outcomes bit for bit for the same graph, data and options on the same
// device, thread count and LibTorch. Batch-norm statistics and activation ranges are no state of training:
// steps and probes use those of their batch, and whatever is measured or saved is calibrated for its
// assignment first. LoadWeights also forgets the optimiser's momentum.
absl::StatusOr<std::unique_ptr<Oracle>> MakeSupernetOracle(const ModelGraph& graph, Dataset dataset,
                                                           const OracleOptions& options);

// "LibTorch 1.13.1, CPU, 2 threads": for provenance.
std::string ExecutionVersion();

}  // namespace precis
