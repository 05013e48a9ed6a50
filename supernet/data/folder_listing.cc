// Two levels of folders.
#include "supernet/data/folder_listing.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/data/catalogue.h"
#include "supernet/data/image_file.h"

namespace precis {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostClasses = 65536;  // labels have 16 bits

// Sorted names of what `wanted` takes in a folder.
template <typename Wanted>
absl::StatusOr<std::vector<std::string>> Names(const std::string& folder, const Wanted& wanted) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code unknown;  // a link into the void is neither folder nor file
    if (wanted(*entry, unknown)) names.push_back(entry->path().filename().string());
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("Cannot read the folder '", folder, "': ", error.message(), ". Check its permissions."));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool IsClassFolder(const fs::directory_entry& entry, std::error_code& error) {
  return entry.path().filename().string().front() != '.' && entry.is_directory(error);
}

bool IsImage(const fs::directory_entry& entry, std::error_code& error) {
  return IsImageName(entry.path().filename().string()) && entry.is_regular_file(error);
}

// The images of one class, appended.
absl::Status AddImages(const std::string& folder, uint16_t label, std::vector<ListedImage>& images) {
  absl::StatusOr<std::vector<std::string>> names = Names(folder, IsImage);
  if (!names.ok()) return names.status();
  if (names->empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "The folder '", folder, "' holds no images (.jpg, .png and so on). Fill it, or take it away."));
  }
  for (std::string& name : *names) images.push_back({std::move(name), label});
  return absl::OkStatus();
}

void AddTest(const std::string& folder, const std::vector<std::string>& classes,
             std::vector<ListedImage>& images, Faults& faults) {
  const absl::StatusOr<std::vector<std::string>> names = Names(folder, IsClassFolder);
  if (!names.ok()) return faults.Add(names.status());
  for (const std::string& name : *names) {
    const auto known = std::lower_bound(classes.begin(), classes.end(), name);
    if (known == classes.end() || *known != name) {
      faults.Add(absl::InvalidArgumentError(
          absl::StrCat("'", folder, "/", name,
                       "' is a class that the training images do not have. Add images of it "
                       "to train/, or take it away.")));
      continue;
    }
    const absl::Status added =
        AddImages(absl::StrCat(folder, "/", name), static_cast<uint16_t>(known - classes.begin()), images);
    if (!added.ok()) faults.Add(added);
  }
  if (names->empty()) {
    faults.Add(absl::InvalidArgumentError(absl::StrCat("'", folder, "' holds no folders of classes.")));
  }
}

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

}  // namespace

std::string FolderListing::PathOf(const ListedImage& image, bool is_test) const {
  return absl::StrCat(path, "/", is_test ? test_folder : "train", "/", classes[image.label], "/", image.name);
}

std::string FolderListing::Digest() const {
  uint64_t digest = 0xcbf29ce484222325;  // FNV-1a
  const auto add = [&](const std::string& text) {
    for (const char c : text) digest = (digest ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    digest = digest * 0x100000001b3;  // an end that no name has
  };
  for (const std::string& name : classes) add(name);
  for (const auto* images : {&train, &test}) {
    add(images == &train ? "train" : "test");
    for (const ListedImage& image : *images) {
      add(classes[image.label]);
      add(image.name);
    }
  }
  return absl::StrCat(absl::Hex(digest, absl::kZeroPad16));
}

absl::StatusOr<FolderListing> ListFolder(const DatasetInfo& info, const std::string& path) {
  const absl::StatusOr<std::string> folder = Folder(info, path);
  if (!folder.ok()) return folder.status();
  FolderListing listing;
  listing.path = *folder;
  Faults faults;
  const std::string train = absl::StrCat(*folder, "/train");
  if (!IsFolder(train)) {
    faults.Add(absl::NotFoundError(absl::StrCat("There is no folder '", train, "'. ", Remedy(info))));
  }
  listing.test_folder = IsFolder(absl::StrCat(*folder, "/test")) ? "test" : "val";
  const std::string test = absl::StrCat(*folder, "/", listing.test_folder);
  if (!IsFolder(test)) {
    faults.Add(absl::NotFoundError(
        absl::StrCat("There is neither '", *folder, "/test' nor '", *folder, "/val'. ", Remedy(info))));
  }
  if (absl::Status together = faults.Together(); !together.ok()) return together;

  absl::StatusOr<std::vector<std::string>> classes = Names(train, IsClassFolder);
  if (!classes.ok()) return classes.status();
  listing.classes = *std::move(classes);
  if (listing.classes.size() < 2 || listing.classes.size() > kMostClasses) {
    return absl::InvalidArgumentError(absl::StrCat("'", train, "' holds ", listing.classes.size(),
                                                   " folders of classes: 2 to ", kMostClasses,
                                                   " are allowed. ", Remedy(info)));
  }
  for (size_t label = 0; label < listing.classes.size(); ++label) {
    const absl::Status added = AddImages(absl::StrCat(train, "/", listing.classes[label]),
                                         static_cast<uint16_t>(label), listing.train);
    if (!added.ok()) faults.Add(added);
  }
  AddTest(test, listing.classes, listing.test, faults);
  if (absl::Status together = faults.Together(); !together.ok()) return together;
  return listing;
}

}  // namespace precis
