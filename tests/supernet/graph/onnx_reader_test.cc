// What ONNX files become: graphs, names, weights; and what is said of those that are not supported.
#include "supernet/graph/onnx_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/fakes/temp_dir.h"
#include "tests/supernet/graph/onnx_builder.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

OnnxModel MustRead(const OnnxBuilder& onnx, const OnnxOptions& options = {}) {
  absl::StatusOr<OnnxModel> model = ParseOnnxModel(onnx.Bytes(), "", "small.onnx", options);
  EXPECT_TRUE(model.ok()) << model.status();
  return model.ok() ? *std::move(model) : OnnxModel{.graph = ModelGraph("none", {1})};
}

std::string Refusal(const OnnxBuilder& onnx, const OnnxOptions& options = {}) {
  const absl::StatusOr<OnnxModel> model = ParseOnnxModel(onnx.Bytes(), "", "small.onnx", options);
  EXPECT_FALSE(model.ok());
  return model.ok() ? "" : std::string(model.status().message());
}

// The operations of a graph of one node after another, from the second on.
std::vector<std::string> Operations(const ModelGraph& graph) {
  std::vector<std::string> operations;
  const std::string text = graph.CanonicalText();
  for (size_t at = text.find(" = "); at != std::string::npos; at = text.find(" = ", at + 1)) {
    operations.push_back(text.substr(at + 3, text.find_first_of(" \n", at + 3) - at - 3));
  }
  operations.erase(operations.begin());
  return operations;
}

TEST(OnnxReader, ConvolutionalNetworksAreReadNodeByNode) {
  const OnnxModel model = MustRead(SmallConvNet());
  EXPECT_EQ(model.graph.CanonicalText(),
            "graph small\n"
            "input = input -> 3x8x8\n"
            "stem.conv = conv2d out_channels=4 kernel=3 stride=1 padding=1 groups=1 bias=0 input -> 4x8x8\n"
            "stem.bn = batch_norm stem.conv -> 4x8x8\n"
            "stem/Relu = relu stem.bn -> 4x8x8\n"
            "pool = global_average_pool stem/Relu -> 4\n"
            "fc = linear out_features=5 bias=1 pool -> 5\n");
  EXPECT_TRUE(model.softmax_left_out);
  EXPECT_EQ(model.input, "image");
  EXPECT_EQ(model.output, "fc");
  EXPECT_EQ(model.opset, 13);
  EXPECT_EQ(model.producer, "tests");
  EXPECT_EQ(TotalMacs(model.graph), 4 * 27 * 64 + 20);
  EXPECT_THAT(Describe(model),
              HasSubstr("small: 3x8x8, 2 layers, 6932 multiply-accumulates, 141 parameters"));
}

TEST(OnnxReader, WeightsAreThoseOfTheFile) {
  const OnnxModel model = MustRead(SmallConvNet());
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model.weights.tensors) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("fc.bias", "fc.weight", "stem.bn.bias", "stem.bn.running_mean",
                                 "stem.bn.running_var", "stem.bn.weight", "stem.conv.weight"));
  EXPECT_EQ(model.weights.tensors.at("stem.bn.running_var").values, std::vector<float>({1, 2, 3, 4}));
  for (const ParameterInfo& parameter : model.graph.Parameters()) {
    EXPECT_EQ(model.weights.tensors.at(parameter.name).shape, parameter.shape) << parameter.name;
  }
}

