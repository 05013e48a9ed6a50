// The files of an image folder, by class. Internal to supernet/data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/dataset_info.h"

namespace precis {

struct ListedImage {
  std::string name;  // within the folder of its class
  uint16_t label = 0;
};

struct FolderListing {
  std::string path;
  std::string test_folder;  // "test" or "val"
  std::vector<std::string> classes;
  std::vector<ListedImage> train;  // by class, then by name
  std::vector<ListedImage> test;

  std::string PathOf(const ListedImage& image, bool is_test) const;
  // Hex digest of all names: other files, another digest.
  std::string Digest() const;
};

// Reads the names of the folders and files, nothing else. Files that are no images by their endings, and
// hidden ones, are passed over. Every fault in one message, as InspectDataset.
absl::StatusOr<FolderListing> ListFolder(const DatasetInfo& info, const std::string& path);

}  // namespace precis
