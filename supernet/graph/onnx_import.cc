// What the file declares is checked first, then every node becomes constants or nodes of the draft.
#include "supernet/graph/onnx_import.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "supernet/graph/node_op.h"
#include "supernet/graph/onnx_constants.h"
#include "supernet/graph/onnx_operators.h"

namespace precis::onnx_reader {
namespace {

constexpr int64_t kOldestOpset = 7;
constexpr int64_t kNewestOpset = 25;
constexpr int kMaxNodes = 1 << 14;
constexpr int64_t kMaxConstantElements = int64_t{1} << 32;
constexpr int64_t kSpareElements = int64_t{1} << 24;  // that any file may make
constexpr int64_t kElementsForEach = 8;               // and for each that it has
constexpr size_t kLongestWord = 200;

bool IsOwnDomain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

// "Conv \"conv1\" (output \"x\")".
std::string NodeText(const onnx::NodeProto& node) {
  const std::string domain = IsOwnDomain(node.domain()) ? "" : node.domain() + ".";
  return absl::StrCat(domain, node.op_type(), " \"", node.name(), "\" (output \"",
                      node.output_size() > 0 ? node.output(0) : "", "\")");
}

class Importer {
 public:
  Importer(const onnx::ModelProto& model, const std::string& folder, const OnnxOptions& options)
      : model_(model), graph_(model.graph()), options_(options), external_(folder) {}

  absl::StatusOr<OnnxModel> Run(const std::string& name);

 private:
  absl::Status CheckOpset();
  absl::Status IndexTensors();
  absl::Status IndexNodes();
  absl::Status ChooseOutput();
  void MarkNeeded();
  absl::Status CheckOperators() const;
  absl::Status FindInput();
  absl::StatusOr<Shape> InputShape(const onnx::ValueInfoProto& input);
  void FindLayout();
  absl::Status Build();
  absl::StatusOr<std::vector<Value>> BuildNode(const onnx::NodeProto& proto, int index);
  absl::Status Constants(const onnx::NodeProto& proto);
  absl::StatusOr<NodeId> OutputNode();

