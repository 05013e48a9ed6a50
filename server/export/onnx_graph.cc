// Protobuf, field by field.
#include "server/export/onnx_graph.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "supernet/formats/check.h"

static_assert(std::endian::native == std::endian::little, "ONNX's raw data are little-endian");

namespace precis::server {
namespace {

constexpr int kAxesAreInputs = 18;

struct TypeRow {
  OnnxType type;
  const char* name;
  int bits;
  int opset;
};
constexpr TypeRow kTypes[] = {
    {OnnxType::kFloat, "FLOAT", 32, 13},
    {OnnxType::kUint8, "UINT8", 8, 13},
    {OnnxType::kInt8, "INT8", 8, 13},
    {OnnxType::kUint16, "UINT16", 16, 21},
    {OnnxType::kInt16, "INT16", 16, 21},
    {OnnxType::kInt32, "INT32", 32, 13},
    {OnnxType::kInt64, "INT64", 64, 13},
    {OnnxType::kFloat16, "FLOAT16", 16, 13},
    {OnnxType::kBfloat16, "BFLOAT16", 16, 13},
    {OnnxType::kFloat8E4m3fn, "FLOAT8E4M3FN", 8, 19},
    {OnnxType::kFloat8E5m2, "FLOAT8E5M2", 8, 19},
    {OnnxType::kUint4, "UINT4", 4, 21},
    {OnnxType::kInt4, "INT4", 4, 21},
    {OnnxType::kUint2, "UINT2", 2, 25},
    {OnnxType::kInt2, "INT2", 2, 25},
};

const TypeRow& RowOf(OnnxType type) {
  const auto* row = std::find_if(std::begin(kTypes), std::end(kTypes),
                                 [&](const TypeRow& each) { return each.type == type; });
  PRECIS_CHECK(row != std::end(kTypes));
  return *row;
}

// The oldest that has the opset.
int IrVersionOf(int opset) {
  if (opset >= 25) return 13;
  if (opset >= 24) return 12;
  if (opset >= 23) return 11;
  if (opset >= 21) return 10;
  if (opset >= 19) return 9;
  return opset >= 15 ? 8 : 7;
}

int64_t Product(const std::vector<int64_t>& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims) count *= dim;
  return count;
}

void SetType(const Shape& shape, onnx::ValueInfoProto& info) {
  onnx::TypeProto::Tensor& type = *info.mutable_type()->mutable_tensor_type();
  type.set_elem_type(static_cast<int32_t>(OnnxType::kFloat));
  type.mutable_shape()->add_dim()->set_dim_param("batch");
  for (const int64_t size : shape) type.mutable_shape()->add_dim()->set_dim_value(size);
}

void SetValue(const OnnxAttribute& from, onnx::AttributeProto& to) {
  to.set_name(from.first);
  if (const auto* integer = std::get_if<int64_t>(&from.second)) {
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(*integer);
  } else if (const auto* number = std::get_if<float>(&from.second)) {
    to.set_type(onnx::AttributeProto::FLOAT);
    to.set_f(*number);
  } else {
    to.set_type(onnx::AttributeProto::INTS);
    for (const int64_t each : std::get<std::vector<int64_t>>(from.second)) to.add_ints(each);
  }
}

std::string PackCodes(const std::vector<int64_t>& codes, int bits) {
  std::string raw((codes.size() * static_cast<size_t>(bits) + 7) / 8, '\0');
  if (bits >= 8) {
    const auto bytes = static_cast<size_t>(bits) / 8;
    for (size_t i = 0; i < codes.size(); ++i) std::memcpy(raw.data() + i * bytes, &codes[i], bytes);
    return raw;
  }
  const auto per_byte = 8 / static_cast<size_t>(bits);
  const auto mask = (int64_t{1} << bits) - 1;
  for (size_t i = 0; i < codes.size(); ++i) {
    const auto shift = i % per_byte * static_cast<size_t>(bits);
    raw[i / per_byte] = static_cast<char>(raw[i / per_byte] | static_cast<char>((codes[i] & mask) << shift));
  }
  return raw;
}

}  // namespace

const char* OnnxTypeName(OnnxType type) { return RowOf(type).name; }
int BitsOf(OnnxType type) { return RowOf(type).bits; }
int OpsetOf(OnnxType type) { return RowOf(type).opset; }

OnnxGraph::OnnxGraph(const std::string& name) : model_(std::make_unique<onnx::ModelProto>()) {
  model_->mutable_graph()->set_name(name);
}

OnnxGraph::~OnnxGraph() = default;

std::string OnnxGraph::Unique(const std::string& name) {
  const int taken = names_[name]++;
  return taken == 0 ? name : Unique(absl::StrCat(name, "_", taken));
}

OnnxValue OnnxGraph::AddInput(const std::string& name, const Shape& shape) {
  onnx::ValueInfoProto& info = *model_->mutable_graph()->add_input();
  info.set_name(Unique(name));
  SetType(shape, info);
  return info.name();
}

