// A safetensors file. What is read and written is read as the same.
#include <string>

#include "supernet/formats/check.h"
#include "supernet/graph/weight_file.h"
#include "tests/fuzz/fuzz_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const precis::FuzzFile file(data, size);
  const auto weights = precis::ReadWeightFile(file.path());
  if (!weights.ok()) return 0;
  const std::string bytes = precis::WeightFileBytes(*weights);
  const precis::FuzzFile copy(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const auto again = precis::ReadWeightFile(copy.path());
  PRECIS_CHECK(again.ok() && precis::WeightFileBytes(*again) == bytes);
  return 0;
}
