// Name or file, start, labels.
#include "search/model_check.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "search/name_check.h"
#include "supernet/graph/model_zoo.h"
#include "supernet/graph/node_op.h"

namespace precis::search {
namespace {

constexpr size_t kMostPathBytes = 4096;
constexpr size_t kMostLabelBytes = 200;

bool HasControlCharacter(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return true;
  }
  return false;
}

void CheckNamed(const ModelSpec& model, RangeCheck& check, Violations& violations) {
  std::vector<std::string> models;
  for (const ModelInfo& each : Models()) models.push_back(each.name);
  CheckName("model.name", model.name, "model", models, violations);
  if (model.start != Start::kFromScratch) {
    violations.push_back({"model.start", absl::StrCat(StartName(model.start),
                                                      " starts from trained weights, and networks by name "
                                                      "have none: give your model as model.path, or leave "
                                                      "model.start out.")});
  }
  if (!model.output.empty()) {
    violations.push_back({"model.output", "is for a model from a file (model.path). Leave it out."});
  }
  check.Real("model.width_multiplier", model.width_multiplier, {.least = 0.1, .most = 4},
             "The default is 1.");
}

void CheckFile(const JobSpec& spec, Violations& violations) {
  const ModelSpec& model = spec.model;
  const auto refuse = [&](const std::string& field, const std::string& why) {
    violations.push_back({field, why});
  };
  if (!model.name.empty()) {
    refuse("model.name",
           absl::StrCat("\"", model.name, "\" and a model.path are two networks: take one of them out."));
  }
  if (model.path.front() != '/' || model.path.size() > kMostPathBytes || HasControlCharacter(model.path)) {
    refuse("model.path", absl::StrCat("is no absolute path: give an ONNX file on the server's machine from / "
                                      "on, of at most ",
                                      kMostPathBytes, " bytes without control characters."));
  }
  const ModelSpec defaults;
  const auto refuse_change = [&](const std::string& field, bool given) {
    if (given) {
      refuse(field, "is for the networks by name; a model from a file is taken as it is. Leave it out.");
    }
  };
  refuse_change("model.width_multiplier", model.width_multiplier != defaults.width_multiplier);
  refuse_change("model.stem", model.stem != defaults.stem);
  refuse_change("model.stage1_projection", model.stage1_projection != defaults.stage1_projection);
  refuse_change("space.architecture", !spec.space.architecture.empty());
}

void CheckTechniques(const PostTraining& rewriting, RangeCheck& check, Violations& violations) {
  const std::vector<Technique>& techniques = rewriting.techniques;
  for (size_t i = 0; i < techniques.size(); ++i) {
    const auto rest = techniques.begin() + static_cast<std::ptrdiff_t>(i);
    if (std::find(techniques.begin(), rest, techniques[i]) == rest) continue;
    violations.push_back({absl::StrCat("post_training.techniques[", i, "]"),
                          absl::StrCat(TechniqueName(techniques[i]), " is given twice: once is enough.")});
  }
  const auto refuse_both = [&](Technique a, Technique b, const char* why) {
    if (!rewriting.Has(a) || !rewriting.Has(b)) return;
    violations.push_back({"post_training.techniques",
                          absl::StrCat(TechniqueName(a), " and ", TechniqueName(b), " ", why,
                                       ": take one of them out. Every other combination is allowed.")});
  };
  refuse_both(Technique::kEqualization, Technique::kSmooth,
              "set the same factors, and smooth would undo what equalization did");
  refuse_both(Technique::kLearnedRounding, Technique::kGptq,
              "both choose the rounded weights, and only one can have the last word");
  check.Real("post_training.smooth_alpha", rewriting.smooth_alpha, {.least = 0, .most = 1},
             "The default is 0.5.");
}

void CheckPostTraining(const JobSpec& spec, int64_t training_images, RangeCheck& check,
                       Violations& violations) {
  const auto refuse = [&](const std::string& field, const std::string& why) {
    violations.push_back({field, why});
  };
  if (spec.epochs != 0) {
    refuse("training.epochs", absl::StrCat(spec.epochs,
                                           " is not for post_training, which trains nothing: leave it out, "
                                           "or set model.start to finetune."));
  }
  const Algorithm algorithm = spec.controller.algorithm;
  if (FamilyOf(algorithm) == Family::kPolicy) {
    refuse("controller.algorithm", absl::StrCat(AlgorithmName(algorithm),
                                                " learns while it trains, and post_training trains "
                                                "nothing: give precis, sensitivity, uniform, random or "
                                                "evolution."));
  }
  const RangeOptions& ranges = spec.training.ranges;
  for (const auto& [field, rule] :
       {std::pair{"ranges.weights", ranges.weights}, {"ranges.activations", ranges.activations}}) {
    if (rule != RangeRule::kLearned && rule != RangeRule::kMovingAverage) continue;
    refuse(field, absl::StrCat(rule == RangeRule::kLearned ? "learned" : "moving_average",
                               " ranges come of training, and post_training trains nothing: give max_abs, "
                               "percentile or mean_square_error (the default)."));
  }
  CheckTechniques(spec.post_training.rewriting, check, violations);
  check.Whole("post_training.calibration_images", spec.post_training.calibration_images, 2, training_images,
              training_images == kUnbounded ? "" : "the data set's training images less data.search_images",
              absl::StrCat("The default is ", PostTrainingSpec().calibration_images, "."));
}

void CheckLabels(const std::vector<std::string>& labels, const DatasetInfo* dataset, Violations& violations) {
  if (labels.empty()) return;
  const auto count = static_cast<int64_t>(labels.size());
  if (dataset != nullptr && count != dataset->classes) {
    violations.push_back(
        {"model.labels", absl::StrCat("has ", count, " names, and ", dataset->name, " has ", dataset->classes,
                                      " classes: give a name for each, in their order.")});
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::string& label = labels[i];
    const std::string field = absl::StrCat("model.labels[", i, "]");
    if (label.empty() || label.size() > kMostLabelBytes || HasControlCharacter(label)) {
      violations.push_back({field, absl::StrCat("is no name: give 1 to ", kMostLabelBytes,
                                                " bytes without control characters.")});
    } else if (!seen.insert(label).second) {
      violations.push_back({field, absl::StrCat("\"", label, "\" is given twice.")});
    }
  }
}

}  // namespace

