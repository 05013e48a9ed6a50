// Which dimensions a layer depends on is found by changing one at a time; its shapes, by building one network
// for each combination of those.
#include "supernet/graph/elastic_network.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr size_t kUnknown = ElasticNetwork::kAbsent - 1;
constexpr int kFree = -1;

bool SameShape(const Layer& a, const Layer& b) {
  return a.macs == b.macs && a.weights == b.weights && a.output_channels == b.output_channels &&
         a.reduction == b.reduction && a.input_elements == b.input_elements;
}

std::map<std::string, Layer> ByName(const ModelGraph& graph) {
  std::map<std::string, Layer> layers;
  for (Layer& layer : graph.Layers()) layers.emplace(layer.name, layer);
  return layers;
}

}  // namespace

ElasticNetwork::ElasticNetwork(ElasticOptions options, Build build)
    : options_(std::move(options)), build_(std::move(build)) {
  zoo::Chooser chooser(options_, {});
  shapes_ = build_(chooser).Layers();
  dimensions_ = chooser.dimensions();
  layer_count_ = shapes_.size();
  layers_.resize(layer_count_);
  for (size_t i = 0; i < layer_count_; ++i) layer_of_.push_back(i);
  FindShapes();
}

ModelGraph ElasticNetwork::Graph(const Architecture& architecture) const {
  PRECIS_CHECK(architecture.empty() || Has(architecture));
  zoo::Chooser chooser(options_, architecture);
  return build_(chooser);
}

bool ElasticNetwork::Has(const Architecture& architecture) const {
  if (architecture.size() != dimensions_.size()) return false;
  for (size_t d = 0; d < dimensions_.size(); ++d) {
    const auto count = static_cast<int>(dimensions_[d].options.size());
    if (architecture[d] < 0 || architecture[d] >= count) return false;
  }
  return true;
}

Architecture ElasticNetwork::Own() const {
  Architecture own;
  for (const ElasticDimension& dimension : dimensions_) own.push_back(dimension.own);
  return own;
}

Architecture ElasticNetwork::Largest() const {
  Architecture largest;
  for (const ElasticDimension& dimension : dimensions_) {
    largest.push_back(static_cast<int>(dimension.options.size()) - 1);
  }
  return largest;
}

Architecture ElasticNetwork::Smallest() const { return Architecture(dimensions_.size(), 0); }

void ElasticNetwork::FindShapes() {
  const Architecture own = Own();
  for (size_t d = 0; d < dimensions_.size(); ++d) {
    std::vector<bool> depends(layer_count_, false);
    for (int option = 0; option < static_cast<int>(dimensions_[d].options.size()); ++option) {
      if (option == own[d]) continue;
      Architecture changed = own;
      changed[d] = option;
      const std::map<std::string, Layer> layers = ByName(Graph(changed));
      for (size_t i = 0; i < layer_count_; ++i) {
        const auto at = layers.find(shapes_[i].name);
        depends[i] = depends[i] || at == layers.end() || !SameShape(at->second, shapes_[i]);
      }
    }
    for (size_t i = 0; i < layer_count_; ++i) {
      if (depends[i]) layers_[i].dimensions.push_back(d);
    }
  }

  const auto key = [](const Layer& of) {
    return std::vector<int64_t>{of.macs, of.weights, of.output_channels, of.reduction, of.input_elements};
  };
  std::vector<std::map<std::vector<int64_t>, size_t>> known(layer_count_);
  size_t most = 0;
  for (size_t i = 0; i < layer_count_; ++i) {
    size_t combinations = 1;
    for (const size_t d : layers_[i].dimensions) combinations *= dimensions_[d].options.size();
    layers_[i].shapes.assign(combinations, kUnknown);
    known[i].emplace(key(shapes_[i]), i);
    most += combinations;
  }
  while (most > 0) {
    // A network for as many combinations of different layers as go together.
    Architecture architecture(dimensions_.size(), kFree);
    for (ElasticLayer& layer : layers_) Fill(layer, architecture);
    for (size_t d = 0; d < architecture.size(); ++d) {
      if (architecture[d] == kFree) architecture[d] = own[d];
    }
    const std::map<std::string, Layer> built = ByName(Graph(architecture));
    for (size_t i = 0; i < layer_count_; ++i) {
      size_t& shape = layers_[i].shapes[CombinationOf(layers_[i], architecture)];
      if (shape != kUnknown) continue;
      --most;
      const auto found = built.find(shapes_[i].name);
      if (found == built.end()) {
        shape = kAbsent;
        continue;
      }
      const auto [at, is_new] = known[i].emplace(key(found->second), shapes_.size());
      shape = at->second;
      if (!is_new) continue;
      shapes_.push_back(found->second);
      layer_of_.push_back(i);
    }
  }
}

// Chooses the options of the layer's first unknown combination that the choices made before allow.
void ElasticNetwork::Fill(const ElasticLayer& layer, Architecture& architecture) const {
  for (size_t combination = 0; combination < layer.shapes.size(); ++combination) {
    if (layer.shapes[combination] != kUnknown) continue;
    Architecture filled = architecture;
    size_t rest = combination;
    bool fits = true;
    for (size_t j = layer.dimensions.size(); j-- > 0;) {
      const size_t count = dimensions_[layer.dimensions[j]].options.size();
      const auto option = static_cast<int>(rest % count);
      rest /= count;
      int& at = filled[layer.dimensions[j]];
      fits = fits && (at == kFree || at == option);
      at = option;
    }
    if (!fits) continue;
    architecture = filled;
    return;
  }
}

size_t ElasticNetwork::CombinationOf(const ElasticLayer& layer, const Architecture& architecture) const {
  size_t combination = 0;
  for (const size_t d : layer.dimensions) {
    combination = combination * dimensions_[d].options.size() + static_cast<size_t>(architecture[d]);
  }
  return combination;
}

std::vector<size_t> ElasticNetwork::ShapesOf(const Architecture& architecture) const {
  PRECIS_CHECK(architecture.empty() || Has(architecture));
  std::vector<size_t> shapes;
  shapes.reserve(layer_count_);
  for (size_t i = 0; i < layer_count_; ++i) {
    shapes.push_back(architecture.empty() ? i : ShapeOf(i, architecture));
  }
  return shapes;
}

std::string ElasticNetwork::Describe(const Architecture& architecture) const {
  std::string text;
  for (size_t d = 0; d < architecture.size(); ++d) {
    const ElasticDimension& dimension = dimensions_[d];
    if (architecture[d] == dimension.own) continue;
    absl::StrAppend(&text, text.empty() ? "" : " ", dimension.name, "=",
                    dimension.options[static_cast<size_t>(architecture[d])]);
  }
  return text;
}

Assignment ElasticNetwork::CutOut(const Assignment& assignment) const {
  PRECIS_CHECK(assignment.layers.size() == layer_count_);
  const std::vector<size_t> shapes = ShapesOf(assignment.architecture);
  Assignment cut;
  for (size_t i = 0; i < layer_count_; ++i) {
    if (shapes[i] != kAbsent) cut.layers.push_back(assignment.layers[i]);
  }
  return cut;
}

}  // namespace precis
