// OnnxGraph: an ONNX model in the making, node by node.
//
// Values are called by their names. The opset is the lowest that has everything that was added: whoever adds
// what is younger than 13 says so (RequireOpset). Equal calls give equal bytes.
//
// Threading: not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "supernet/graph/node.h"

namespace onnx {
class ModelProto;
class TensorProto;
}  // namespace onnx

namespace precis::server {

// TensorProto.DataType of the specification; Debian's schema ends at bfloat16, and the field is a number.
enum class OnnxType : int32_t {
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kFloat16 = 10,
  kBfloat16 = 16,
  kFloat8E4m3fn = 17,
  kFloat8E5m2 = 19,
  kUint4 = 21,
  kInt4 = 22,
  kUint2 = 25,
  kInt2 = 26,
};
const char* OnnxTypeName(OnnxType type);  // "INT4"
int BitsOf(OnnxType type);                // of one element
// The first opset at which QuantizeLinear and DequantizeLinear take the type, and of Cast for 16-bit floats.
int OpsetOf(OnnxType type);

using OnnxValue = std::string;
using OnnxAttribute = std::pair<std::string, std::variant<int64_t, float, std::vector<int64_t>>>;

class OnnxGraph {
 public:
  explicit OnnxGraph(const std::string& name);
  ~OnnxGraph();
  OnnxGraph(const OnnxGraph&) = delete;
  OnnxGraph& operator=(const OnnxGraph&) = delete;

  // A FLOAT input or output {batch, shape…} of any batch size.
  OnnxValue AddInput(const std::string& name, const Shape& shape);
  void AddOutput(const std::string& name, const Shape& shape);

  // A node with one output, which is called `output`, as is the node. A name that is taken gets a number.
  // An input "" is left out. Reductions carry "axes" as attribute: it becomes an input where the opset
  // has it there.
  OnnxValue Add(const std::string& op, const std::vector<OnnxValue>& inputs, const std::string& output,
                const std::vector<OnnxAttribute>& attributes = {});

  // Initialisers. dims {}: a scalar.
  OnnxValue AddFloats(const std::string& name, const std::vector<int64_t>& dims,
                      const std::vector<float>& values);
  // Integers, or codes of floats; of types of less than 8 bits two or four a byte, low bits first.
  OnnxValue AddCodes(const std::string& name, OnnxType type, const std::vector<int64_t>& dims,
                     const std::vector<int64_t>& codes);
  // Constants that whoever wants the same number shares.
  OnnxValue Float(float value);
  OnnxValue Integers(const std::vector<int64_t>& values);  // INT64 {n}
  OnnxValue ScalarIndex(int64_t value);                    // INT64 {}

  void RequireOpset(int opset);
  int opset() const { return opset_; }

  // The model. RESOURCE_EXHAUSTED if it is larger than the 2 GiB that a protobuf file may have.
  absl::StatusOr<std::string> Serialize(const std::string& producer_version,
                                        const std::vector<std::pair<std::string, std::string>>& metadata);

 private:
  std::string Unique(const std::string& name);
  onnx::TensorProto& NewTensor(const std::string& name, OnnxType type, const std::vector<int64_t>& dims);
  void MoveAxes();

  std::unique_ptr<onnx::ModelProto> model_;
  std::map<std::string, int> names_;
  std::map<std::string, OnnxValue> constants_;
  int opset_ = 13;
};

}  // namespace precis::server
