// What a data set is, without its bytes: enough to build a network and plan a search.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace precis {

struct DatasetInfo {
  std::string name;         // "fashion_mnist"
  std::string description;  // one line: content, source, licence
  // Sizes; all 0 for a kind of data whose sizes lie in its files, until InspectDataset has found them.
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t classes = 0;
  int64_t train_images = 0;
  int64_t test_images = 0;
  std::string default_path = {};         // where Debian's package puts it; empty: the user says where it is
  std::vector<std::string> labels = {};  // class names in order
  std::string content = {};              // hex digest of what was found; empty where the name says it all

  bool SizesKnown() const { return train_images > 0; }
};

}  // namespace precis
