// Catalogues.
#include "server/catalogue.h"

#include "absl/strings/str_cat.h"
#include "search/cost/cost_model.h"
#include "server/convert.h"
#include "supernet/data/dataset.h"
#include "supernet/formats/check.h"
#include "supernet/graph/model_zoo.h"

namespace precis::server {
namespace {

// CIFAR's ten classes for small images, ImageNet's thousand for large ones.
ModelGraph AtCustomarySize(const ModelInfo& info) {
  ModelOptions options;
  options.height = options.width = info.customary_size;
  options.classes = info.customary_size < 224 ? 10 : 1000;
  absl::StatusOr<ModelGraph> graph = BuildModel(info.name, options);
  PRECIS_CHECK(graph.ok());
  return *std::move(graph);
}

}  // namespace

v1::ListFormatsResponse FormatCatalogue() {
  v1::ListFormatsResponse response;
  for (const Format& format : CatalogueFormats()) *response.add_formats() = FormatToWire(format);
  return response;
}

v1::ListCostsResponse CostCatalogue() {
  v1::ListCostsResponse response;
  for (const std::string& name : search::CostModelNames()) {
    v1::CostMetric& metric = *response.add_costs();
    metric.set_name(name);
    if (name == "table") {
      metric.set_unit("as the table says");
      metric.set_basis(
          "the job's own table (cost.table): a cost a layer, or a multiply-accumulate, and format");
      continue;
    }
    const auto model = search::MakeCostModel(name, {});
    PRECIS_CHECK(model.ok());
    metric.set_unit((*model)->unit());
    metric.set_basis((*model)->basis());
  }
  return response;
}

v1::ListModelsResponse ModelCatalogue() {
  v1::ListModelsResponse response;
  for (const ModelInfo& info : Models()) {
    const ModelGraph graph = AtCustomarySize(info);
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
