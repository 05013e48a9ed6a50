// Look-ups by name.
#include "supernet/graph/onnx_attributes.h"

#include <onnx/onnx_pb.h>

#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace precis::onnx_reader {

using onnx::AttributeProto;

const AttributeProto* OnnxAttributes::Find(const char* name) const {
  for (const AttributeProto& attribute : node_.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

const AttributeProto* OnnxAttributes::Find(const char* name, int type) {
  const AttributeProto* attribute = Find(name);
  if (attribute == nullptr || attribute->type() == type) return attribute;
  wrong_.push_back(absl::StrCat("attribute ", name, " has type ", attribute->type(), ", expected ", type));
  return nullptr;
}

int64_t OnnxAttributes::Int(const char* name, int64_t otherwise) {
  const AttributeProto* attribute = Find(name, AttributeProto::INT);
  return attribute == nullptr ? otherwise : attribute->i();
}

double OnnxAttributes::Float(const char* name, double otherwise) {
  const AttributeProto* attribute = Find(name, AttributeProto::FLOAT);
  if (attribute == nullptr) return otherwise;
  // The decimal number that was rounded to the float: 1e-5, not 9.99999974737875e-06.
  char text[32];
  const auto [end, written] = std::to_chars(text, text + sizeof(text), attribute->f());
  double value = attribute->f();
  if (written == std::errc()) std::from_chars(text, end, value);
  return value;
}

std::string OnnxAttributes::String(const char* name, const char* otherwise) {
  const AttributeProto* attribute = Find(name, AttributeProto::STRING);
  return attribute == nullptr ? otherwise : attribute->s();
}

std::optional<std::vector<int64_t>> OnnxAttributes::Ints(const char* name) {
  const AttributeProto* attribute = Find(name, AttributeProto::INTS);
  if (attribute == nullptr) return std::nullopt;
  return std::vector<int64_t>(attribute->ints().begin(), attribute->ints().end());
}

std::optional<std::vector<float>> OnnxAttributes::Floats(const char* name) {
  const AttributeProto* attribute = Find(name, AttributeProto::FLOATS);
  if (attribute == nullptr) return std::nullopt;
  return std::vector<float>(attribute->floats().begin(), attribute->floats().end());
}

const onnx::TensorProto* OnnxAttributes::Tensor(const char* name) {
  const AttributeProto* attribute = Find(name, AttributeProto::TENSOR);
  return attribute == nullptr ? nullptr : &attribute->t();
}

absl::Status OnnxAttributes::Status() const {
  if (wrong_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(wrong_, "; "));
}

}  // namespace precis::onnx_reader
