// ONNX's own node tests, as Debian's libonnx-testdata has them: each whose operators the reader claims must
// give what ONNX says, run through the supernet in fp32, or computed among constants. Those that are no part
// of any classifier are listed in onnx_left_out.h with the reason; of operators that are not read, the number
// is printed.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>

#include "supernet/execution/frozen_network.h"
#include "supernet/execution/weight_exchange.h"
#include "supernet/graph/onnx_constants.h"
#include "supernet/graph/onnx_draft.h"
#include "supernet/graph/onnx_operators.h"
#include "supernet/graph/onnx_reader.h"
#include "tests/supernet/execution/onnx_left_out.h"

namespace precis {
namespace {

namespace fs = std::filesystem;
using onnx_reader::OnnxTensor;

constexpr char kData[] = "/usr/share/libonnx-testdata/data";

std::string Bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

struct NodeTest {
  std::string name;
  onnx::ModelProto model;
  std::vector<onnx::TensorProto> inputs;  // none of the model's own initialisers
  onnx::TensorProto expected;             // the first output
  bool readable = true;                   // whether inputs and output are plain tensors
};

NodeTest Load(const fs::path& folder) {
  NodeTest test{.name = folder.filename(), .model = {}, .inputs = {}, .expected = {}};
  test.readable = test.model.ParseFromString(Bytes(folder / "model.onnx"));
  const fs::path data = folder / "test_data_set_0";
  // Older models list their initialisers among the inputs.
  std::set<std::string> initialisers;
  for (const auto& tensor : test.model.graph().initializer()) initialisers.insert(tensor.name());
  std::vector<std::string> names;
  for (const auto& input : test.model.graph().input()) {
    if (!initialisers.contains(input.name())) names.push_back(input.name());
  }
  for (int i = 0; fs::exists(data / ("input_" + std::to_string(i) + ".pb")); ++i) {
    onnx::TensorProto tensor;
    test.readable &= tensor.ParseFromString(Bytes(data / ("input_" + std::to_string(i) + ".pb")));
    if (i < static_cast<int>(names.size())) tensor.set_name(names[static_cast<size_t>(i)]);
    test.inputs.push_back(tensor);
  }
  test.readable &= test.expected.ParseFromString(Bytes(data / "output_0.pb"));
  // The operators of older tests are those of opset 7, the oldest that is read.
  for (auto& domain : *test.model.mutable_opset_import())
    domain.set_version(std::max<int64_t>(domain.version(), 7));
  test.readable &= test.inputs.size() == names.size();
  return test;
}

absl::StatusOr<OnnxTensor> Read(const onnx::TensorProto& proto) {
  return onnx_reader::ReadTensor(proto, onnx_reader::ExternalData(""));
}

at::Tensor Floats(const OnnxTensor& tensor) {
  at::Tensor out = at::empty(tensor.dims, at::kFloat);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    out.data_ptr<float>()[i] = tensor.is_float
                                   ? tensor.floats[static_cast<size_t>(i)]
                                   : static_cast<float>(tensor.ints[static_cast<size_t>(i)].value);
  }
  return out;
}

bool IsClose(const at::Tensor& y, const at::Tensor& expected) {
  return y.numel() == expected.numel() &&
         at::allclose(y.reshape({-1}), expected.reshape({-1}), 1e-3, 1e-5, /*equal_nan=*/true);
}

// The model with only its first float input left, the others being constants; its images.
bool MakeOthersConstants(const NodeTest& test, onnx::ModelProto& model, at::Tensor& images) {
  model = test.model;
  size_t image = test.inputs.size();
  for (size_t i = test.inputs.size(); i-- > 0;) {
    if (onnx_reader::IsFloatType(test.inputs[i].data_type()) && test.inputs[i].dims_size() > 1) image = i;
  }
  if (image == test.inputs.size()) return false;
  for (size_t i = 0; i < test.inputs.size(); ++i) {
    if (i != image) *model.mutable_graph()->add_initializer() = test.inputs[i];
  }
  const absl::StatusOr<OnnxTensor> tensor = Read(test.inputs[image]);
  if (!tensor.ok()) return false;
  images = Floats(*tensor);
  return true;
}

onnx::NodeProto* Prepend(onnx::GraphProto& graph, const std::string& op,
                         const std::vector<std::string>& inputs, const std::string& output) {
  onnx::NodeProto* node = graph.add_node();
  node->set_op_type(op);
  for (const std::string& input : inputs) node->add_input(input);
  node->add_output(output);
  return node;
}

std::string AddInts(onnx::GraphProto& graph, const std::string& name, const std::vector<int64_t>& values) {
  onnx::TensorProto* tensor = graph.add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::INT64);
  tensor->add_dims(static_cast<int64_t>(values.size()));
  for (const int64_t value : values) tensor->add_int64_data(value);
  return name;
}

