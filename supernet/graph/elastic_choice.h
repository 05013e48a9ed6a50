// What may vary in a network whose layers share their weights over many architectures, and the choices that
// make one of them.
//
// A job lists values (ElasticOptions); the zoo, as it builds, asks at every place that can vary, and each
// place with two values or more becomes a dimension. The same code with other answers builds another
// architecture, so a network is described once.
//
// Threading: values; a chooser belongs to one build.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "supernet/graph/assignment.h"

namespace precis {

// Empty lists and false: the network's own value everywhere.
struct ElasticOptions {
  std::vector<int64_t> kernel = {};     // sides of depthwise convolutions
  std::vector<int64_t> expansion = {};  // hidden channels of an inverted residual over those of its input
  std::vector<double> width = {};       // times the channels of the stem and of every stage, rounded likewise
  bool skip = false;                    // blocks that end in an addition may be left out

  bool empty() const { return kernel.empty() && expansion.empty() && width.empty() && !skip; }
  bool operator==(const ElasticOptions&) const = default;
};

// One thing that varies.
struct ElasticDimension {
  std::string name;                  // "stage2.width", "stage2.block1.kernel", "stage2.block1"
  std::vector<std::string> options;  // two or more, rising in cost: "16", "24"; "3", "5"; "skipped", "kept"
  int own = 0;                       // the network's own
};

namespace zoo {

// Answers what a network under construction asks, in the order in which it asks.
class Chooser {
 public:
  // `options` must outlive this. architecture: one entry a dimension (checked as it is asked), or empty.
  Chooser(const ElasticOptions& options, const Architecture& architecture)
      : options_(options), architecture_(architecture) {}

  // Of the block or stage with that name. The network's own value must be among the options.
  int64_t Kernel(const std::string& block, int64_t own);
  int64_t Expansion(const std::string& block, int64_t own);
  // channels(factor): what a factor gives; own is channels(1).
  template <typename Channels>
  int64_t Width(const std::string& stage, const Channels& channels) {
    std::vector<int64_t> counts;
    for (const double factor : options_.width) counts.push_back(channels(factor));
    return Choose(stage + ".width", counts, channels(1));
  }
  bool Keeps(const std::string& block);

  // Of all that was asked.
  const std::vector<ElasticDimension>& dimensions() const { return dimensions_; }

 private:
  int64_t Choose(const std::string& name, std::vector<int64_t> values, int64_t own);
  int Next(ElasticDimension dimension);

  const ElasticOptions& options_;
  const Architecture architecture_;
  std::vector<ElasticDimension> dimensions_;
};

}  // namespace zoo
}  // namespace precis
