// Whole networks read from ONNX, with their weights, against the same file run node by node on tensors, batch
// and all: what is written here in few lines knows nothing of the reader.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "supernet/execution/frozen_network.h"
#include "supernet/execution/weight_exchange.h"
#include "supernet/graph/onnx_reader.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/graph/onnx_builder.h"

namespace precis {
namespace {

using Tensors = std::vector<at::Tensor>;

const onnx::AttributeProto* Attribute(const onnx::NodeProto& node, const std::string& name) {
  for (const auto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

int64_t IntOf(const onnx::NodeProto& node, const std::string& name, int64_t otherwise) {
  const auto* attribute = Attribute(node, name);
  return attribute == nullptr ? otherwise : attribute->i();
}

std::vector<int64_t> IntsOf(const onnx::NodeProto& node, const std::string& name,
                            std::vector<int64_t> otherwise) {
  const auto* attribute = Attribute(node, name);
  if (attribute == nullptr) return otherwise;
  return {attribute->ints().begin(), attribute->ints().end()};
}

std::vector<int64_t> Ints(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.contiguous();
  return {flat.data_ptr<int64_t>(), flat.data_ptr<int64_t>() + flat.numel()};
}

std::vector<int64_t> Symmetric(const std::vector<int64_t>& pads) {
  EXPECT_EQ(pads[0], pads[2]);
  EXPECT_EQ(pads[1], pads[3]);
  return {pads[0], pads[1]};
}

at::Tensor Convolved(const onnx::NodeProto& node, const Tensors& in) {
  return at::conv2d(in[0], in[1], in.size() > 2 ? in[2] : at::Tensor(), IntsOf(node, "strides", {1, 1}),
                    Symmetric(IntsOf(node, "pads", {0, 0, 0, 0})), IntsOf(node, "dilations", {1, 1}),
                    IntOf(node, "group", 1));
}

at::Tensor Reshaped(const at::Tensor& x, std::vector<int64_t> shape) {
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) shape[i] = x.size(static_cast<int64_t>(i));
  }
  return x.reshape(shape);
}

at::Tensor RunOne(const onnx::NodeProto& node, const Tensors& in) {
  using Rule = std::function<at::Tensor()>;
  const std::map<std::string, Rule> rules = {
      {"Add", [&] { return in[0] + in[1]; }},
      {"AveragePool",
       [&] {
         return at::avg_pool2d(in[0], IntsOf(node, "kernel_shape", {}), IntsOf(node, "strides", {1, 1}),
                               Symmetric(IntsOf(node, "pads", {0, 0, 0, 0})), false, false);
       }},
      {"BatchNormalization",
       [&] { return at::batch_norm(in[0], in[1], in[2], in[3], in[4], false, 0, 1e-5, false); }},
      {"Clip", [&] { return at::clamp(in[0], in[1].item(), in[2].item()); }},
      {"Concat", [&] { return at::cat(in, IntOf(node, "axis", 0)); }},
      {"Conv", [&] { return Convolved(node, in); }},
      {"Div", [&] { return in[0] / in[1]; }},
      {"Erf", [&] { return at::erf(in[0]); }},
      {"Expand", [&] { return in[0] + at::zeros(Ints(in[1])); }},
      {"Flatten", [&] { return in[0].flatten(IntOf(node, "axis", 1)); }},
      {"Gather",
       [&] {
         const int64_t axis = IntOf(node, "axis", 0);
         return in[1].dim() == 0 ? in[0].select(axis, in[1].item<int64_t>())
                                 : at::index_select(in[0], axis, in[1]);
       }},
      {"Gemm", [&] { return at::linear(in[0], in[1], in[2]); }},
      {"GlobalAveragePool",
       [&] {
         return in[0].mean({2, 3}, true);
       }},
      {"LeakyRelu", [&] { return at::leaky_relu(in[0], 0.01); }},
      {"MatMul", [&] { return at::matmul(in[0], in[1]); }},
      {"MaxPool",
       [&] {
         return at::max_pool2d(in[0], IntsOf(node, "kernel_shape", {}), IntsOf(node, "strides", {1, 1}),
                               Symmetric(IntsOf(node, "pads", {0, 0, 0, 0})), 1,
                               IntOf(node, "ceil_mode", 0) != 0);
       }},
      {"Mul", [&] { return in[0] * in[1]; }},
      {"Pow", [&] { return at::pow(in[0], in[1]); }},
      {"ReduceMean", [&] { return in[0].mean(IntsOf(node, "axes", {}), IntOf(node, "keepdims", 1) != 0); }},
      {"Relu", [&] { return at::relu(in[0]); }},
      {"Reshape", [&] { return Reshaped(in[0], Ints(in[1])); }},
      {"Shape", [&] { return at::tensor(in[0].sizes().vec(), at::kLong); }},
      {"Sigmoid", [&] { return at::sigmoid(in[0]); }},
      {"Softmax", [&] { return at::softmax(in[0], IntOf(node, "axis", -1)); }},
      {"Sqrt", [&] { return at::sqrt(in[0]); }},
      {"Sub", [&] { return in[0] - in[1]; }},
      {"Transpose", [&] { return in[0].permute(IntsOf(node, "perm", {})); }},
      {"Unsqueeze", [&] { return in[0].unsqueeze(in[1].item<int64_t>()); }},
  };
  const auto rule = rules.find(node.op_type());
  EXPECT_NE(rule, rules.end()) << node.op_type();
  return rule == rules.end() ? in[0] : rule->second();
}

at::Tensor TensorOf(const onnx::TensorProto& proto) {
  const std::vector<int64_t> dims(proto.dims().begin(), proto.dims().end());
  if (proto.data_type() == onnx::TensorProto::INT64) {
    const std::vector<int64_t> values(proto.int64_data().begin(), proto.int64_data().end());
    return at::tensor(values, at::kLong).reshape(dims);
  }
  at::Tensor tensor = at::empty(dims, at::kFloat);
  std::copy(proto.raw_data().begin(), proto.raw_data().end(),
            reinterpret_cast<char*>(tensor.data_ptr<float>()));
  return tensor;
}

at::Tensor NodeByNode(const onnx::GraphProto& graph, const at::Tensor& images, const std::string& output) {
  std::map<std::string, at::Tensor> values;
  for (const auto& tensor : graph.initializer()) values[tensor.name()] = TensorOf(tensor);
  values[graph.input(0).name()] = images;
  for (const onnx::NodeProto& node : graph.node()) {
    Tensors in;
    for (const std::string& input : node.input()) in.push_back(values.at(input));
    if (node.op_type() == "Split") {
      const auto parts = at::chunk(in[0], node.output_size(), IntOf(node, "axis", 0));
      for (int i = 0; i < node.output_size(); ++i) values[node.output(i)] = parts[static_cast<size_t>(i)];
    } else {
      values[node.output(0)] = RunOne(node, in);
    }
  }
  return values.at(output);
}

// Read, written as a weight file, read back, loaded, frozen, run; and again with gradients where no norm
// takes the batch's statistics.
void ExpectSame(OnnxBuilder onnx) {
  const absl::StatusOr<OnnxModel> model = ParseOnnxModel(onnx.Bytes(), "", "network");
  ASSERT_TRUE(model.ok()) << model.status();
  const TempDir folder;
  const std::string path = folder.path() + "/weights.safetensors";
  ASSERT_TRUE(WriteWeightFile(model->weights, path).ok());
  const absl::StatusOr<WeightFile> file = ReadWeightFile(path);
  ASSERT_TRUE(file.ok()) << file.status();
  Supernet net(model->graph, /*seed=*/1, at::kCPU);
  ASSERT_TRUE(ImportWeights(*file, net).ok());
  const Assignment assignment = UniformAssignment(net.layer_count(), *ParseFormat("fp32"));
  const FrozenNetwork frozen(net, assignment, StatisticsOf(*file, net));
  const Shape& shape = model->graph.input_shape();
  for (const int64_t batch : {1, 3}) {
    const at::Tensor images =
        at::linspace(-2, 2, batch * 64 * 3).sin().reshape({batch, shape[0], shape[1], shape[2]});
    const at::Tensor expected = NodeByNode(onnx.graph(), images, model->output);
    ASSERT_GT(expected.abs().max().item<float>(), 1e-3);
    const at::Tensor y = frozen.Forward(images.contiguous(at::MemoryFormat::ChannelsLast));
    ASSERT_EQ(y.sizes(), expected.sizes());
    EXPECT_TRUE(at::allclose(y, expected, 1e-4, 1e-5)) << (y - expected).abs().max().item<float>();
    bool has_norm = false;
    for (const Node& node : model->graph.nodes()) has_norm |= std::holds_alternative<BatchNormNode>(node.op);
    if (has_norm) continue;
    const at::Tensor logits = net.Forward(images, assignment);
    EXPECT_TRUE(at::allclose(logits, expected, 1e-4, 1e-5));
    logits.sum().backward();
    for (const Parameter& parameter : net.parameters())
      EXPECT_TRUE(parameter.value.grad().defined()) << parameter.name;
  }
}

TEST(OnnxNetwork, ConvolutionalNetworkIsItsNodes) { ExpectSame(SmallConvNet()); }

TEST(OnnxNetwork, TransformerIsItsNodes) { ExpectSame(SmallTransformer()); }

// Inverted residual, squeeze and excitation, channel shuffle, branches put together, dense connections.
TEST(OnnxNetwork, MobileShuffleInceptionAndDenseBlocksAreTheirNodes) {
  OnnxBuilder onnx;
  onnx.Input("image", {-1, 3, 8, 8});
  const auto conv = [&](const std::string& x, const std::string& name, int64_t in, int64_t out,
                        int64_t kernel, int64_t groups) {
    onnx.Floats(name + ".weight", {out, in / groups, kernel, kernel});
    onnx.Floats(name + ".bias", {out});
    onnx::NodeProto* node = onnx.Node("Conv", {x, name + ".weight", name + ".bias"}, name);
    SetInts(node, "pads", std::vector<int64_t>(4, kernel / 2));
    SetInt(node, "group", groups);
    return name;
  };
  onnx.Scalar("zero", 0);
  onnx.Scalar("six", 6);
  std::string x = conv("image", "expand", 3, 8, 1, 1);
  x = onnx.Node("Clip", {x, "zero", "six"}, "relu6")->output(0);
  x = conv(x, "depthwise", 8, 8, 3, 8);
  // Squeeze and excitation.
  std::string s = onnx.Node("GlobalAveragePool", {x}, "squeeze")->output(0);
  s = onnx.Node("Relu", {conv(s, "reduce", 8, 4, 1, 1)}, "reduced")->output(0);
  s = onnx.Node("Sigmoid", {conv(s, "restore", 4, 8, 1, 1)}, "gate")->output(0);
  x = onnx.Node("Mul", {s, x}, "excited")->output(0);
  // Half of the channels through a branch, joined and shuffled, by shapes that are computed.
  onnx::NodeProto* split = onnx.Node("Split", {x}, "half0");
  split->add_output("half1");
  SetInt(split, "axis", 1);
  conv("half1", "branch", 4, 4, 3, 1);
  SetInt(onnx.Node("Concat", {"half0", "branch"}, "halves"), "axis", 1);
  onnx.Node("Shape", {"halves"}, "shape");
  onnx.Int("at0", 0);
  onnx.Ints("axis0", {0});
  onnx.Node("Gather", {"shape", "at0"}, "n");
  onnx.Node("Unsqueeze", {"n", "axis0"}, "ns");
  onnx.Ints("two_four", {2, 4, 8, 8});
  onnx.Ints("eight", {-1, 8, 8});
  SetInt(onnx.Node("Concat", {"ns", "two_four"}, "apart_shape"), "axis", 0);
  SetInt(onnx.Node("Concat", {"ns", "eight"}, "shuffled_shape"), "axis", 0);
  onnx.Node("Reshape", {"halves", "apart_shape"}, "apart");
  SetInts(onnx.Node("Transpose", {"apart"}, "swapped"), "perm", {0, 2, 1, 3, 4});
  onnx.Node("Reshape", {"swapped", "shuffled_shape"}, "shuffled");
  // Branches of Inception, then a dense connection with a norm before its convolution.
  onnx::NodeProto* mean = onnx.Node("AveragePool", {"shuffled"}, "mean");
  SetInts(mean, "kernel_shape", {3, 3});
  SetInts(mean, "pads", {1, 1, 1, 1});
  onnx::NodeProto* most = onnx.Node("MaxPool", {"shuffled"}, "most");
  SetInts(most, "kernel_shape", {3, 3});
  SetInts(most, "pads", {1, 1, 1, 1});
  SetInt(onnx.Node("Concat", {"mean", "most", "shuffled"}, "branches"), "axis", 1);
  for (const char* part : {"weight", "bias", "running_mean"}) onnx.Floats(std::string("norm.") + part, {24});
  onnx.Floats("norm.running_var", {24}, std::vector<float>(24, 0.5F));
  onnx.Node("BatchNormalization",
            {"branches", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"}, "normed");
  onnx.Node("LeakyRelu", {"normed"}, "leaky");
  conv("leaky", "grow", 24, 4, 3, 1);
  SetInt(onnx.Node("Concat", {"branches", "grow"}, "dense"), "axis", 1);
  onnx::NodeProto* down = onnx.Node("MaxPool", {"dense"}, "down");
  SetInts(down, "kernel_shape", {3, 3});
  SetInts(down, "strides", {2, 2});
  SetInt(down, "ceil_mode", 1);
  onnx::NodeProto* pool = onnx.Node("ReduceMean", {"down"}, "pool");
  SetInts(pool, "axes", {2, 3});
  SetInt(pool, "keepdims", 0);
  onnx.Floats("fc.weight", {5, 28});
  onnx.Floats("fc.bias", {5});
  onnx.Node("Gemm", {"pool", "fc.weight", "fc.bias"}, "logits");
  SetInt(onnx.graph().mutable_node(onnx.graph().node_size() - 1), "transB", 1);
  onnx.Output("logits");
  ExpectSame(onnx);
}

// Windows of pixels merged with the batch, attention in each with a bias of its own, scaled by a trained
// gain.
TEST(OnnxNetwork, WindowAttentionIsItsNodes) {
  OnnxBuilder onnx;
  onnx.Input("image", {-1, 3, 8, 8});
  onnx.Floats("patch.weight", {6, 3, 2, 2});
  SetInts(onnx.Node("Conv", {"image", "patch.weight"}, "patches"), "strides", {2, 2});
  SetInts(onnx.Node("Transpose", {"patches"}, "last"), "perm", {0, 2, 3, 1});
  onnx.Ints("windows_shape", {0, 2, 2, 2, 2, 6});
  onnx.Ints("tokens_shape", {-1, 4, 6});
  onnx.Node("Reshape", {"last", "windows_shape"}, "windows");
  SetInts(onnx.Node("Transpose", {"windows"}, "by_window"), "perm", {0, 1, 3, 2, 4, 5});
  onnx.Node("Reshape", {"by_window", "tokens_shape"}, "tokens");
  for (const char* name : {"q", "k", "v"}) {
    onnx.Floats(std::string(name) + "_matrix", {6, 6});
    onnx.Floats(std::string(name) + ".bias", {6});
    onnx.Node("MatMul", {"tokens", std::string(name) + "_matrix"}, std::string(name) + "_product");
    onnx.Node("Add", {std::string(name) + "_product", std::string(name) + ".bias"}, name);
  }
  onnx.Ints("heads_shape", {-1, 4, 2, 3});
  for (const char* name : {"q", "k", "v"}) {
    onnx.Node("Reshape", {name, "heads_shape"}, std::string(name) + "_heads");
    const bool is_k = name[0] == 'k';
    SetInts(onnx.Node("Transpose", {std::string(name) + "_heads"}, std::string(name) + "_turned"), "perm",
            is_k ? std::vector<int64_t>{0, 2, 3, 1} : std::vector<int64_t>{0, 2, 1, 3});
  }
  onnx.Node("MatMul", {"q_turned", "k_turned"}, "scores");
  onnx.Floats("bias", {1, 2, 4, 4});
  onnx.Node("Add", {"scores", "bias"}, "biased");
  SetInt(onnx.Node("Softmax", {"biased"}, "attention"), "axis", -1);
  onnx.Node("MatMul", {"attention", "v_turned"}, "mixed");
  SetInts(onnx.Node("Transpose", {"mixed"}, "gathered"), "perm", {0, 2, 1, 3});
  onnx.Node("Reshape", {"gathered", "tokens_shape"}, "joined");
  onnx.Floats("gamma", {6});
  onnx.Node("Mul", {"gamma", "joined"}, "scaled");
  onnx.Node("Add", {"scaled", "tokens"}, "sum");
  onnx.Ints("back_shape", {-1, 2, 2, 2, 2, 6});
  onnx.Ints("image_shape", {-1, 4, 4, 6});
  onnx.Node("Reshape", {"sum", "back_shape"}, "back");
  SetInts(onnx.Node("Transpose", {"back"}, "by_row"), "perm", {0, 1, 3, 2, 4, 5});
  onnx.Node("Reshape", {"by_row", "image_shape"}, "pixels");
  onnx::NodeProto* mean = onnx.Node("ReduceMean", {"pixels"}, "mean");
  SetInts(mean, "axes", {1, 2});
  SetInt(mean, "keepdims", 0);
  onnx.Floats("fc.weight", {5, 6});
  onnx.Floats("fc.bias", {5});
  SetInt(onnx.Node("Gemm", {"mean", "fc.weight", "fc.bias"}, "logits"), "transB", 1);
  onnx.Output("logits");
  ExpectSame(onnx);
}

// The batch second, as torch.nn.MultiheadAttention has it, where heads are merged with it.
TEST(OnnxNetwork, SequencesBeforeTheBatchAreTheirNodes) {
  OnnxBuilder onnx;
  onnx.Input("image", {-1, 3, 8, 8});
  onnx.Ints("rows", {0, 24, 8});
  onnx.Node("Reshape", {"image", "rows"}, "sequence");
  SetInts(onnx.Node("Transpose", {"sequence"}, "first"), "perm", {1, 0, 2});
  onnx.Node("Shape", {"first"}, "shape");
  onnx.Int("at1", 1);
  onnx.Ints("axis0", {0});
  onnx.Ints("two", {2});
  onnx.Ints("tokens", {24});
  onnx.Ints("four", {4});
  onnx.Node("Gather", {"shape", "at1"}, "n");
  onnx.Node("Unsqueeze", {"n", "axis0"}, "ns");
  onnx.Node("Mul", {"ns", "two"}, "heads");
  SetInt(onnx.Node("Concat", {"tokens", "heads", "four"}, "by_head"), "axis", 0);
  onnx.Node("Reshape", {"first", "by_head"}, "merged");
  SetInts(onnx.Node("Transpose", {"merged"}, "heads_first"), "perm", {1, 0, 2});
  SetInts(onnx.Node("Transpose", {"heads_first"}, "turned"), "perm", {0, 2, 1});
  onnx.Node("MatMul", {"heads_first", "turned"}, "scores");
  SetInt(onnx.Node("Softmax", {"scores"}, "attention"), "axis", -1);
  onnx.Node("MatMul", {"attention", "heads_first"}, "mixed");
  SetInts(onnx.Node("Transpose", {"mixed"}, "mixed_first"), "perm", {1, 0, 2});
  onnx.Ints("eight", {8});
  SetInt(onnx.Node("Concat", {"tokens", "ns", "eight"}, "joined_shape"), "axis", 0);
  onnx.Node("Reshape", {"mixed_first", "joined_shape"}, "joined");
  onnx::NodeProto* mean = onnx.Node("ReduceMean", {"joined"}, "mean");
  SetInts(mean, "axes", {0});
  SetInt(mean, "keepdims", 0);
  onnx.Floats("fc.weight", {5, 8});
  onnx.Floats("fc.bias", {5});
  SetInt(onnx.Node("Gemm", {"mean", "fc.weight", "fc.bias"}, "logits"), "transB", 1);
  onnx.Output("logits");
  ExpectSame(onnx);
}

}  // namespace
}  // namespace precis
