// Catalogues.
#include "server/catalogue.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "server/convert.h"
#include "supernet/data/dataset.h"
#include "supernet/formats/check.h"
#include "supernet/graph/model_zoo.h"

namespace precis::server {
namespace {

// Networks whose figures are quoted at the size of CIFAR's images; all others at ImageNet's.
constexpr const char* kForSmallImages[] = {"resnet8", "resnet20"};

ModelGraph AtCustomarySize(const std::string& name) {
  ModelOptions options;
  if (std::find(std::begin(kForSmallImages), std::end(kForSmallImages), name) == std::end(kForSmallImages)) {
    options.height = 224;
    options.width = 224;
    options.classes = 1000;
  }
  absl::StatusOr<ModelGraph> graph = BuildModel(name, options);
  PRECIS_CHECK(graph.ok());
  return *std::move(graph);
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
    const ModelGraph graph = AtCustomarySize(info.name);
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