TEST(OnnxReader, TransposedWeightsAreTurned) {
  OnnxBuilder onnx;
  onnx.Input("x", {-1, 2});
  onnx.Floats("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  onnx.Floats("c", {1, 3}, {7, 8, 9});
  onnx::NodeProto* gemm = onnx.Node("Gemm", {"x", "w", "c"}, "y");
  SetFloat(gemm, "alpha", 2);
  SetFloat(gemm, "beta", 3);
  onnx.Output("y");
  const OnnxModel model = MustRead(onnx);
  EXPECT_EQ(model.weights.tensors.at("y.weight").shape, Shape({3, 2}));
  EXPECT_EQ(model.weights.tensors.at("y.weight").values, std::vector<float>({2, 8, 4, 10, 6, 12}));
  EXPECT_EQ(model.weights.tensors.at("y.bias").values, std::vector<float>({21, 24, 27}));
}

TEST(OnnxReader, TransformersBecomeTheNodesOfTheZoos) {
  const OnnxModel model = MustRead(SmallTransformer());
  EXPECT_THAT(
      Operations(model.graph),
      ElementsAre("conv2d", "reshape", "transpose", "class_token", "position_embedding", "layer_norm",
                  "linear", "reshape", "transpose", "select", "select", "select", "transpose", "matmul",
                  "scale", "softmax", "matmul", "transpose", "reshape", "add", "gelu", "select", "linear"));
  EXPECT_EQ(model.graph.Layers().size(), 5u);
  EXPECT_EQ(model.graph.Layers()[2].macs, 2 * 5 * 5 * 3);
}

TEST(OnnxReader, ProjectionsOfTheSameTokensAreOneGroup) {
  OnnxBuilder onnx;
  onnx.Input("x", {-1, 4, 6});
  for (const char* name : {"q", "k", "v"}) {
    onnx.Floats(std::string(name) + ".weight", {6, 6});
    onnx.Node("MatMul", {"x", std::string(name) + ".weight"}, name);
  }
  onnx.Node("Add", {"q", "k"}, "qk");
  onnx.Node("Add", {"qk", "v"}, "sum");
  SetInts(onnx.Node("ReduceMean", {"sum"}, "mean"), "axes", {1});
  onnx.Floats("fc.weight", {6, 3});
  onnx.Node("MatMul", {"mean", "fc.weight"}, "mean_projected");
  SetInts(onnx.Node("Squeeze", {"mean_projected"}, "y"), "axes", {1});
  onnx.model().mutable_opset_import(0)->set_version(12);
  onnx.Output("y");
  const std::vector<Layer> layers = MustRead(onnx).graph.Layers();
  ASSERT_EQ(layers.size(), 4u);
  EXPECT_EQ(layers[0].group, "q.group");
  EXPECT_EQ(layers[1].group, "q.group");
  EXPECT_EQ(layers[2].group, "q.group");
  EXPECT_EQ(layers[3].group, "");
}

// One input {N, 2, 4, 4}; what a function adds to it; a head.
std::vector<std::string> OperationsOf(const std::function<std::string(OnnxBuilder&)>& build,
                                      int64_t opset = 13) {
  OnnxBuilder onnx(opset);
  onnx.Input("x", {-1, 2, 4, 4});
  const std::string y = build(onnx);
  onnx.Node("GlobalAveragePool", {y}, "pool");
  onnx.Node("Flatten", {"pool"}, "flat");
  onnx.Output("flat");
  std::vector<std::string> operations = Operations(MustRead(onnx).graph);
  EXPECT_FALSE(operations.empty());
  if (!operations.empty()) operations.pop_back();
  return operations;
}

TEST(OnnxReader, ActivationsInPiecesAreRecognised) {
  EXPECT_THAT(OperationsOf([](OnnxBuilder& onnx) {
                onnx.Node("Sigmoid", {"x"}, "s");
                return onnx.Node("Mul", {"s", "x"}, "y")->output(0);
              }),
              ElementsAre("silu"));
  EXPECT_THAT(OperationsOf([](OnnxBuilder& onnx) {
                onnx.Scalar("three", 3);
                onnx.Scalar("zero", 0);
                onnx.Scalar("six", 6);
                onnx.Node("Add", {"x", "three"}, "shifted");
                onnx.Node("Clip", {"shifted", "zero", "six"}, "clipped");
                onnx.Node("Mul", {"x", "clipped"}, "product");
                return onnx.Node("Div", {"product", "six"}, "y")->output(0);
              }),
              ElementsAre("hard_swish"));
  EXPECT_THAT(OperationsOf([](OnnxBuilder& onnx) {
                SetFloat(onnx.Node("HardSigmoid", {"x"}, "h"), "alpha", 1.0F / 6);
                return onnx.Node("Mul", {"x", "h"}, "y")->output(0);
              }),
              ElementsAre("hard_swish"));
  EXPECT_THAT(OperationsOf([](OnnxBuilder& onnx) { return onnx.Node("HardSigmoid", {"x"}, "y")->output(0); }),
              ElementsAre("scale", "clip"));
  EXPECT_THAT(OperationsOf([](OnnxBuilder& onnx) {
                onnx.Scalar("zero", 0);
                return onnx.Node("Clip", {"x", "zero", ""}, "y")->output(0);
              }),
              ElementsAre("relu"));
  // 0.5 · x · (1 + erf(x · 0.7071)), as another exporter orders it; and one that only looks like it.
  for (const float factor : {std::sqrt(0.5F), 0.7F}) {
    EXPECT_EQ(OperationsOf([&](OnnxBuilder& onnx) {
                onnx.Scalar("root", factor);
                onnx.Scalar("one", 1);
                onnx.Scalar("half", 0.5F);
                onnx.Node("Mul", {"half", "x"}, "half_x");
                onnx.Node("Mul", {"x", "root"}, "scaled");
                onnx.Node("Erf", {"scaled"}, "erf");
                onnx.Node("Add", {"one", "erf"}, "sum");
                return onnx.Node("Mul", {"half_x", "sum"}, "y")->output(0);
              }).size(),
              factor == 0.7F ? 5u : 1u);
  }
}

TEST(OnnxReader, PaddingBeforeAConvolutionIsItsPadding) {
  const auto operations = [](float value) {
    return OperationsOf([&](OnnxBuilder& onnx) {
      onnx.Ints("pads", {0, 0, 1, 0, 0, 0, 0, 2});
      onnx.Scalar("value", value);
      onnx.Floats("w", {3, 2, 2, 2});
      onnx.Node("Pad", {"x", "pads", "value"}, "padded");
      return onnx.Node("Conv", {"padded", "w"}, "y")->output(0);
    });
  };
  EXPECT_THAT(operations(0), ElementsAre("conv2d"));
  EXPECT_THAT(operations(1), ElementsAre("pad", "conv2d"));
}

TEST(OnnxReader, WeightsThatTwoNodesShareAreTwo) {
  EXPECT_THAT(OperationsOf([](OnnxBuilder& onnx) {
                onnx.Floats("shared.weight", {2, 2, 1, 1});
                onnx.Node("Conv", {"x", "shared.weight"}, "a");
                return onnx.Node("Conv", {"a", "shared.weight"}, "b")->output(0);
              }),
              ElementsAre("conv2d", "conv2d"));
}

TEST(OnnxReader, ABatchThatIsFixedBecomesFree) {
  for (const int64_t batch : {int64_t{-1}, int64_t{1}, int64_t{4}}) {
    OnnxBuilder onnx;
    onnx.Input("x", {batch, 2, 4, 4});
    onnx.Ints("shape", {batch, 32});
    onnx.Floats("w", {32, 3});
    onnx.Node("Reshape", {"x", "shape"}, "flat");
    onnx.Node("Gemm", {"flat", "w"}, "y");
    onnx.Output("y");
    EXPECT_THAT(Operations(MustRead(onnx).graph), ElementsAre("reshape", "linear")) << batch;
  }
}

// What stands before the batch runs over all images, so it must stay apart from what follows.
TEST(OnnxReader, ShapesThatMixImagesAreRefused) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{-1, 6}, {2, -1, 6}, {24, -1}, {6, -1, 4}}) {
    OnnxBuilder onnx;
    onnx.Input("x", {-1, 4, 6});
    SetInts(onnx.Node("Transpose", {"x"}, "tokens_first"), "perm", {1, 0, 2});
    onnx.Ints("shape", shape);
    onnx.Node("Reshape", {"tokens_first", "shape"}, "y");
    onnx.Output("y");
    EXPECT_THAT(Refusal(onnx), HasSubstr("a shape that mixes images or does not fit")) << shape[0];
  }
}

