// Small ONNX models, node by node, for tests.
#pragma once

#include <onnx/onnx_pb.h>

#include <cmath>
#include <string>
#include <vector>

namespace precis {

class OnnxBuilder {
 public:
  explicit OnnxBuilder(int64_t opset = 13) {
    model_.set_ir_version(8);
    model_.set_producer_name("tests");
    model_.add_opset_import()->set_version(opset);
  }

  onnx::ModelProto& model() { return model_; }
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }

  // -1: a dimension with a name instead of a size.
  void Input(const std::string& name, const std::vector<int64_t>& dims) {
    onnx::ValueInfoProto* input = graph().add_input();
    input->set_name(name);
    auto* type = input->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    for (const int64_t size : dims) {
      auto* dimension = type->mutable_shape()->add_dim();
      if (size < 0) {
        dimension->set_dim_param("N");
      } else {
        dimension->set_dim_value(size);
      }
    }
  }
  void Output(const std::string& name) { graph().add_output()->set_name(name); }

  // Values that differ, between -1 and 1, by their index.
  onnx::TensorProto* Floats(const std::string& name, const std::vector<int64_t>& dims) {
    int64_t count = 1;
    for (const int64_t size : dims) count *= size;
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(std::sin(static_cast<float>(1 + i + 7 * graph().initializer_size())));
    return Floats(name, dims, values);
  }
  onnx::TensorProto* Floats(const std::string& name, const std::vector<int64_t>& dims,
                            const std::vector<float>& values) {
    onnx::TensorProto* tensor = Tensor(name, dims, onnx::TensorProto::FLOAT);
    tensor->set_raw_data(values.data(), values.size() * sizeof(float));
    return tensor;
  }
  void Scalar(const std::string& name, float value) { Floats(name, {}, {value}); }
  void Ints(const std::string& name, const std::vector<int64_t>& values) {
    onnx::TensorProto* tensor = Tensor(name, {static_cast<int64_t>(values.size())}, onnx::TensorProto::INT64);
    for (const int64_t value : values) tensor->add_int64_data(value);
  }
  void Int(const std::string& name, int64_t value) {
    Tensor(name, {}, onnx::TensorProto::INT64)->add_int64_data(value);
  }

  // Named after its output.
  onnx::NodeProto* Node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& output) {
    onnx::NodeProto* node = graph().add_node();
    node->set_op_type(op);
    node->set_name(output);
    for (const std::string& input : inputs) node->add_input(input);
    node->add_output(output);
    return node;
  }

  std::string Bytes() const { return model_.SerializeAsString(); }

 private:
  onnx::TensorProto* Tensor(const std::string& name, const std::vector<int64_t>& dims, int type) {
    onnx::TensorProto* tensor = graph().add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(type);
    for (const int64_t size : dims) tensor->add_dims(size);
    return tensor;
  }

  onnx::ModelProto model_;
};

