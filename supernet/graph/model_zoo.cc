// The table of networks, and what their options may be.
#include "supernet/graph/model_zoo.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/did_you_mean.h"
#include "supernet/graph/zoo_builder.h"

namespace precis {
namespace {

constexpr int64_t kMaxImageSide = 4096;
constexpr int64_t kMaxImageChannels = 1024;
constexpr int64_t kMaxClasses = 1'000'000;
constexpr int64_t kImageNetStemFrom = 96;
constexpr int64_t kInceptionSide = 75;
constexpr int64_t kMaxPatches = 128;  // along a side: attention grows with the fourth power of it

struct Entry {
  ModelInfo info;
  ModelGraph (*build)(std::string_view name, const ModelOptions& options);
};

const std::vector<Entry>& Entries() {
  static const auto& entries = *new std::vector<Entry>{
      {{"resnet8", "residual network of 8 layers for small images (He et al. 2016, section 4.2, n = 1)", 32,
        4},
       zoo::BuildResNet},
      {{"resnet20", "residual network of 20 layers for small images (He et al. 2016, section 4.2, n = 3)", 32,
        4},
       zoo::BuildResNet},
      {{"resnet32", "residual network of 32 layers for small images (He et al. 2016, section 4.2, n = 5)", 32,
        4},
       zoo::BuildResNet},
      {{"resnet56", "residual network of 56 layers for small images (He et al. 2016, section 4.2, n = 9)", 32,
        4},
       zoo::BuildResNet},
      {{"resnet18", "residual network of 18 layers, basic blocks (He et al. 2016)"}, zoo::BuildResNet},
      {{"resnet34", "residual network of 34 layers, basic blocks (He et al. 2016)"}, zoo::BuildResNet},
      {{"resnet50", "residual network of 50 layers, bottleneck blocks, version 1.5 (He et al. 2016)"},
       zoo::BuildResNet},
      {{"mobilenet_v2", "inverted residuals with linear bottlenecks, any width (Sandler et al. 2018)"},
       zoo::BuildMobileNetV2},
      {{"inception_v3", "modules of parallel convolutions, no auxiliary head (Szegedy et al. 2016)", 299,
        kInceptionSide},
       zoo::BuildInceptionV3},
      {{"efficientnet_b0", "inverted residuals with squeeze-and-excite (Tan and Le 2019)"},
       zoo::BuildEfficientNet},
      {{"efficientnet_b1", "efficientnet_b0 deeper, factor 1.1 (Tan and Le 2019)", 240},
       zoo::BuildEfficientNet},
      {{"efficientnet_b2", "efficientnet_b0 wider and deeper, factors 1.1 and 1.2 (Tan and Le 2019)", 260},
       zoo::BuildEfficientNet},
      {{"efficientnet_b3", "efficientnet_b0 wider and deeper, factors 1.2 and 1.4 (Tan and Le 2019)", 300},
       zoo::BuildEfficientNet},
      {{"efficientnet_b4", "efficientnet_b0 wider and deeper, factors 1.4 and 1.8 (Tan and Le 2019)", 380},
       zoo::BuildEfficientNet},
      {{"deit_tiny", "vision transformer of 12 blocks, 192 features, 3 heads (Touvron et al. 2021)", 224, 4},
       zoo::BuildDeit},
      {{"deit_small", "vision transformer of 12 blocks, 384 features, 6 heads (Touvron et al. 2021)", 224, 4},
       zoo::BuildDeit},
      {{"deit_base", "vision transformer of 12 blocks, 768 features, 12 heads (Touvron et al. 2021)", 224, 4},
       zoo::BuildDeit},
  };
  return entries;
}

bool HasOneStem(const Entry& entry) { return entry.build == zoo::BuildInceptionV3; }
bool HasPatches(const Entry& entry) { return entry.build == zoo::BuildDeit; }

Stem ResolveStem(const ModelOptions& options) {
  if (options.stem != Stem::kAuto) return options.stem;
  return std::min(options.height, options.width) >= kImageNetStemFrom ? Stem::kImageNet : Stem::kSmall;
}

// Of the ImageNet stem over the small one: by how much more it divides each side.
int64_t SmallestSide(const Entry& entry, Stem stem) {
  const bool divides = stem == Stem::kImageNet && !HasOneStem(entry);
  return entry.info.smallest_size * (divides ? 4 : 1);
}

std::vector<std::string> OptionFaults(const Entry& entry, const ModelOptions& options) {
  std::vector<std::string> faults;
  const auto require = [&](const char* option, int64_t value, int64_t lowest, int64_t highest) {
    if (value >= lowest && value <= highest) return true;
    faults.push_back(absl::StrCat(option, " is ", value, ", allowed are ", lowest, " to ", highest));
    return false;
  };
  require("channels", options.channels, 1, kMaxImageChannels);
  require("classes", options.classes, 1, kMaxClasses);
  const Stem stem = ResolveStem(options);
  const int64_t patch = HasPatches(entry) ? zoo::DeitPatch(stem) : 1;
  const int64_t largest = HasPatches(entry) ? std::min(kMaxImageSide, kMaxPatches * patch) : kMaxImageSide;
  for (const auto& [option, side] : {std::pair{"height", options.height}, {"width", options.width}}) {
    if (!require(option, side, SmallestSide(entry, stem), largest) || side % patch == 0) continue;
    faults.push_back(absl::StrCat(option, " is ", side, ", which patches of ", patch, " pixels do not fill: ",
                                  side / patch * patch, " or ", (side / patch + 1) * patch, " would do"));
  }
  if (!(options.width_multiplier >= 0.1 && options.width_multiplier <= 4)) {
    faults.push_back(
        absl::StrCat("width_multiplier is ", options.width_multiplier, ", allowed are 0.1 to 4"));
  }
  return faults;
}

ModelOptions Resolved(const ModelOptions& options) {
  ModelOptions resolved = options;
  resolved.stem = ResolveStem(options);
  return resolved;
}

absl::StatusOr<const Entry*> FindEntry(std::string_view name, const ModelOptions& options) {
  const auto entry = std::find_if(Entries().begin(), Entries().end(),
                                  [&](const Entry& each) { return each.info.name == name; });
  if (entry == Entries().end()) {
    std::vector<std::string> names;
    for (const ModelInfo& model : Models()) names.push_back(model.name);
    return absl::NotFoundError(absl::StrCat("there is no model \"", std::string(name), "\".",
                                            DidYouMean(name, names), " Known are ",
                                            absl::StrJoin(names, ", "), "."));
  }
  const std::vector<std::string> faults = OptionFaults(*entry, options);
  if (!faults.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", std::string(name), "\": ", absl::StrJoin(faults, "; ")));
  }
  return &*entry;
}

}  // namespace

