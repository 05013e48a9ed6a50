// An IDX file, plain or compressed.
#include "supernet/data/idx_file.h"
#include "supernet/formats/check.h"
#include "tests/fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const precis::FuzzFile file(data, size);
  const precis::IdxLimits limits = {.max_bytes = 1 << 20};
  const auto dimensions = precis::ReadIdxDimensions(file.path(), limits);
  const auto whole = precis::ReadIdxFile(file.path(), limits);
  if (!whole.ok()) return 0;
  PRECIS_CHECK(dimensions.ok() && *dimensions == whole->dimensions);
  int64_t count = 1;
  for (const int64_t dimension : whole->dimensions) count *= dimension;
  PRECIS_CHECK(count == static_cast<int64_t>(whole->data.size()) && count <= limits.max_bytes);
  return 0;
}