inline onnx::AttributeProto* NewAttribute(onnx::NodeProto* node, const std::string& name, int type) {
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name(name);
  attribute->set_type(static_cast<onnx::AttributeProto::AttributeType>(type));
  return attribute;
}
inline void SetInt(onnx::NodeProto* node, const std::string& name, int64_t value) {
  NewAttribute(node, name, onnx::AttributeProto::INT)->set_i(value);
}
inline void SetInts(onnx::NodeProto* node, const std::string& name, const std::vector<int64_t>& values) {
  onnx::AttributeProto* attribute = NewAttribute(node, name, onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute->add_ints(value);
}
inline void SetFloat(onnx::NodeProto* node, const std::string& name, float value) {
  NewAttribute(node, name, onnx::AttributeProto::FLOAT)->set_f(value);
}

// Conv, batch norm, ReLU, pooling, flatten by computed shape, Gemm and a softmax, as PyTorch exports them.
inline OnnxBuilder SmallConvNet() {
  OnnxBuilder onnx;
  onnx.Input("image", {-1, 3, 8, 8});
  onnx.Floats("stem.conv.weight", {4, 3, 3, 3});
  for (const char* part : {"weight", "bias", "running_mean"})
    onnx.Floats(std::string("stem.bn.") + part, {4});
  onnx.Floats("stem.bn.running_var", {4}, {1, 2, 3, 4});
  onnx.Floats("fc.weight", {5, 4});
  onnx.Floats("fc.bias", {5});
  SetInts(onnx.Node("Conv", {"image", "stem.conv.weight"}, "/stem/Conv"), "pads", {1, 1, 1, 1});
  onnx.Node("BatchNormalization",
            {"/stem/Conv", "stem.bn.weight", "stem.bn.bias", "stem.bn.running_mean", "stem.bn.running_var"},
            "bn");
  onnx.Node("Relu", {"bn"}, "/stem/Relu");
  onnx.Node("GlobalAveragePool", {"/stem/Relu"}, "pool");
  onnx.Int("zero", 0);
  onnx.Ints("axes", {0});
  onnx.Ints("minus_one", {-1});
  onnx.Node("Shape", {"pool"}, "shape");
  onnx.Node("Gather", {"shape", "zero"}, "batch");
  onnx.Node("Unsqueeze", {"batch", "axes"}, "batches");
  SetInt(onnx.Node("Concat", {"batches", "minus_one"}, "target"), "axis", 0);
  onnx.Node("Reshape", {"pool", "target"}, "flat");
  SetInt(onnx.Node("Gemm", {"flat", "fc.weight", "fc.bias"}, "fc"), "transB", 1);
  onnx.Node("Softmax", {"fc"}, "probabilities");
  onnx.Output("probabilities");
  return onnx;
}

// Patches with a class token and positions, a block of attention by one projection for q, k and v, a norm in
// pieces, GELU in pieces; classes from the class token.
inline OnnxBuilder SmallTransformer() {
  constexpr int64_t kTokens = 5;
  constexpr int64_t kFeatures = 6;
  OnnxBuilder onnx(14);
  onnx.Input("image", {-1, 3, 8, 8});
  onnx.Floats("patch.weight", {kFeatures, 3, 4, 4});
  onnx.Floats("patch.bias", {kFeatures});
  onnx.Floats("cls", {1, 1, kFeatures});
  onnx.Floats("position", {1, kTokens, kFeatures});
  SetInts(onnx.Node("Conv", {"image", "patch.weight", "patch.bias"}, "patches"), "strides", {4, 4});
  onnx.Ints("flat", {0, kFeatures, -1});
  onnx.Node("Reshape", {"patches", "flat"}, "columns");
  SetInts(onnx.Node("Transpose", {"columns"}, "tokens"), "perm", {0, 2, 1});
  // The class token as often as there are images.
  onnx.Node("Shape", {"tokens"}, "tokens_shape");
  onnx.Int("zero", 0);
  onnx.Node("Gather", {"tokens_shape", "zero"}, "n");
  onnx.Ints("axis0", {0});
  onnx.Ints("rest", {-1, -1});
  onnx.Ints("one", {1});
  onnx.Node("Unsqueeze", {"n", "axis0"}, "ns");
  SetInt(onnx.Node("Concat", {"ns", "one", "one"}, "cls_shape"), "axis", 0);
  onnx.Node("Expand", {"cls", "cls_shape"}, "cls_tokens");
  SetInt(onnx.Node("Concat", {"cls_tokens", "tokens"}, "with_class"), "axis", 1);
  onnx.Node("Add", {"with_class", "position"}, "placed");
  // A layer norm in pieces.
  onnx.Scalar("two", 2);
  onnx.Scalar("epsilon", 1e-6F);
  onnx.Floats("norm.weight", {kFeatures});
  onnx.Floats("norm.bias", {kFeatures});
  const auto mean = [&](const std::string& x, const std::string& y) {
    SetInts(onnx.Node("ReduceMean", {x}, y), "axes", {-1});
  };
  mean("placed", "mean");
  onnx.Node("Sub", {"placed", "mean"}, "centred");
  onnx.Node("Pow", {"centred", "two"}, "squares");
  mean("squares", "variance");
  onnx.Node("Add", {"variance", "epsilon"}, "safe");
  onnx.Node("Sqrt", {"safe"}, "deviation");
  onnx.Node("Div", {"centred", "deviation"}, "standard");
  onnx.Node("Mul", {"standard", "norm.weight"}, "scaled");
  onnx.Node("Add", {"scaled", "norm.bias"}, "normed");
  // Two heads of three features from one projection; batch third for a while.
  onnx.Floats("qkv_matrix", {kFeatures, 3 * kFeatures});
  onnx.Floats("qkv.bias", {3 * kFeatures});
  onnx.Node("MatMul", {"normed", "qkv_matrix"}, "qkv_product");
  onnx.Node("Add", {"qkv.bias", "qkv_product"}, "qkv");
  onnx.Ints("heads_shape", {0, kTokens, 3, 2, 3});
  onnx.Node("Reshape", {"qkv", "heads_shape"}, "heads");
  SetInts(onnx.Node("Transpose", {"heads"}, "by_kind"), "perm", {2, 0, 3, 1, 4});
  for (int64_t i = 0; i < 3; ++i) {
    const std::string part = std::string(1, "qkv"[i]) + "_part";
    onnx.Int(part + "_at", i);
    SetInt(onnx.Node("Gather", {"by_kind", part + "_at"}, part), "axis", 0);
  }
  SetInts(onnx.Node("Transpose", {"k_part"}, "k_turned"), "perm", {0, 1, 3, 2});
  onnx.Node("MatMul", {"q_part", "k_turned"}, "scores");
  onnx.Scalar("root", std::sqrt(3.0F));
  onnx.Node("Div", {"scores", "root"}, "scaled_scores");
  SetInt(onnx.Node("Softmax", {"scaled_scores"}, "attention"), "axis", -1);
  onnx.Node("MatMul", {"attention", "v_part"}, "mixed");
  SetInts(onnx.Node("Transpose", {"mixed"}, "gathered"), "perm", {0, 2, 1, 3});
  onnx.Ints("joined_shape", {-1, kTokens, kFeatures});
  onnx.Node("Reshape", {"gathered", "joined_shape"}, "joined");
  onnx.Node("Add", {"joined", "placed"}, "attended");
  // GELU in pieces.
  onnx.Scalar("root_two", std::sqrt(2.0F));
  onnx.Scalar("unit", 1);
  onnx.Scalar("half", 0.5F);
  onnx.Node("Div", {"attended", "root_two"}, "in_deviations");
  onnx.Node("Erf", {"in_deviations"}, "erf");
  onnx.Node("Add", {"erf", "unit"}, "twice_phi");
  onnx.Node("Mul", {"attended", "twice_phi"}, "twice_gelu");
  onnx.Node("Mul", {"twice_gelu", "half"}, "gelu");
  SetInt(onnx.Node("Gather", {"gelu", "zero"}, "class_token"), "axis", 1);
  onnx.Floats("head.weight", {4, kFeatures});
  onnx.Floats("head.bias", {4});
  SetInt(onnx.Node("Gemm", {"class_token", "head.weight", "head.bias"}, "logits"), "transB", 1);
  onnx.Output("logits");
  return onnx;
}

}  // namespace precis
