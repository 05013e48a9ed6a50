// ElasticNetwork: all architectures of a network that share weights.
//
// A layer keeps its name in every architecture, and layer i of an assignment is the same one in all of them,
// though its shape differs and a skipped block's layers are absent. A weight of a smaller architecture is the
// first channels, and the middle of the kernel, of the largest one's.
//
// Threading: immutable after construction; concurrent calls are safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "supernet/graph/assignment.h"
#include "supernet/graph/elastic_choice.h"
#include "supernet/graph/model_graph.h"

namespace precis {

class ElasticNetwork {
 public:
  // Builds a network with the answers of a chooser; the same places are asked whatever the answers.
  using Build = std::function<ModelGraph(zoo::Chooser&)>;
  static constexpr size_t kAbsent = SIZE_MAX;

  ElasticNetwork(ElasticOptions options, Build build);

  // At least one if the options list two values of anything that the network has.
  const std::vector<ElasticDimension>& dimensions() const { return dimensions_; }

  // An empty architecture is the network's own.
  ModelGraph Graph(const Architecture& architecture) const;
  // Whether it has an option within range for every dimension; so has whatever else is taken here (checked).
  bool Has(const Architecture& architecture) const;
  Architecture Own() const;
  Architecture Largest() const;
  Architecture Smallest() const;

  size_t layer_count() const { return layer_count_; }
  // Every shape that a layer can have; the first layer_count() are those of the network's own architecture.
  // Layer::node means nothing beyond those.
  const std::vector<Layer>& shapes() const { return shapes_; }
  size_t LayerOf(size_t shape) const { return layer_of_[shape]; }
  // By layer: index into shapes(), or kAbsent.
  std::vector<size_t> ShapesOf(const Architecture& architecture) const;
  // Of one layer, in an architecture that is not empty.
  size_t ShapeOf(size_t layer, const Architecture& architecture) const {
    return layers_[layer].shapes[CombinationOf(layers_[layer], architecture)];
  }
  // The dimensions that a layer's shape depends on.
  const std::vector<size_t>& DimensionsOf(size_t layer) const { return layers_[layer].dimensions; }

  // "stage2.width=16 stage2.block1=skipped": what differs from the network's own; empty if nothing does.
  std::string Describe(const Architecture& architecture) const;

  // The assignment of the layers that there are, as an assignment of Graph(assignment.architecture).
  Assignment CutOut(const Assignment& assignment) const;

 private:
  struct ElasticLayer {
    std::vector<size_t> dimensions;  // that it depends on
    std::vector<size_t> shapes;      // by their options, the last dimension fastest
  };

  void FindShapes();
  void Fill(const ElasticLayer& layer, Architecture& architecture) const;
  size_t CombinationOf(const ElasticLayer& layer, const Architecture& architecture) const;

  const ElasticOptions options_;
  const Build build_;
  std::vector<ElasticDimension> dimensions_;
  size_t layer_count_ = 0;
  std::vector<Layer> shapes_;
  std::vector<size_t> layer_of_;  // by shape
  std::vector<ElasticLayer> layers_;
};

}  // namespace precis