  const onnx::ModelProto& model_;
  const onnx::GraphProto& graph_;
  const OnnxOptions& options_;
  const ExternalData external_;
  int64_t opset_ = 0;
  int64_t batch_ = 0;  // as fixed by the file; 0: free
  std::map<std::string, const onnx::TensorProto*> initialisers_;
  std::map<std::string, int> producers_;  // by output
  std::vector<bool> needed_;              // by node
  std::map<std::string, int> readers_;    // of a value, among the nodes that are needed
  std::map<std::string, size_t> last_output_;
  std::string input_;
  std::string output_;
  bool softmax_left_out_ = false;
  int64_t output_batch_axis_ = 0;
  int to_channels_first_ = -1;  // the transpose that makes images of {height, width, channels} ours
  std::map<std::string, Value> values_;
  int64_t constant_elements_ = 0;
  std::optional<Draft> draft_;
  std::optional<Budget> budget_;
};

absl::Status Importer::CheckOpset() {
  if (!model_.has_graph() || graph_.node_size() == 0) return absl::DataLossError("has no graph");
  for (const auto& domain : model_.opset_import()) {
    if (IsOwnDomain(domain.domain())) opset_ = std::max<int64_t>(opset_, domain.version());
  }
  if (opset_ < kOldestOpset || opset_ > kNewestOpset) {
    return Unsupported("has opset ", opset_, ", read are ", kOldestOpset, " to ", kNewestOpset,
                       "; export it again with one of those");
  }
  if (graph_.node_size() > kMaxNodes)
    return Unsupported("has ", graph_.node_size(), " nodes, allowed are ", kMaxNodes);
  if (graph_.sparse_initializer_size() > 0) return Unsupported("has sparse initialisers, which are not read");
  return absl::OkStatus();
}

absl::Status Importer::IndexTensors() {
  int64_t elements = 0;
  for (const onnx::TensorProto& tensor : graph_.initializer()) {
    if (tensor.name().empty() || !initialisers_.emplace(tensor.name(), &tensor).second) {
      return absl::DataLossError(
          absl::StrCat("has two initialisers \"", tensor.name(), "\", or one without a name"));
    }
    const std::optional<int64_t> count = CountElements({tensor.dims().begin(), tensor.dims().end()});
    if (!count.has_value())
      return absl::DataLossError(
          absl::StrCat("has a tensor \"", tensor.name(), "\" whose shape no tensor has"));
    // What is not in the file has yet to be found.
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL ||
        *count <= static_cast<int64_t>(tensor.ByteSizeLong())) {
      elements += *count;
    }
    if (elements > kMaxConstantElements)
      return Unsupported("has more than ", kMaxConstantElements, " weights");
  }
  budget_.emplace(kSpareElements + kElementsForEach * elements);
  return absl::OkStatus();
}

absl::Status Importer::IndexNodes() {
  std::set<std::string> known;
  for (const auto& [name, tensor] : initialisers_) known.insert(name);
  for (const onnx::ValueInfoProto& input : graph_.input()) known.insert(input.name());
  std::vector<std::string> faults;
  for (int i = 0; i < graph_.node_size(); ++i) {
    const onnx::NodeProto& node = graph_.node(i);
    for (const std::string& input : node.input()) {
      if (!input.empty() && !known.contains(input)) {
        faults.push_back(
            absl::StrCat(NodeText(node), " reads \"", input, "\", which nothing before it gives"));
      }
    }
    for (const std::string& output : node.output()) {
      if (output.empty()) continue;
      if (!producers_.emplace(output, i).second || initialisers_.contains(output)) {
        faults.push_back(absl::StrCat("\"", output, "\" is given twice"));
      }
      known.insert(output);
    }
  }
  if (faults.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("contradicts itself: ", absl::StrJoin(faults, "; ")));
}

absl::Status Importer::ChooseOutput() {
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto& output : graph_.output()) names.push_back(output.name());
  output_ = options_.output.empty() && names.size() == 1 ? names[0] : options_.output;
  if (!producers_.contains(output_) || (std::find(names.begin(), names.end(), output_) == names.end())) {
    return Unsupported(
        options_.output.empty() ? "has " : absl::StrCat("has no output \"", options_.output, "\"; it has "),
        names.size(), " outputs (", absl::StrJoin(names, ", "),
        "); name the one with the logits (option output)");
  }
  while (!options_.any_output) {
    const auto producer = producers_.find(output_);
    if (producer == producers_.end()) break;
    const onnx::NodeProto& node = graph_.node(producer->second);
    const bool is_softmax = node.op_type() == "Softmax" || node.op_type() == "LogSoftmax";
    if ((!is_softmax && node.op_type() != "Identity") || node.input_size() < 1 || node.input(0).empty())
      break;
    softmax_left_out_ |= is_softmax;
    output_ = node.input(0);
  }
  return absl::OkStatus();
}

void Importer::MarkNeeded() {
  needed_.assign(static_cast<size_t>(graph_.node_size()), false);
  if (const auto producer = producers_.find(output_); producer != producers_.end()) {
    needed_[static_cast<size_t>(producer->second)] = true;
  }
  ++readers_[output_];
  for (int i = graph_.node_size() - 1; i >= 0; --i) {
    if (!needed_[static_cast<size_t>(i)]) continue;
    for (const std::string& input : graph_.node(i).input()) {
      ++readers_[input];
      const auto producer = producers_.find(input);
      if (producer != producers_.end()) needed_[static_cast<size_t>(producer->second)] = true;
    }
  }
}

