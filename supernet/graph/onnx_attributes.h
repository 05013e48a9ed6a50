// Attributes of an ONNX node by name and type. Internal to the ONNX reader.
//
// An attribute that is there with another type than the one asked for is a fault, kept until Status() is
// asked; the default is returned meanwhile.
//
// Threading: none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace onnx {
class AttributeProto;
class NodeProto;
class TensorProto;
}  // namespace onnx

namespace precis::onnx_reader {

class OnnxAttributes {
 public:
  // `node` must outlive this.
  explicit OnnxAttributes(const onnx::NodeProto& node) : node_(node) {}

  bool Has(const char* name) const { return Find(name) != nullptr; }
  int64_t Int(const char* name, int64_t otherwise);
  double Float(const char* name, double otherwise);
  std::string String(const char* name, const char* otherwise);
  // Nothing if there is no such attribute.
  std::optional<std::vector<int64_t>> Ints(const char* name);
  std::optional<std::vector<float>> Floats(const char* name);
  const onnx::TensorProto* Tensor(const char* name);

  // INVALID_ARGUMENT naming every attribute of a wrong type that was asked for.
  absl::Status Status() const;

 private:
  const onnx::AttributeProto* Find(const char* name) const;
  const onnx::AttributeProto* Find(const char* name, int type);

  const onnx::NodeProto& node_;
  std::vector<std::string> wrong_;
};

}  // namespace precis::onnx_reader
