// ONNX files that lie, do not end, or want too much: a clear error each, little memory, no crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "supernet/graph/onnx_reader.h"
#include "tests/fakes/temp_dir.h"
#include "tests/supernet/graph/onnx_builder.h"

namespace precis {
namespace {

using ::testing::HasSubstr;

absl::Status StatusOf(const OnnxBuilder& onnx) {
  return ParseOnnxModel(onnx.Bytes(), "", "bad.onnx").status();
}

// {N, 4} -> y by nodes that a test adds.
OnnxBuilder Vector() {
  OnnxBuilder onnx;
  onnx.Input("x", {-1, 4});
  onnx.Output("y");
  return onnx;
}

TEST(OnnxHostile, TruncatedAtEveryByte) {
  const std::string bytes = SmallConvNet().Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const absl::StatusOr<OnnxModel> model = ParseOnnxModel(bytes.substr(0, size), "", "cut");
    EXPECT_FALSE(model.ok() && size < bytes.size() / 2) << size;
  }
}

TEST(OnnxHostile, RandomChanges) {
  std::mt19937_64 random(20240229);
  int read = 0;
  int refused = 0;
  for (const OnnxBuilder& onnx : {SmallConvNet(), SmallTransformer()}) {
    const std::string whole = onnx.Bytes();
    for (int i = 0; i < 5000; ++i) {
      std::string bytes = whole;
      const uint64_t changes = 1 + random() % 4;
      for (uint64_t c = 0; c < changes; ++c) {
        const size_t at = random() % bytes.size();
        switch (random() % 5) {
          case 0:
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
            break;
          case 1:
            bytes[at] = static_cast<char>(random());
            break;
          case 2:
            bytes.erase(at, 1 + random() % 16);
            break;
          case 3:
            bytes.insert(at, bytes.substr(random() % bytes.size(), 1 + random() % 64));
            break;
          default:
            bytes[at] = static_cast<char>(random() % 2 == 0 ? 0xFF : 0x00);
        }
        if (bytes.empty()) bytes = "x";
      }
      const absl::StatusOr<OnnxModel> model = ParseOnnxModel(bytes, "", "changed");
      if (model.ok()) {
        ++read;
        for (const ParameterInfo& parameter : model->graph.Parameters()) {
          ASSERT_TRUE(model->weights.tensors.contains(parameter.name));
        }
        continue;
      }
      ++refused;
      ASSERT_TRUE(model.status().code() == absl::StatusCode::kInvalidArgument ||
                  model.status().code() == absl::StatusCode::kDataLoss)
          << model.status();
    }
  }
  EXPECT_GT(read, 500) << "the changes must leave some models whole, or nothing behind the parser is reached";
  EXPECT_GT(refused, 3000);
}

TEST(OnnxHostile, TensorsThatAreNotWhatTheirShapeSays) {
  for (const std::vector<int64_t>& dims : {std::vector<int64_t>{4, 5},
                                           {int64_t{1} << 62, 4},
                                           {int64_t{1} << 40, int64_t{1} << 40},
                                           {-4, -4},
                                           {0, 4}}) {
    OnnxBuilder onnx = Vector();
    onnx::TensorProto* weight = onnx.Floats("w", {4, 4});
    weight->clear_dims();
    for (const int64_t size : dims) weight->add_dims(size);
    onnx.Node("MatMul", {"x", "w"}, "y");
    EXPECT_EQ(StatusOf(onnx).code(), absl::StatusCode::kDataLoss) << StatusOf(onnx);
  }
  OnnxBuilder onnx = Vector();
  onnx.Floats("w", {4, 4})->set_data_type(onnx::TensorProto::COMPLEX64);
  onnx.Node("MatMul", {"x", "w"}, "y");
  EXPECT_THAT(std::string(StatusOf(onnx).message()), HasSubstr("tensor \"w\" has element type 14"));
}

TEST(OnnxHostile, GraphsThatContradictThemselves) {
  OnnxBuilder cyclic = Vector();
  cyclic.Node("Add", {"x", "b"}, "a");
  cyclic.Node("Relu", {"a"}, "b");
  cyclic.Node("Relu", {"b"}, "y");
  EXPECT_EQ(StatusOf(cyclic).code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(StatusOf(cyclic).message()),
              HasSubstr("reads \"b\", which nothing before it gives"));

  OnnxBuilder twice = Vector();
  twice.Node("Relu", {"x"}, "y");
  twice.Node("Tanh", {"x"}, "y");
  EXPECT_THAT(std::string(StatusOf(twice).message()), HasSubstr("\"y\" is given twice"));

  OnnxBuilder constant = Vector();
  constant.Floats("w", {4});
  constant.Node("Relu", {"w"}, "y");
  EXPECT_THAT(std::string(StatusOf(constant).message()),
              HasSubstr("has 0 inputs that its output depends on"));

  OnnxBuilder old(6);
  old.Input("x", {-1, 4});
  old.Node("Relu", {"x"}, "y");
  old.Output("y");
  EXPECT_THAT(std::string(StatusOf(old).message()), HasSubstr("opset 6, read are 7 to 25"));
}

TEST(OnnxHostile, SmallFilesThatWantMuch) {
  const int64_t huge = int64_t{1} << 36;
  OnnxBuilder filled = Vector();
  filled.Ints("shape", {huge});
  filled.Node("ConstantOfShape", {"shape"}, "zeros");
  filled.Node("Add", {"x", "zeros"}, "y");
  EXPECT_THAT(std::string(StatusOf(filled).message()), HasSubstr("far more than the file holds"));

  OnnxBuilder range = Vector();
  range.Int("from", 0);
  range.Int("to", huge);
  range.Int("step", 1);
  range.Node("Range", {"from", "to", "step"}, "many");
  SetInt(range.Node("Gather", {"x", "many"}, "y"), "axis", 1);
  EXPECT_THAT(std::string(StatusOf(range).message()), HasSubstr("far more than the file holds"));

  // Twice as large with every node.
  OnnxBuilder doubling = Vector();
  doubling.Floats("c0", {1 << 10});
  for (int i = 0; i < 40; ++i) {
    const std::string c = "c" + std::to_string(i);
    SetInt(doubling.Node("Concat", {c, c}, "c" + std::to_string(i + 1)), "axis", 0);
  }
  doubling.Node("Add", {"x", "c40"}, "y");
  EXPECT_THAT(std::string(StatusOf(doubling).message()), HasSubstr("far more than the file holds"));

  // One weight, a thousand layers.
  OnnxBuilder shared;
  shared.Input("x", {-1, 512});
  shared.Output("y");
  shared.Floats("w", {512, 512});
  for (int i = 0; i < 1000; ++i) {
    shared.Node("MatMul", {i == 0 ? "x" : "x" + std::to_string(i), "w"},
                i == 999 ? "y" : "x" + std::to_string(i + 1));
  }
  EXPECT_THAT(std::string(StatusOf(shared).message()), HasSubstr("far more than the file holds"));

  for (const std::vector<int64_t>& dims : {std::vector<int64_t>{-1, huge, huge, 3}, {-1, int64_t{1} << 50}}) {
    OnnxBuilder large;
    large.Input("x", dims);
    large.Node("Relu", {"x"}, "y");
    large.Output("y");
    EXPECT_THAT(std::string(StatusOf(large).message()), HasSubstr("too large"));
  }

  OnnxBuilder many = Vector();
  for (int i = 0; i < (1 << 14); ++i)
    many.Node("Relu", {i == 0 ? "x" : "r" + std::to_string(i - 1)}, "r" + std::to_string(i));
  many.Node("Relu", {"r16383"}, "y");
  EXPECT_THAT(std::string(StatusOf(many).message()), HasSubstr("16385 nodes, allowed are 16384"));
}

TEST(OnnxHostile, DeepNesting) {
  // Graphs in attributes of graphs, deeper than the parser goes.
  OnnxBuilder onnx = Vector();
  onnx::NodeProto* node = onnx.Node("If", {"x"}, "y");
  for (int i = 0; i < 2000; ++i) {
    onnx::GraphProto* inner = NewAttribute(node, "then_branch", onnx::AttributeProto::GRAPH)->mutable_g();
    node = inner->add_node();
    node->set_op_type("If");
  }
  EXPECT_EQ(StatusOf(onnx).code(), absl::StatusCode::kDataLoss);
}

TEST(OnnxHostile, AttributesOutOfRange) {
  const int64_t least = std::numeric_limits<int64_t>::min();
  const int64_t most = std::numeric_limits<int64_t>::max();
  for (const char* name : {"kernel_shape", "strides", "dilations", "pads"}) {
    for (const int64_t value : {least, int64_t{-1}, int64_t{0}, int64_t{1} << 21, most}) {
      if (value == 0 && std::string(name) == "pads") continue;
      OnnxBuilder onnx;
      onnx.Input("x", {-1, 2, 6, 6});
      onnx::NodeProto* pool = onnx.Node("MaxPool", {"x"}, "pool");
      const size_t entries = std::string(name) == "pads" ? 4 : 2;
      if (std::string(name) != "kernel_shape") SetInts(pool, "kernel_shape", {2, 2});
      SetInts(pool, name, std::vector<int64_t>(entries, value));
      onnx.Node("Flatten", {"pool"}, "y");
      onnx.Output("y");
      EXPECT_EQ(StatusOf(onnx).code(), absl::StatusCode::kInvalidArgument) << name << " " << value;
    }
  }
  for (const int64_t value : {least, most, int64_t{5}, int64_t{-5}}) {
    for (const char* op : {"Concat", "Softmax", "Flatten", "Split"}) {
      OnnxBuilder onnx = Vector();
      SetInt(onnx.Node(op,
                       std::string(op) == "Concat" ? std::vector<std::string>{"x", "x"}
                                                   : std::vector<std::string>{"x"},
                       "y1"),
             "axis", value);
      onnx.Node("Relu", {"y1"}, "y");
      EXPECT_EQ(StatusOf(onnx).code(), absl::StatusCode::kInvalidArgument) << op << " " << value;
    }
    OnnxBuilder reshaped = Vector();
    reshaped.Ints("shape", {-1, value});
    reshaped.Node("Reshape", {"x", "shape"}, "y");
    EXPECT_EQ(StatusOf(reshaped).code(), absl::StatusCode::kInvalidArgument) << value;
    OnnxBuilder sliced = Vector();
    sliced.Ints("at", {value});
    sliced.Ints("one", {1});
    sliced.Node("Slice", {"x", "at", "at", "one", "at"}, "y");
    EXPECT_EQ(StatusOf(sliced).code(), absl::StatusCode::kInvalidArgument) << value;
  }
}

class OnnxExternalData : public ::testing::Test {
 protected:
  // A weight {4, 4} at the location.
  absl::StatusOr<OnnxModel> ReadWith(const std::string& location, const std::string& offset = "8",
                                     const std::string& length = "64") {
    OnnxBuilder onnx = Vector();
    onnx::TensorProto* weight = onnx.Floats("w", {4, 4});
    weight->clear_raw_data();
    weight->set_data_location(onnx::TensorProto::EXTERNAL);
    for (const auto& [key, value] : {std::pair<std::string, std::string>("location", location),
                                     {"offset", offset},
                                     {"length", length}}) {
      onnx::StringStringEntryProto* entry = weight->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    onnx.Node("MatMul", {"x", "w"}, "y");
    std::ofstream(folder_ / "model.onnx", std::ios::binary) << onnx.Bytes();
    return ReadOnnxModel(folder_ / "model.onnx");
  }

  void SetUp() override {
    std::filesystem::create_directories(folder_ / "parts");
    std::vector<float> values(18);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) - 2;
    for (const auto& path :
         {folder_ / "w.bin", folder_ / "parts" / "w.bin", folder_.parent_path() / "outside.bin"}) {
      std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(values.data()), 72);
    }
    std::filesystem::create_symlink(folder_.parent_path() / "outside.bin", folder_ / "link.bin");
    std::filesystem::create_directory_symlink(folder_.parent_path(), folder_ / "up");
  }