absl::Status Importer::CheckOperators() const {
  std::vector<std::string> unknown;
  for (int i = 0; i < graph_.node_size(); ++i) {
    const onnx::NodeProto& node = graph_.node(i);
    if (!needed_[static_cast<size_t>(i)]) continue;
    const bool known = FindOperator(node.op_type()) != nullptr || CanFold(node.op_type());
    if (!IsOwnDomain(node.domain()) || !known) unknown.push_back(NodeText(node));
  }
  if (unknown.empty()) return absl::OkStatus();
  return Unsupported("has ", unknown.size(),
                     " node(s) whose operators are not read: ", absl::StrJoin(unknown, ", "), ". Read are ",
                     absl::StrJoin(SupportedOperators(), ", "),
                     ". Export the model without them, or simplify it first");
}

absl::Status Importer::FindInput() {
  std::vector<std::string> names;
  const onnx::ValueInfoProto* found = nullptr;
  for (const onnx::ValueInfoProto& input : graph_.input()) {
    if (initialisers_.contains(input.name()) || !readers_.contains(input.name())) continue;
    names.push_back(input.name());
    found = &input;
  }
  if (names.size() != 1) {
    return Unsupported("has ", names.size(), " inputs that its output depends on (",
                       absl::StrJoin(names, ", "), "); a classifier has one, the images");
  }
  input_ = names[0];
  FindLayout();
  absl::StatusOr<Shape> shape = InputShape(*found);
  if (!shape.ok()) return shape.status();
  draft_.emplace(*shape);
  Activation images{.node = 0, .dims = *shape, .batch_axis = 0};
  images.dims.insert(images.dims.begin(), 1);
  values_[input_] = images;
  return absl::OkStatus();
}

// {height, width, channels} that a transpose, their only reader, makes {channels, height, width}: our images.
void Importer::FindLayout() {
  if (readers_[input_] != 1) return;
  for (int i = 0; i < graph_.node_size(); ++i) {
    const onnx::NodeProto& node = graph_.node(i);
    if (!needed_[static_cast<size_t>(i)] || node.op_type() != "Transpose" || node.input_size() != 1 ||
        node.input(0) != input_ || node.output_size() != 1) {
      continue;
    }
    OnnxAttributes attributes(node);
    if (attributes.Ints("perm") == std::vector<int64_t>{0, 3, 1, 2}) to_channels_first_ = i;
  }
}

absl::StatusOr<Shape> Importer::InputShape(const onnx::ValueInfoProto& input) {
  const auto& type = input.type().tensor_type();
  if (!input.type().has_tensor_type() || !IsFloatType(type.elem_type())) {
    return Unsupported("has an input \"", input.name(),
                       "\" that is no tensor of floats; export the model so that it takes "
                       "pixels that are already normalised");
  }
  std::vector<int64_t> dims;  // -1: open
  for (const auto& dimension : type.shape().dim()) {
    dims.push_back(dimension.has_dim_value() && dimension.dim_value() > 0 ? dimension.dim_value() : -1);
  }
  const std::string what = absl::StrCat("input \"", input.name(), "\" has the dimensions {",
                                        absl::StrJoin(dims, ", "), "}, -1 being open");
  if (!type.has_shape() && !options_.input_shape.empty()) dims.assign(options_.input_shape.size() + 1, -1);
  if (dims.size() < 2 || dims.size() > 4) {
    return Unsupported(what,
                       "; needed are a batch and one to three more, channels, height and width as a rule");
  }
  batch_ = std::max<int64_t>(dims[0], 0);
  Shape shape(dims.begin() + 1, dims.end());
  if (to_channels_first_ >= 0 && shape.size() == 3) shape = {shape[2], shape[0], shape[1]};
  if (to_channels_first_ >= 0 && shape.size() != 3) to_channels_first_ = -1;
  const Shape& given = options_.input_shape;
  for (size_t i = 0; i < shape.size() && !given.empty(); ++i) {
    if (given.size() != shape.size() || (shape[i] >= 0 && shape[i] != given[i])) {
      return Unsupported(what, ", and {", absl::StrJoin(given, ", "),
                         "} was given as the image's (option input_shape)");
    }
    shape[i] = given[i];
  }
  for (const int64_t dimension : shape) {
    if (dimension < 1)
      return Unsupported(what, "; say the image's size (option input_shape: channels, height, width)");
  }
  if (ElementCount(shape) > (int64_t{1} << 40)) return Unsupported(what, ", which is too large");
  return shape;
}