// All inputs side by side in one, a vector an image, of which nodes put before the others take their parts.
// The first dimension is the batch, also of what has no other; inputs without dimensions are constants.
bool PackInputs(const NodeTest& test, onnx::ModelProto& model, at::Tensor& images) {
  if (test.inputs.empty() || test.inputs[0].dims_size() == 0) return false;
  const int64_t batch = test.inputs[0].dims(0);
  std::vector<at::Tensor> flat;
  model = test.model;
  onnx::GraphProto& graph = *model.mutable_graph();
  graph.clear_node();
  graph.clear_input();
  int64_t at = 0;
  for (const onnx::TensorProto& input : test.inputs) {
    if (input.dims_size() == 0) {
      *graph.add_initializer() = input;
      continue;
    }
    const absl::StatusOr<OnnxTensor> tensor = Read(input);
    if (!tensor.ok() || !tensor->is_float || tensor->dims.empty() || tensor->dims[0] != batch || batch == 0)
      return false;
    flat.push_back(Floats(*tensor).reshape({batch, -1}));
    const int64_t size = flat.back().size(1);
    const std::string& name = input.name();
    Prepend(graph, "Slice",
            {"packed", AddInts(graph, name + ".from", {at}), AddInts(graph, name + ".to", {at + size}),
             AddInts(graph, name + ".axis", {1})},
            name + ".part");
    std::vector<int64_t> shape = tensor->dims;
    Prepend(graph, "Reshape", {name + ".part", AddInts(graph, name + ".shape", shape)}, name);
    at += size;
  }
  for (const onnx::NodeProto& node : test.model.graph().node()) *graph.add_node() = node;
  onnx::ValueInfoProto* packed = graph.add_input();
  packed->set_name("packed");
  auto* type = packed->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  for (const int64_t size : {batch, at}) type->mutable_shape()->add_dim()->set_dim_value(size);
  images = at::cat(flat, 1);
  return true;
}

at::Tensor Run(const OnnxModel& model, const at::Tensor& images) {
  Supernet net(model.graph, /*seed=*/1, at::kCPU);
  const absl::Status imported = ImportWeights(model.weights, net);
  EXPECT_TRUE(imported.ok()) << imported;
  const Assignment assignment = UniformAssignment(net.layer_count(), *ParseFormat("fp32"));
  return FrozenNetwork(net, assignment, StatisticsOf(model.weights, net)).Forward(images);
}

// "" if the forward pass gives what is expected; else why it could not be run, or that it is wrong.
std::string Forward(const NodeTest& test, const onnx::ModelProto& model, const at::Tensor& images) {
  std::string bytes;
  model.SerializeToString(&bytes);
  OnnxOptions options{.input_shape = {}, .output = model.graph().output(0).name(), .any_output = true};
  const absl::StatusOr<OnnxModel> read = ParseOnnxModel(bytes, "", test.name, options);
  if (!read.ok()) return std::string(read.status().message());
  const absl::StatusOr<OnnxTensor> tensor = Read(test.expected);
  if (!tensor.ok()) return "its output is no tensor of numbers";
  const int64_t batch = images.size(0);
  int64_t before = 1;
  for (int64_t i = 0; i < read->output_batch_axis; ++i) before *= tensor->dims[static_cast<size_t>(i)];
  if (Floats(*tensor).numel() % (before * batch) != 0) return "WRONG";
  const at::Tensor expected = Floats(*tensor).reshape({before, batch, -1}).permute({1, 0, 2}).contiguous();
  const at::Tensor y = Run(*read, images);
  return IsClose(y, expected) ? "" : "WRONG";
}

