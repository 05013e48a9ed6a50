// What every export says of where a model comes from and what it takes.
//
// Threading: pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "search/plan.h"
#include "server/export/exporter.h"

namespace precis::server {

// Of the model's input: "grey", "rgb" or "bgr".
std::string ChannelOrderName(const search::Plan& plan);

// Of the file that the model was read from, without folders; "" for a network by name.
std::string ModelFileName(const search::Plan& plan);

// The name of a node's output in the export onnx_float.
std::string OnnxNameOf(const ModelGraph& graph, NodeId node);

// "precis 0.1.0, jobs/abc/candidates/7".
std::string ProducerText(const ExportInput& input);

// The metadata "precis.…" of every export that has such: where the candidate comes from, what it takes and
// what was measured.
std::vector<std::pair<std::string, std::string>> ProvenanceEntries(const ExportInput& input);

}  // namespace precis::server