void OnnxGraph::AddOutput(const std::string& name, const Shape& shape) {
  onnx::ValueInfoProto& info = *model_->mutable_graph()->add_output();
  info.set_name(name);
  SetType(shape, info);
}

OnnxValue OnnxGraph::Add(const std::string& op, const std::vector<OnnxValue>& inputs,
                         const std::string& output, const std::vector<OnnxAttribute>& attributes) {
  onnx::NodeProto& node = *model_->mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name(Unique(output));
  for (const OnnxValue& input : inputs) node.add_input(input);
  node.add_output(node.name());
  for (const OnnxAttribute& attribute : attributes) SetValue(attribute, *node.add_attribute());
  return node.name();
}

onnx::TensorProto& OnnxGraph::NewTensor(const std::string& name, OnnxType type,
                                        const std::vector<int64_t>& dims) {
  onnx::TensorProto& tensor = *model_->mutable_graph()->add_initializer();
  tensor.set_name(Unique(name));
  tensor.set_data_type(static_cast<int32_t>(type));
  for (const int64_t dim : dims) tensor.add_dims(dim);
  return tensor;
}

OnnxValue OnnxGraph::AddFloats(const std::string& name, const std::vector<int64_t>& dims,
                               const std::vector<float>& values) {
  PRECIS_CHECK(Product(dims) == static_cast<int64_t>(values.size()));
  onnx::TensorProto& tensor = NewTensor(name, OnnxType::kFloat, dims);
  tensor.set_raw_data(values.data(), values.size() * sizeof(float));
  return tensor.name();
}

OnnxValue OnnxGraph::AddCodes(const std::string& name, OnnxType type, const std::vector<int64_t>& dims,
                              const std::vector<int64_t>& codes) {
  PRECIS_CHECK(Product(dims) == static_cast<int64_t>(codes.size()));
  onnx::TensorProto& tensor = NewTensor(name, type, dims);
  tensor.set_raw_data(PackCodes(codes, BitsOf(type)));
  RequireOpset(OpsetOf(type));
  return tensor.name();
}

OnnxValue OnnxGraph::Float(float value) {
  OnnxValue& name = constants_[absl::StrCat("f", std::bit_cast<uint32_t>(value))];
  if (name.empty()) name = AddFloats(absl::StrCat("constant.", value), {}, {value});
  return name;
}

OnnxValue OnnxGraph::Integers(const std::vector<int64_t>& values) {
  const std::string text = absl::StrJoin(values, ",");
  OnnxValue& name = constants_[absl::StrCat("i", text)];
  if (name.empty())
    name = AddCodes(absl::StrCat("constant.[", text, "]"), OnnxType::kInt64,
                    {static_cast<int64_t>(values.size())}, values);
  return name;
}

OnnxValue OnnxGraph::ScalarIndex(int64_t value) {
  OnnxValue& name = constants_[absl::StrCat("s", value)];
  if (name.empty()) name = AddCodes(absl::StrCat("constant.index", value), OnnxType::kInt64, {}, {value});
  return name;
}

void OnnxGraph::RequireOpset(int opset) { opset_ = std::max(opset_, opset); }

void OnnxGraph::MoveAxes() {
  for (int i = 0; i < model_->graph().node_size(); ++i) {
    if (model_->graph().node(i).op_type().rfind("Reduce", 0) != 0) continue;
    auto& attributes = *model_->mutable_graph()->mutable_node(i)->mutable_attribute();
    const auto axes = std::find_if(attributes.begin(), attributes.end(),
                                   [](const onnx::AttributeProto& each) { return each.name() == "axes"; });
    if (axes == attributes.end()) continue;
    const std::vector<int64_t> values(axes->ints().begin(), axes->ints().end());
    attributes.erase(axes);
    const OnnxValue input = Integers(values);
    model_->mutable_graph()->mutable_node(i)->add_input(input);
  }
}

absl::StatusOr<std::string> OnnxGraph::Serialize(
    const std::string& producer_version, const std::vector<std::pair<std::string, std::string>>& metadata) {
  if (opset_ >= kAxesAreInputs) MoveAxes();
  model_->set_ir_version(IrVersionOf(opset_));
  model_->set_producer_name("precis");
  model_->set_producer_version(producer_version);
  model_->clear_opset_import();
  onnx::OperatorSetIdProto& opset = *model_->add_opset_import();
  opset.set_domain("");
  opset.set_version(opset_);
  for (const auto& [key, value] : metadata) {
    onnx::StringStringEntryProto& entry = *model_->add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  const size_t bytes = model_->ByteSizeLong();
  if (bytes > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    return absl::ResourceExhaustedError(absl::StrCat("the model would take ", bytes,
                                                     " bytes, and a file of ONNX may have 2147483647. Export "
                                                     "json and take the weights from the weight file."));
  }
  return model_->SerializeAsString();
}

}  // namespace precis::server