  TempDir temp_;
  std::filesystem::path folder_ = std::filesystem::path(temp_.path()) / "model";
};

TEST_F(OnnxExternalData, IsReadFromTheModelsFolder) {
  for (const char* location : {"w.bin", "parts/w.bin"}) {
    const absl::StatusOr<OnnxModel> model = ReadWith(location);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->weights.tensors.at("y.weight").values[1], 4) << "turned: row 1 of the file";
  }
}

TEST_F(OnnxExternalData, StaysInTheModelsFolder) {
  const std::string outside = folder_.parent_path() / "outside.bin";
  for (const std::string& location :
       {std::string("../outside.bin"), outside, std::string("link.bin"), std::string("up/outside.bin"),
        std::string("parts/../w.bin"), std::string("./w.bin"), std::string("parts//w.bin"), std::string(""),
        std::string("w.bin/"), std::string("w.bin\0x", 7)}) {
    const absl::StatusOr<OnnxModel> model = ReadWith(location);
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << location << " " << model.status();
  }
}

TEST_F(OnnxExternalData, MustHoldWhatIsSaid) {
  EXPECT_EQ(ReadWith("none.bin").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadWith("parts").status().code(), absl::StatusCode::kDataLoss);
  for (const auto& [offset, length] :
       {std::pair("12", "64"), {"-1", "64"}, {"9223372036854775807", "64"}, {"0", "60"}, {"x", "64"}}) {
    EXPECT_EQ(ReadWith("w.bin", offset, length).status().code(), absl::StatusCode::kDataLoss)
        << offset << " " << length;
  }
}

}  // namespace
}  // namespace precis