TEST(OnnxReader, ImagesWithChannelsLastAreTurned) {
  OnnxBuilder onnx;
  onnx.Input("x", {-1, 6, 5, 3});
  SetInts(onnx.Node("Transpose", {"x"}, "image"), "perm", {0, 3, 1, 2});
  onnx.Node("GlobalAveragePool", {"image"}, "pool");
  onnx.Node("Flatten", {"pool"}, "y");
  onnx.Output("y");
  const OnnxModel model = MustRead(onnx);
  EXPECT_TRUE(model.channels_last);
  EXPECT_EQ(model.graph.input_shape(), Shape({3, 6, 5}));
  EXPECT_THAT(Operations(model.graph), ElementsAre("global_average_pool"));
}

TEST(OnnxReader, ASizeThatIsOpenIsAskedFor) {
  OnnxBuilder onnx;
  onnx.Input("x", {-1, 3, -1, -1});
  onnx.Node("GlobalAveragePool", {"x"}, "pool");
  onnx.Node("Flatten", {"pool"}, "y");
  onnx.Output("y");
  EXPECT_THAT(Refusal(onnx),
              AllOf(HasSubstr("\"small.onnx\": input \"x\" has the dimensions {-1, 3, -1, -1}"),
                    HasSubstr("option input_shape")));
  EXPECT_EQ(MustRead(onnx, {.input_shape = {3, 16, 16}}).graph.input_shape(), Shape({3, 16, 16}));
  EXPECT_THAT(Refusal(onnx, {.input_shape = {1, 16, 16}}), HasSubstr("{1, 16, 16} was given"));
  EXPECT_THAT(Refusal(onnx, {.input_shape = {3, 16}}), HasSubstr("{3, 16} was given"));
}

