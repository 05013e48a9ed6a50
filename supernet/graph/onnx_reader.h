// Reads a classifier from an ONNX file: its graph as a ModelGraph, its weights as they are trained.
//
// Opsets 7 to 25. The graph has one input of images (floats; the first dimension is the batch, which becomes
// free) and one output, a vector of logits. Constants, and all arithmetic on shapes, are computed; tokens may
// come with the batch anywhere, but no operation may mix images. A softmax at the end is left out: training
// and evaluation work on logits. Batch norms stay by themselves.
//
// Layers are called after their weights where those end in ".weight", else after their node: the parameters
// of PyTorch's module layer1.0.conv1 are layer1.0.conv1.weight and .bias.
//
// Threading: pure functions, but for the files that are read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/model_graph.h"
#include "supernet/graph/weight_file.h"

namespace precis {

struct OnnxOptions {
  // Of one image, for models that leave dimensions open: {channels, height, width}. Must agree with those
  // that the model has.
  Shape input_shape = {};
  // Which output has the logits, for models with several.
  std::string output = {};
  // Whatever the output is, it becomes the graph's: no vector is needed, and no softmax is left out.
  bool any_output = false;
};

struct OnnxModel {
  ModelGraph graph;
  // Every parameter of the graph, and NODE.running_mean and NODE.running_var of every batch norm: what
  // WriteWeightFile writes and a supernet loads.
  WeightFile weights = {};
  std::string input = {};      // names in the file
  std::string output = {};     // of the output; of what the softmax read, where one was left out
  bool channels_last = false;  // the model takes {height, width, channels}; the graph does not
  bool softmax_left_out = false;
  int64_t output_batch_axis =
      0;  // where the batch stands in the file's output, which with any_output is anywhere
  int64_t opset = 0;
  std::string producer = {};                         // "pytorch 1.13.0"
  std::map<std::string, std::string> metadata = {};  // as the exporter wrote them
};

// All faults at once where there are several; every message begins with the file's name and says what to do.
// NOT_FOUND and UNAVAILABLE, of this file or external data; DATA_LOSS for what is no ONNX file or contradicts
// itself; INVALID_ARGUMENT for what is not supported: every node whose operator is not read is listed by
// name, operator and output before anything is built, then every node that could not be built with the
// reason. Memory stays within a small multiple of what the files hold. External data must lie in the model's
// folder.
absl::StatusOr<OnnxModel> ReadOnnxModel(const std::string& path, const OnnxOptions& options = {});

// The same of a file's bytes. `folder`: where external data are; empty: nowhere. `name` begins messages.
absl::StatusOr<OnnxModel> ParseOnnxModel(std::string_view bytes, const std::string& folder,
                                         const std::string& name, const OnnxOptions& options = {});

// The file with its external data inside, so that it is whole by itself; as it is, if it has none. Errors as
// ParseOnnxModel; INVALID_ARGUMENT if that is more than ONNX allows, 2 GiB.
absl::StatusOr<std::string> SelfContainedOnnx(std::string bytes, const std::string& folder,
                                              const std::string& name);

// The folder that a file lies in, with its slash; of a mere name ".".
std::string FolderOf(const std::string& path);

// The bytes of a file, for the two above. NOT_FOUND and UNAVAILABLE; DATA_LOSS for what is no regular file;
// INVALID_ARGUMENT for more than 2 GiB.
absl::StatusOr<std::string> ReadOnnxFile(const std::string& path);

// Operators that are read, in order. Of some not every attribute is: the message of a node says which.
std::vector<std::string> SupportedOnnxOperators();

// "resnet20_cifar10: 3x32x32, 20 layers, 40.8 M multiply-accumulates, …": one line.
std::string Describe(const OnnxModel& model);

}  // namespace precis