// The same for a single node, all of whose inputs are constants.
std::string FoldConstants(const NodeTest& test) {
  if (test.model.graph().node_size() != 1) return "several nodes";
  const onnx::NodeProto& proto = test.model.graph().node(0);
  if (!onnx_reader::CanFold(proto.op_type())) return "not among constants";
  onnx_reader::Draft draft({1});
  onnx_reader::Budget budget(1 << 20);
  const onnx_reader::ExternalData external("");
  onnx_reader::OnnxNode node{.op = proto.op_type(),
                             .name = "node",
                             .opset = test.model.opset_import(0).version(),
                             .batch = 0,
                             .outputs = static_cast<size_t>(proto.output_size()),
                             .declared_outputs = static_cast<size_t>(proto.output_size()),
                             .attributes = onnx_reader::OnnxAttributes(proto),
                             .inputs = {},
                             .weight_names = {},
                             .read_here_alone = {},
                             .external = external,
                             .draft = draft,
                             .budget = budget};
  std::map<std::string, onnx::TensorProto> tensors;
  for (const auto& tensor : test.model.graph().initializer()) tensors[tensor.name()] = tensor;
  for (const onnx::TensorProto& tensor : test.inputs) tensors[tensor.name()] = tensor;
  for (const std::string& name : proto.input()) {
    if (name.empty()) {
      node.inputs.emplace_back();
      continue;
    }
    const absl::StatusOr<OnnxTensor> tensor = Read(tensors[name]);
    if (!tensor.ok()) return "an input is no tensor of numbers";
    node.inputs.emplace_back(std::make_shared<const OnnxTensor>(*tensor));
  }
  const auto outputs = onnx_reader::Fold(node);
  if (!outputs.ok()) return std::string(outputs.status().message());
  const absl::StatusOr<OnnxTensor> expected = Read(test.expected);
  if (!expected.ok()) return "its output is no tensor of numbers";
  const auto& folded = *std::get<onnx_reader::TensorPtr>((*outputs)[0]);
  if (folded.dims != expected->dims || folded.is_float != expected->is_float) return "WRONG";
  return IsClose(Floats(folded), Floats(*expected)) ? "" : "WRONG";
}

bool IsClaimed(const NodeTest& test, std::string& unclaimed) {
  for (const onnx::NodeProto& node : test.model.graph().node()) {
    if (!node.domain().empty() ||
        (onnx_reader::FindOperator(node.op_type()) == nullptr && !onnx_reader::CanFold(node.op_type()))) {
      unclaimed = node.op_type();
      return false;
    }
  }
  return true;
}

TEST(OnnxNodes, TestsOfClaimedOperatorsPass) {
  ASSERT_TRUE(fs::exists(kData)) << "install the Debian package libonnx-testdata";
  int run = 0;
  int folded = 0;
  std::map<std::string, int> unclaimed;
  int not_fit = 0;
  std::set<std::string> left_out;
  for (const auto& [reason, names] : LeftOutNodeTests()) {
    for (const std::string& name : names) left_out.insert("test_" + name);
  }
  std::vector<fs::path> folders;
  for (const char* kind : {"node", "pytorch-converted", "pytorch-operator", "simple"}) {
    for (const auto& entry : fs::directory_iterator(fs::path(kData) / kind)) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  for (const fs::path& folder : folders) {
    const NodeTest test = Load(folder);
    std::string operation;
    if (!IsClaimed(test, operation)) {
      ++unclaimed[operation];
      continue;
    }
    std::string reason = "its data are no plain tensors";
    bool passed = false;
    if (test.readable) {
      onnx::ModelProto model;
      at::Tensor images;
      reason = "no input has images";
      if (MakeOthersConstants(test, model, images)) reason = Forward(test, model, images);
      std::string packed = "-";
      if (!reason.empty() && PackInputs(test, model, images)) packed = Forward(test, model, images);
      passed = reason.empty() || packed.empty();
      const std::string fold = FoldConstants(test);
      run += passed ? 1 : 0;
      folded += fold.empty() && !passed ? 1 : 0;
      passed |= fold.empty();
      reason += " | " + packed + " | " + fold;
    }
    const bool is_left_out = left_out.contains(test.name);
    EXPECT_NE(passed, is_left_out) << test.name << ": " << reason;
    not_fit += is_left_out ? 1 : 0;
  }
  std::cout << folders.size() << " tests; run as networks: " << run
            << "; computed among constants: " << folded << "; no part of a classifier: " << not_fit << "\n";
  EXPECT_GE(run, 340);
  EXPECT_GE(folded, 135);
  EXPECT_EQ(not_fit, static_cast<int>(left_out.size()));
  for (const auto& [operation, count] : unclaimed)
    std::cout << operation << " is not read: " << count << "\n";
}

}  // namespace
}  // namespace precis