TEST(OnnxReader, EveryUnknownOperatorIsNamedAtOnce) {
  OnnxBuilder onnx = SmallConvNet();
  onnx.Node("LSTM", {"/stem/Relu"}, "lstm");
  onnx.Node("NonZero", {"lstm"}, "nonzero")->set_domain("com.example");
  onnx.Node("Einsum", {"nonzero"}, "einsum");
  onnx.Node("GRU", {"bn"}, "not_needed");
  onnx.graph().mutable_output(0)->set_name("einsum");
  EXPECT_THAT(Refusal(onnx),
              AllOf(HasSubstr("has 3 node(s) whose operators are not read"),
                    HasSubstr("LSTM \"lstm\" (output \"lstm\")"),
                    HasSubstr("com.example.NonZero \"nonzero\""), HasSubstr("Einsum \"einsum\""),
                    HasSubstr("AveragePool, BatchNormalization"), Not(HasSubstr("GRU \""))));
}

TEST(OnnxReader, EveryNodeThatCannotBeBuiltIsNamedAtOnce) {
  OnnxBuilder onnx;
  onnx.Input("x", {-1, 2, 4, 4});
  onnx.Floats("w", {3, 5, 1, 1});
  SetInt(onnx.Node("Concat", {"x", "x"}, "images_mixed"), "axis", 0);
  onnx.Node("Conv", {"x", "w"}, "conv");
  onnx.Node("Relu", {"conv"}, "after");
  onnx.Node("Add", {"images_mixed", "after"}, "sum");
  SetInts(onnx.Node("Flatten", {"x"}, "flat"), "axis", {1});
  onnx.Node("Add", {"sum", "flat"}, "y");
  onnx.Output("y");
  EXPECT_THAT(Refusal(onnx),
              AllOf(HasSubstr("has 3 node(s) that cannot be read"),
                    HasSubstr("Concat \"images_mixed\" (output \"images_mixed\"): images put together"),
                    HasSubstr("Conv \"conv\" (output \"conv\"): a weight that does not fit 2 channels"),
                    HasSubstr("attribute axis has type 7, expected 2"), Not(HasSubstr("Relu"))));
}