const std::vector<ModelInfo>& Models() {
  static const auto& models = *new std::vector<ModelInfo>([] {
    std::vector<ModelInfo> infos;
    for (const Entry& entry : Entries()) infos.push_back(entry.info);
    return infos;
  }());
  return models;
}

absl::StatusOr<ModelGraph> BuildModel(std::string_view name, const ModelOptions& options) {
  const absl::StatusOr<const Entry*> entry = FindEntry(name, options);
  if (!entry.ok()) return entry.status();
  return (*entry)->build(name, Resolved(options));
}

std::optional<ElasticOwn> ElasticOwnOf(std::string_view name) {
  if (name != "mobilenet_v2") return std::nullopt;
  return ElasticOwn{.kernel = {3}, .expansion = {6}};
}

absl::StatusOr<std::shared_ptr<const ElasticNetwork>> BuildElasticModel(std::string_view name,
                                                                        const ModelOptions& options,
                                                                        const ElasticOptions& elastic) {
  const absl::StatusOr<const Entry*> entry = FindEntry(name, options);
  if (!entry.ok()) return entry.status();
  const std::optional<ElasticOwn> own = ElasticOwnOf(name);
  const auto lacks = [](const auto& list, const auto& values) {
    return !list.empty() && !std::all_of(values.begin(), values.end(), [&](const auto& value) {
      return std::find(list.begin(), list.end(), value) != list.end();
    });
  };
  if (!own || lacks(elastic.kernel, own->kernel) || lacks(elastic.expansion, own->expansion) ||
      lacks(elastic.width, std::vector<double>{1})) {
    return absl::InvalidArgumentError(
        absl::StrCat("model \"", std::string(name), "\" has no such architectures"));
  }
  return std::make_shared<const ElasticNetwork>(
      elastic, [name = std::string(name), resolved = Resolved(options)](zoo::Chooser& chooser) {
        return zoo::BuildMobileNetV2(name, resolved, chooser);
      });
}

}  // namespace precis
