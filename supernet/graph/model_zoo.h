// The networks that Precis knows by name.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/elastic_network.h"
#include "supernet/graph/model_graph.h"

namespace precis {

enum class Stem {
  kAuto,   // kImageNet for inputs of 96 pixels and more, else kSmall
  kSmall,  // 3×3 stride 1, no pooling; mobilenet_v2 and efficientnet_b* also drop the stride of their second
           // stage (CIFAR practice); deit_* cut patches of 4×4 pixels
  kImageNet,  // ResNets 7×7 stride 2 and 3×3 max pooling stride 2, mobilenet_v2 and efficientnet_b* 3×3
              // stride 2; deit_* patches of 16×16
};

struct ModelOptions {
  int64_t channels = 3;  // of the input image; 1…1024
  // Up to 4096, and at least the network's total stride, so that the last pooling sees one pixel or more:
  // ResNets of 16 channels (8, 20, 32, 56) 4, the others 8; four times that with the ImageNet stem.
  // inception_v3 has one stem for all images, and takes 75 and more. deit_*: a multiple of the patch, 1 to
  // 128 patches.
  int64_t height = 32;
  int64_t width = 32;
  int64_t classes = 10;  // 1…1 000 000
  // Channels of every layer, 0.1…4, rounded to the nearest multiple of 8, at least 8, one step further up
  // where that would lose more than a tenth. The last convolution of mobilenet_v2 never falls below 1280.
  // inception_v3 rounds to multiples of 4: the costs published for its widths leave no room for rounding.
  // efficientnet_b* multiply their own width factor. deit_*: the embedding, to multiples of 32; heads have 64
  // features where those divide it, else 32 (288 features: 9 heads).
  double width_multiplier = 1.0;
  Stem stem = Stem::kAuto;
  // resnet18: a 1×1 projection on the first shortcut of stage 1, as the networks of FLIQS have it
  // (1.8269 GMACs); false leaves it out as torchvision does (1.8141). Others: no effect.
  bool stage1_projection = true;
};

struct ModelInfo {
  std::string name;
  std::string description;       // one line: structure, year, source
  int64_t customary_size = 224;  // pixels of width and height at which its figures are quoted
  int64_t smallest_size = 8;     // pixels of width and height that it takes at least, with the small stem
};

// resnet8, 20, 32, 56: He et al. 2016, section 4.2 (CIFAR): 3×3 stem of 16 channels, three stages of 16,
//   32, 64 channels, n = 1, 3, 5 or 9 basic blocks each; shortcuts that change shape are 1×1 projections.
// resnet18, 34, 50: He et al. 2016; resnet50 is v1.5 (the stride sits in the 3×3).
// mobilenet_v2: Sandler et al. 2018.
// inception_v3: Szegedy et al. 2016, without the auxiliary classifier. 5.713 GMACs at 299 pixels, the
// authors'
//   size, and 2.838 at 224.
// efficientnet_b0 … b4: Tan and Le 2019, squeeze-and-excite layers counted as the linear layers they are.
// deit_tiny, small, base: Touvron et al. 2021, without the distillation token. q, k and v are three linear
//   layers of one group, so that they take their formats together.
// Layers are named by place: "stem.conv", "stage2.block0.conv1", "stage2.block0.shortcut.conv",
// "stage2.block0.expand.conv", "stage2.block0.se.reduce", "mixed3.branch1.0.conv", "block0.attention.scores",
// "classifier". Stages count from 1, all else from 0.
const std::vector<ModelInfo>& Models();

// NOT_FOUND with a did-you-mean for an unknown name; INVALID_ARGUMENT, naming the option, if a value is
// out of range or the image does not suit the network.
absl::StatusOr<ModelGraph> BuildModel(std::string_view name, const ModelOptions& options);

// What ElasticOptions of a model must list, where they list anything: the network's own values.
struct ElasticOwn {
  std::vector<int64_t> kernel;
  std::vector<int64_t> expansion;
};
// None if the model is not elastic. mobilenet_v2: the widths of the stem and of every stage; kernel and, but
// for the first, expansion of every block; whether a block but the first of its stage is kept. Its own are 3
// and 6.
std::optional<ElasticOwn> ElasticOwnOf(std::string_view name);

// As BuildModel, all architectures. INVALID_ARGUMENT also if the model is not elastic, or a list lacks one of
// its own values or 1, the width.
absl::StatusOr<std::shared_ptr<const ElasticNetwork>> BuildElasticModel(std::string_view name,
                                                                        const ModelOptions& options,
                                                                        const ElasticOptions& elastic);

}  // namespace precis