TEST(OnnxReader, OutputsAreChosenAndChecked) {
  OnnxBuilder onnx = SmallConvNet();
  onnx.Output("bn");
  EXPECT_THAT(Refusal(onnx), HasSubstr("has 2 outputs (probabilities, bn); name the one with the logits"));
  EXPECT_EQ(MustRead(onnx, {.output = "probabilities"}).output, "fc");
  EXPECT_THAT(Refusal(onnx, {.output = "bn"}), HasSubstr("output \"bn\" of {1, 4, 8, 8} for each image"));
  EXPECT_THAT(Refusal(onnx, {.output = "none"}), HasSubstr("has no output \"none\""));
  EXPECT_THAT(Operations(MustRead(onnx, {.output = "bn", .any_output = true}).graph),
              ElementsAre("conv2d", "batch_norm"));
}

TEST(OnnxReader, NamesAreUniqueWords) {
  OnnxBuilder onnx;
  onnx.Input("x", {-1, 2});
  onnx.Node("Relu", {"x"}, "a")->set_name("same name\n=\xC3\xA9");
  onnx.Node("Tanh", {"a"}, "b")->set_name("same name\n=\xC3\xA9");
  onnx.Node("Tanh", {"b"}, "c")->set_name("same name\n=\xC3\xA9");
  onnx.Node("Sigmoid", {"c"}, "d")->set_name("input");
  onnx.Node("Relu", {"d"}, "e")->set_name(std::string(5000, 'n'));
  onnx.Node("Relu", {"e"}, "f")->set_name("");
  onnx.Output("f");
  std::vector<std::string> names;
  const OnnxModel model = MustRead(onnx);
  for (const Node& node : model.graph.nodes()) names.push_back(node.name);
  EXPECT_THAT(names, ElementsAre("input", "same_name____", "same_name____.tanh", "same_name____.tanh1",
                                 "input.sigmoid", std::string(200, 'n'), "Relu_5"));
}

TEST(OnnxReader, FilesThatAreNotThere) {
  const absl::Status status = ReadOnnxModel("/nowhere/model.onnx").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "\"/nowhere/model.onnx\": there is no such file");
  EXPECT_EQ(ReadOnnxModel("/").status().code(), absl::StatusCode::kDataLoss);
}

TEST(OnnxReader, OperatorsAreListed) {
  const std::vector<std::string> operators = SupportedOnnxOperators();
  EXPECT_GE(operators.size(), 60u);
  EXPECT_TRUE(std::is_sorted(operators.begin(), operators.end()));
  EXPECT_EQ(std::adjacent_find(operators.begin(), operators.end()), operators.end());
}

TEST(OnnxReader, ExternalDataBecomePartOfTheCopy) {
  TempDir folder;
  OnnxBuilder onnx = SmallConvNet();
  const std::string as_it_was = onnx.Bytes();
  EXPECT_EQ(*SelfContainedOnnx(as_it_was, folder.path(), "small.onnx"), as_it_was);
  onnx::TensorProto& weight = *onnx.graph().mutable_initializer(0);
  std::ofstream(folder.path() + "/data", std::ios::binary) << weight.raw_data();
  weight.clear_raw_data();
  weight.set_data_location(onnx::TensorProto::EXTERNAL);
  auto* entry = weight.add_external_data();
  entry->set_key("location");
  entry->set_value("data");
  const absl::StatusOr<std::string> whole = SelfContainedOnnx(onnx.Bytes(), folder.path(), "small.onnx");
  ASSERT_TRUE(whole.ok()) << whole.status();
  const absl::StatusOr<OnnxModel> read = ParseOnnxModel(*whole, "", "small.onnx");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->weights.tensors.at("stem.conv.weight").values,
            MustRead(SmallConvNet()).weights.tensors.at("stem.conv.weight").values);
  std::filesystem::remove(folder.path() + "/data");
  EXPECT_TRUE(absl::IsNotFound(SelfContainedOnnx(onnx.Bytes(), folder.path(), "small.onnx").status()));
}

}  // namespace
}  // namespace precis
