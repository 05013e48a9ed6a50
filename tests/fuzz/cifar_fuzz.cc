// The files of CIFAR-100, two images and one, of two by two pixels; the first byte says where they part.
#include <algorithm>
#include <fstream>
#include <string>

#include "supernet/data/cifar_dataset.h"
#include "supernet/formats/check.h"
#include "tests/fakes/temp_dir.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const precis::TempDir* const folder = new precis::TempDir();  // as long as the process
  const size_t part = std::min<size_t>(data[0], size - 1);
  const auto write = [&](const std::string& name, size_t begin, size_t end) {
    std::ofstream(folder->path() + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(data + begin), static_cast<std::streamsize>(end - begin));
  };
  write("/train.bin", 1, 1 + part);
  write("/test.bin", 1 + part, size);
  const precis::DatasetInfo info{"cifar100", "Made up.", 3, 2, 2, 100, 2, 1, "", {}};
  const absl::Status inspected = precis::InspectCifar(info, folder->path());
  const absl::StatusOr<precis::Dataset> loaded = precis::LoadCifar(info, folder->path());
  if (loaded.ok()) PRECIS_CHECK(inspected.ok());
  return 0;
}