void CheckModel(const JobSpec& spec, const DatasetInfo* dataset, RangeCheck& check, Violations& violations) {
  if (spec.model.path.empty()) {
    CheckNamed(spec.model, check, violations);
  } else {
    CheckFile(spec, violations);
  }
  if (spec.model.start == Start::kPostTraining) {
    const int64_t images = dataset == nullptr ? kUnbounded : dataset->train_images - spec.data.search_images;
    CheckPostTraining(spec, images, check, violations);
  }
  if (spec.model.start != Start::kPostTraining && !spec.post_training.rewriting.techniques.empty()) {
    violations.push_back({"post_training.techniques",
                          absl::StrCat("are for weights that stay as they are, and model.start is ",
                                       StartName(spec.model.start),
                                       ": set model.start to post_training, or leave them out.")});
  }
  CheckLabels(spec.model.labels, dataset, violations);
}

Violations CheckFit(const ModelGraph& graph, const DatasetInfo& dataset) {
  Violations violations;
  const auto refuse = [&](auto&&... parts) { violations.push_back({"model.path", absl::StrCat(parts...)}); };
  const Shape image = {dataset.channels, dataset.height, dataset.width};
  if (graph.input_shape() != image) {
    const bool folder = dataset.name == "image_folder";
    refuse("takes images of ", ShapeText(graph.input_shape()), ", and ", dataset.name, " has ",
           ShapeText(image), " (channels, height, width). ",
           folder ? "Set data.channels and data.image_size to the model's."
                  : "Export the model for that size, or use an image_folder, whose images are scaled.");
  }
  const Shape& logits = graph.node(graph.output()).shape;
  if (logits != Shape{dataset.classes}) {
    refuse("gives ", ShapeText(logits), " numbers for an image, and ", dataset.name, " has ", dataset.classes,
           " classes: needed is one logit a class, in their order.");
  }
  if (graph.Layers().empty()) {
    refuse("has no convolution, linear layer or matrix product, so there are no formats to search.");
  }
  return violations;
}

}  // namespace precis::search