// The initialisers that a node reads, where no node before it did.
absl::Status Importer::Constants(const onnx::NodeProto& proto) {
  for (const std::string& input : proto.input()) {
    const auto initialiser = initialisers_.find(input);
    if (initialiser == initialisers_.end() || values_.contains(input)) continue;
    absl::StatusOr<OnnxTensor> tensor = ReadTensor(*initialiser->second, external_);
    if (!tensor.ok()) return tensor.status();
    constant_elements_ += tensor->size();
    if (constant_elements_ > kMaxConstantElements)
      return Unsupported("has more than ", kMaxConstantElements, " weights");
    values_[input] = std::make_shared<const OnnxTensor>(*std::move(tensor));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Value>> Importer::BuildNode(const onnx::NodeProto& proto, int index) {
  const std::string name(absl::StripPrefix(proto.name(), "/"));
  OnnxNode node{.op = proto.op_type(),
                .name = AsWord(name.empty() ? absl::StrCat(proto.op_type(), "_", index) : name),
                .opset = opset_,
                .batch = batch_,
                .outputs = 1,
                .declared_outputs = static_cast<size_t>(proto.output_size()),
                .attributes = OnnxAttributes(proto),
                .inputs = {},
                .weight_names = {},
                .read_here_alone = {},
                .external = external_,
                .draft = *draft_,
                .budget = *budget_};
  for (int i = 0; i < proto.output_size(); ++i) {
    if (readers_.contains(proto.output(i)) && !proto.output(i).empty())
      node.outputs = static_cast<size_t>(i) + 1;
  }
  bool all_constant = true;
  std::string weight_name;
  for (const std::string& input : proto.input()) {
    const auto value = values_.find(input);
    node.inputs.push_back(input.empty() || value == values_.end() ? Value() : value->second);
    node.read_here_alone.push_back(readers_.at(input) == 1);
    all_constant &= !std::holds_alternative<Activation>(node.inputs.back());
    // Called after the weight, or what is left of its name without a suffix that says the same.
    const bool is_weight = initialisers_.contains(input) && absl::EndsWith(input, ".weight");
    if (is_weight && weight_name.empty()) weight_name = AsWord(input.substr(0, input.size() - 7));
  }
  draft_->Name(node.name, weight_name);
  absl::StatusOr<std::vector<Value>> outputs = Unsupported("no operator");
  if (all_constant && CanFold(node.op)) {
    outputs = Fold(node);
  } else if (const Operator build = FindOperator(node.op); build != nullptr) {
    outputs = build(node);
  } else {
    outputs = Unsupported(node.op, " of activations; it is read among constants alone");
  }
  if (outputs.ok() && !node.attributes.Status().ok()) return node.attributes.Status();
  return outputs;
}

absl::Status Importer::Build() {
  std::vector<std::string> faults;
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
  std::set<std::string> failed;  // values of nodes that could not be built
  for (int i = 0; i < graph_.node_size(); ++i) {
    const onnx::NodeProto& proto = graph_.node(i);
    if (!needed_[static_cast<size_t>(i)]) continue;
    const bool blocked = std::any_of(proto.input().begin(), proto.input().end(),
                                     [&](const std::string& input) { return failed.contains(input); });
    absl::StatusOr<std::vector<Value>> outputs = std::vector<Value>();
    if (!blocked && i == to_channels_first_) {
      outputs = std::vector<Value>{values_.at(input_)};
    } else if (!blocked) {
      const absl::Status constants = Constants(proto);
      outputs = constants.ok() ? BuildNode(proto, i) : absl::StatusOr<std::vector<Value>>(constants);
    }
    if (!outputs.ok()) {
      code = faults.empty() ? outputs.status().code() : code;
      faults.push_back(absl::StrCat(NodeText(proto), ": ", outputs.status().message()));
    }
    for (int o = 0; o < proto.output_size(); ++o) {
      const std::string& name = proto.output(o);
      const auto at = static_cast<size_t>(o);
      if (blocked || !outputs.ok() || at >= outputs->size()) {
        failed.insert(name);
      } else if (!name.empty()) {
        values_[name] = (*outputs)[at];
      }
    }
    for (const std::string& input : proto.input()) {
      if (!input.empty() && --readers_[input] == 0) values_[input] = Value();  // weights are large
    }
  }
  if (faults.empty()) return absl::OkStatus();
  return absl::Status(code, absl::StrCat("has ", faults.size(),
                                         " node(s) that cannot be read: ", absl::StrJoin(faults, "; ")));
}

absl::StatusOr<NodeId> Importer::OutputNode() {
  const auto value = values_.find(output_);
  const Activation* output = value == values_.end() ? nullptr : std::get_if<Activation>(&value->second);
  if (output == nullptr)
    return Unsupported("has an output \"", output_, "\" that does not depend on the image");
  if (options_.any_output) {
    output_batch_axis_ = output->batch_axis;
    return output->node;
  }
  const int64_t classes = ElementCount(output->dims);
  const bool is_vector =
      std::count_if(output->dims.begin(), output->dims.end(), [](int64_t d) { return d != 1; }) <= 1;
  if (!is_vector || output->per_image() != 1) {
    return Unsupported("has an output \"", output_, "\" of {", absl::StrJoin(output->dims, ", "),
                       "} for each image; a classifier's is a vector of logits");
  }
  draft_->Name("logits", "");
  return draft_->Reshape(output->node, {classes});
}

absl::StatusOr<OnnxModel> Importer::Run(const std::string& name) {
  for (const auto step :
       {&Importer::CheckOpset, &Importer::IndexTensors, &Importer::IndexNodes, &Importer::ChooseOutput}) {
    if (absl::Status status = (this->*step)(); !status.ok()) return status;
  }
  MarkNeeded();
  if (absl::Status status = CheckOperators(); !status.ok()) return status;
  if (absl::Status status = FindInput(); !status.ok()) return status;
  if (absl::Status status = Build(); !status.ok()) return status;
  const absl::StatusOr<NodeId> output = OutputNode();
  if (!output.ok()) return output.status();
  values_.clear();
  absl::StatusOr<Draft::Finished> finished = draft_->Finish(AsWord(name), *output, *budget_);
  if (!finished.ok()) return finished.status();
  OnnxModel model{.graph = std::move(finished->graph),
                  .weights = {.tensors = std::move(finished->tensors), .metadata = {{"format", "pt"}}},
                  .input = input_,
                  .output = output_,
                  .channels_last = to_channels_first_ >= 0,
                  .softmax_left_out = softmax_left_out_,
                  .output_batch_axis = output_batch_axis_,
                  .opset = opset_,
                  .producer = model_.producer_name(),
                  .metadata = {}};
  if (!model_.producer_version().empty()) absl::StrAppend(&model.producer, " ", model_.producer_version());
  for (const auto& entry : model_.metadata_props()) model.metadata[entry.key()] = entry.value();
  return model;
}

}  // namespace

std::string AsWord(const std::string& text) {
  std::string word = text.substr(0, kLongestWord);
  for (char& c : word) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       c == '.' || c == '_' || c == '/' || c == '-' || c == ':';
    if (!plain) c = '_';
  }
  return word.empty() ? "_" : word;
}

absl::StatusOr<OnnxModel> Import(const onnx::ModelProto& model, const std::string& folder,
                                 const std::string& name, const OnnxOptions& options) {
  return Importer(model, folder, options).Run(name);
}

}  // namespace precis::onnx_reader
