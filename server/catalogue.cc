// Catalogues.
#include "server/catalogue.h"

#include "absl/strings/str_cat.h"
#include "server/convert.h"
#include "supernet/data/dataset.h"
#include "supernet/formats/check.h"
#include "supernet/graph/model_zoo.h"

namespace precis::server {
namespace {

// The network at the size its figures are usually quoted for: that of ImageNet if it has a stem of its
// own for it, else that of CIFAR.
ModelGraph Customary(const std::string& name) {
  ModelOptions imagenet{.height = 224, .width = 224, .classes = 1000, .stem = Stem::kImageNet};
  ModelOptions small = imagenet;
  small.stem = Stem::kSmall;
  absl::StatusOr<ModelGraph> large = BuildModel(name, imagenet);
  absl::StatusOr<ModelGraph> same = BuildModel(name, small);
  PRECIS_CHECK(large.ok() && same.ok());
  if (large->CanonicalText() != same->CanonicalText()) return *std::move(large);
  absl::StatusOr<ModelGraph> cifar = BuildModel(name, ModelOptions{});
  PRECIS_CHECK(cifar.ok());
  return *std::move(cifar);
}

}  // namespace

v1::ListFormatsResponse FormatCatalogue() {
  v1::ListFormatsResponse response;
  for (const Format& format : AllFormats()) *response.add_formats() = FormatToWire(format);
  return response;
}

v1::ListModelsResponse ModelCatalogue() {
  v1::ListModelsResponse response;
  for (const ModelInfo& info : Models()) {
    const ModelGraph graph = Customary(info.name);
    const Shape& input = graph.input_shape();
    v1::ModelInfo& model = *response.add_models();
    model.set_name(info.name);
    model.set_description(info.description);
    model.set_macs(TotalMacs(graph));
    model.set_parameters(graph.ParameterCount());
    model.set_input(absl::StrCat(input[0], "x", input[1], "x", input[2]));
  }
  for (const DatasetInfo& dataset : Datasets()) *response.add_datasets() = DatasetToWire(dataset);
  return response;
}

}  // namespace precis::server
