// Weights between a supernet and a weight file. Internal to supernet/execution.
#pragma once

#include "absl/status/status.h"
#include "supernet/execution/calibration.h"
#include "supernet/execution/supernet.h"
#include "supernet/graph/weight_file.h"

namespace precis {

// FP32, between memory and a file; on the CPU.
WeightTensor ToHost(const at::Tensor& tensor);
at::Tensor FromHost(const WeightTensor& tensor);

// All parameters, and NODE.running_mean and NODE.running_var of every batch norm. The metadata name the
// model, the assignment and the version of Precis.
WeightFile ExportWeights(const Supernet& net, const Assignment& assignment, const Calibration& calibration);

// Writes the file's parameters into the net. INVALID_ARGUMENT, naming every tensor that is missing, unknown
// or of another shape; DATA_LOSS if a value is not finite; the net is then unchanged. Running statistics
// must be there and fit, but a supernet keeps none.
absl::Status ImportWeights(const WeightFile& file, Supernet& net);

// The running statistics of every batch norm as the file has them, on the net's device, and no ranges: what a
// FrozenNetwork needs as long as no layer's format needs a range. The file must have been imported into the
// net (checked: statistics that are not there).
Calibration StatisticsOf(const WeightFile& file, const Supernet& net);

}  // namespace precis
