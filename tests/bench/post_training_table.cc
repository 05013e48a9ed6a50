// What each post-training technique does to a pretrained model, in each of some formats taken for every
// layer: a table of test accuracies as Markdown, each line printed when it is known. Everything is as in a
// job with start: post_training, but for the search.
//
// The columns: largest magnitudes as ranges and nothing else; then ranges of least squared error, and on top
// of those each technique by itself, and together.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "supernet/data/dataset.h"
#include "supernet/execution/oracle_factory.h"
#include "supernet/graph/assignment.h"
#include "supernet/graph/onnx_reader.h"

namespace {

using precis::Technique;

struct Column {
  std::string name;
  precis::RangeRule ranges = precis::RangeRule::kMeanSquareError;
  std::vector<Technique> techniques = {};
};

const std::vector<Column> kColumns = {
    {"max_abs", precis::RangeRule::kMaxAbs},
    {"mse"},
    {"equalization", precis::RangeRule::kMeanSquareError, {Technique::kEqualization}},
    {"smooth", precis::RangeRule::kMeanSquareError, {Technique::kSmooth}},
    {"bias_correction", precis::RangeRule::kMeanSquareError, {Technique::kBiasCorrection}},
    {"learned_rounding", precis::RangeRule::kMeanSquareError, {Technique::kLearnedRounding}},
    {"gptq", precis::RangeRule::kMeanSquareError, {Technique::kGptq}},
    {"equalization + bias_correction + learned_rounding",
     precis::RangeRule::kMeanSquareError,
     {Technique::kEqualization, Technique::kBiasCorrection, Technique::kLearnedRounding}},
    {"smooth + bias_correction + gptq",
     precis::RangeRule::kMeanSquareError,
     {Technique::kSmooth, Technique::kBiasCorrection, Technique::kGptq}},
};

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "post_training_table: %s\n", std::string(status.message()).c_str());
  return 1;
}

// Every so manieth image.
void Thin(precis::ImageSet& set, size_t every, size_t image_size) {
  precis::ImageSet thin;
  for (size_t i = 0; i < set.labels.size(); i += every) {
    thin.labels.push_back(set.labels[i]);
    const auto begin = set.pixels.begin() + static_cast<std::ptrdiff_t>(i * image_size);
    thin.pixels.insert(thin.pixels.end(), begin, begin + static_cast<std::ptrdiff_t>(image_size));
  }
  thin.count = static_cast<int64_t>(thin.labels.size());
  set = std::move(thin);
}

}  // namespace

int main(int argc, char** argv) {
  std::string model_path;
  std::string data_path;
  std::vector<std::string> formats = {"int4", "int3", "e2m1", "e3m2", "mxint4", "mxfp4"};
  std::vector<std::string> only;
  size_t every = 1;
  bool weights_only = false;
  bool recalibrate = false;
  precis::OracleOptions options;
  options.search_images = 200;
  options.against_float = true;
  options.training.steps = 0;
  options.training.recalibration_images = 512;
  options.training.threads = 1;

  CLI::App app("Post-training techniques, format by format.");
  app.add_option("--model", model_path, "ONNX file of a pretrained classifier of CIFAR's size")->required();
  app.add_option("--path", data_path, "Folder of its images: train/CLASS/FILE and test/CLASS/FILE")
      ->required();
  app.add_option("--formats", formats)->delimiter(',')->capture_default_str();
  app.add_option("--only", only, "Columns; default: all")->delimiter(',');
  app.add_option("--every", every, "Every so manieth test image")->capture_default_str();
  app.add_flag("--weights-only", weights_only, "Activations stay fp32");
  app.add_flag("--recalibrate", recalibrate, "Batch norms are recalibrated for each cell");
  app.add_option("--images", options.training.recalibration_images, "For calibration")->capture_default_str();
  app.add_option("--threads", options.training.threads)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  options.keep_statistics = !recalibrate;

  absl::StatusOr<precis::OnnxModel> model = precis::ReadOnnxModel(model_path);
  if (!model.ok()) return Fail(model.status());
  options.weights = std::make_shared<const precis::WeightFile>(std::move(model->weights));
  options.data.image_size = model->graph.input_shape()[1];
  options.data.mean = {0.485, 0.456, 0.406};
  options.data.standard_deviation = {0.229, 0.224, 0.225};
  absl::StatusOr<precis::DatasetInfo> info = precis::FindDataset("image_folder");
  if (info.ok()) info = precis::InspectDataset(*info, data_path, options.data);
  if (!info.ok()) return Fail(info.status());
  absl::StatusOr<precis::Dataset> dataset = precis::LoadDataset(*info, data_path, options.data);
  if (!dataset.ok()) return Fail(dataset.status());
  const auto image_size = static_cast<size_t>(info->channels * info->height * info->width);
  Thin(dataset->train, 10, image_size);
  Thin(dataset->test, every, image_size);

  std::vector<Column> columns;
  for (const Column& column : kColumns) {
    if (only.empty() || std::find(only.begin(), only.end(), column.name) != only.end())
      columns.push_back(column);
  }
  std::map<std::string, std::vector<double>> accuracies;  // by format
  for (const Column& column : columns) {
    options.training.ranges = {.weights = column.ranges, .activations = column.ranges};
    options.post_training.techniques = column.techniques;
    absl::StatusOr<std::unique_ptr<precis::Oracle>> oracle =
        precis::MakeSupernetOracle(model->graph, *dataset, options);
    if (!oracle.ok()) return Fail(oracle.status());
    std::vector<std::string> rows = formats;
    if (&column == &columns.front()) rows.insert(rows.begin(), "fp32");
    for (const std::string& name : rows) {
      const absl::StatusOr<precis::Format> format = precis::ParseFormat(name);
      if (!format.ok()) return Fail(format.status());
      const precis::LayerFormats layer = {*format, weights_only ? *precis::ParseFormat("fp32") : *format};
      const precis::Assignment assignment = precis::UniformAssignment(model->graph.Layers().size(), layer);
      const absl::StatusOr<precis::Evaluation> test = (*oracle)->Evaluate(assignment, precis::Split::kTest);
      if (!test.ok()) return Fail(test.status());
      accuracies[name].push_back(100 * test->quality.accuracy);
      std::fprintf(stderr, "%s, %s: %.2f\n", name.c_str(), column.name.c_str(), accuracies[name].back());
    }
  }
  std::printf("| format |");
  for (const Column& column : columns) std::printf(" %s |", column.name.c_str());
  std::printf("\n|---|");
  for (size_t i = 0; i < columns.size(); ++i) std::printf("---|");
  std::printf("\n");
  for (const std::string& name : formats) {
    std::printf("| `%s` |", name.c_str());
    for (const double accuracy : accuracies[name]) std::printf(" %.2f |", accuracy);
    std::printf("\n");
  }
  std::printf("\nfp32: %.2f, of %lld test images\n", accuracies["fp32"].front(),
              static_cast<long long>(dataset->test.count));
  return 0;
}
