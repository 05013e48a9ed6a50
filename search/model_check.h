// Checks what a job says of its network.
#pragma once

#include <string>

#include "search/job_spec.h"
#include "search/range_check.h"
#include "search/violation.h"
#include "supernet/graph/dataset_info.h"
#include "supernet/graph/model_graph.h"

namespace precis::search {

// Of name or path, start and all that belongs to one or the other; of the settings that a start rules out.
// `dataset` bounds the number of labels; null: nothing does.
void CheckModel(const JobSpec& spec, const DatasetInfo* dataset, RangeCheck& check, Violations& violations);

// Whether the network of a file takes the data set's images and gives a logit a class, and has a layer to
// search formats for. All faults at once.
Violations CheckFit(const ModelGraph& graph, const DatasetInfo& dataset);

}  // namespace precis::search
