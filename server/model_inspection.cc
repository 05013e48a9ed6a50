// InspectModel: what a job would find in an ONNX file.
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/convert_status.h"
#include "server/search_service.h"
#include "supernet/graph/onnx_reader.h"

namespace precis::server {
namespace {

absl::StatusOr<OnnxModel> Read(const v1::InspectModelRequest& request) {
  OnnxOptions options;
  options.output = request.output();
  options.input_shape.assign(request.input_shape().begin(), request.input_shape().end());
  if (request.content().empty()) return ReadOnnxModel(request.path(), options);
  return ParseOnnxModel(request.content(), "", request.path().empty() ? "model" : request.path(), options);
}

void Describe(const OnnxModel& model, v1::InspectModelResponse& wire) {
  const ModelGraph& graph = model.graph;
  wire.set_name(graph.name());
  wire.mutable_input_shape()->Assign(graph.input_shape().begin(), graph.input_shape().end());
  const Shape& logits = graph.node(graph.output()).shape;
  wire.set_classes(logits.empty() ? 1 : logits.back());
  wire.set_macs(TotalMacs(graph));
  wire.set_parameters(graph.ParameterCount());
  for (const Layer& layer : graph.Layers()) {
    v1::InspectedLayer& each = *wire.add_layers();
    const Shape& shape = graph.node(layer.node).shape;
    each.set_name(layer.name);
    each.set_kind(LayerKindName(layer.kind));
    each.mutable_output_shape()->Assign(shape.begin(), shape.end());
    each.set_macs(layer.macs);
    each.set_weights(layer.weights);
    each.set_nonnegative_input(layer.nonnegative_input);
    each.set_group(layer.group);
  }
  wire.set_channels_last(model.channels_last);
  wire.set_softmax_left_out(model.softmax_left_out);
  wire.set_input(model.input);
  wire.set_output(model.output);
  wire.set_opset(model.opset);
  wire.set_producer(model.producer);
  wire.mutable_metadata()->insert(model.metadata.begin(), model.metadata.end());
}

}  // namespace

grpc::Status SearchServiceImpl::InspectModel(grpc::ServerContext* /*context*/,
                                             const v1::InspectModelRequest* request,
                                             v1::InspectModelResponse* response) {
  if (request->content().empty() && !absl::StartsWith(request->path(), "/")) {
    return ToGrpcStatus(absl::InvalidArgumentError(
        absl::StrCat("path: \"", request->path(),
                     "\" is no absolute path: give a file on the server's machine, or content.")));
  }
  if (request->content().empty()) {
    if (absl::Status status = data_roots_->Check(request->path()); !status.ok()) {
      return ToGrpcStatus(absl::Status(status.code(), absl::StrCat("path: ", status.message())));
    }
  }
  const absl::StatusOr<OnnxModel> model = Read(*request);
  if (model.ok()) {
    Describe(*model, *response);
  } else {
    response->add_faults(std::string(model.status().message()));
  }
  return grpc::Status::OK;
}

}  // namespace precis::server
