// An ONNX file from whoever submits it.
#include <string_view>

#include "supernet/formats/check.h"
#include "supernet/graph/onnx_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const bool any_output : {false, true}) {
    const absl::StatusOr<precis::OnnxModel> model = precis::ParseOnnxModel(
        bytes, "", "fuzz", {.input_shape = {3, 8, 8}, .output = "", .any_output = any_output});
    if (!model.ok()) {
      PRECIS_CHECK(model.status().message().find("fuzz") != std::string_view::npos);
    } else {
      PRECIS_CHECK(!precis::Describe(*model).empty());
    }
  }
  return 0;
}
