// Weight files: round trip, bytes, and everything that must be refused.
#include "supernet/graph/weight_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace precis {
namespace {

using ::testing::HasSubstr;

class WeightFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = testing::TempDir() + "precis_weights_XXXXXX";
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    path_ = folder + "/weights.safetensors";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Bytes() const {
    std::ifstream file(path_, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void SetBytes(const std::string& bytes) const {
    std::filesystem::remove(path_);  // a new file; some file systems flush one that is cut and written again
    std::ofstream(path_, std::ios::binary) << bytes;
  }

  // A file of this header and this many zero bytes of data.
  void SetHeader(const std::string& header, size_t data_bytes) const {
    const uint64_t length = header.size();
    std::string bytes(sizeof(length), '\0');
    std::memcpy(bytes.data(), &length, sizeof(length));
    SetBytes(bytes + header + std::string(data_bytes, '\0'));
  }

  void ExpectDataLoss(const std::string& reason) const {
    const absl::Status status = ReadWeightFile(path_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(reason));
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_));
  }

  std::filesystem::path folder_;
  std::string path_;
};

WeightFile Sample() {
  WeightFile file;
  file.metadata = {{"model", "resnet8"}, {"note", "quotes \" and ü"}};
  file.tensors["stem.conv.weight"] = {{2, 1, 1, 2}, {1.5f, -0.0f, HUGE_VALF, 1e-42f}};
  file.tensors["classifier.bias"] = {{3}, {1, 2, 3}};
  file.tensors["scalar"] = {{}, {7}};
  file.tensors["nothing"] = {{0, 5}, {}};
  return file;
}

TEST_F(WeightFileTest, ReadsWhatItWrote) {
  const WeightFile file = Sample();
  ASSERT_TRUE(WriteWeightFile(file, path_).ok());
  const absl::StatusOr<WeightFile> read = ReadWeightFile(path_);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata, file.metadata);
  ASSERT_EQ(read->tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    ASSERT_TRUE(read->tensors.contains(name));
    const WeightTensor& other = read->tensors.at(name);
    EXPECT_EQ(other.shape, tensor.shape);
    ASSERT_EQ(other.values.size(), tensor.values.size());
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      EXPECT_EQ(std::bit_cast<uint32_t>(other.values[i]), std::bit_cast<uint32_t>(tensor.values[i]));
    }
  }
}

TEST_F(WeightFileTest, KeepsNan) {
  WeightFile file;
  file.tensors["x"] = {{1}, {NAN}};
  ASSERT_TRUE(WriteWeightFile(file, path_).ok());
  EXPECT_TRUE(std::isnan(ReadWeightFile(path_)->tensors.at("x").values[0]));
}

TEST_F(WeightFileTest, AnEmptyFileIsAFile) {
  ASSERT_TRUE(WriteWeightFile({}, path_).ok());
  EXPECT_EQ(Bytes(), std::string("\x08\0\0\0\0\0\0\0{}      ", 16));
  EXPECT_TRUE(ReadWeightFile(path_).value().tensors.empty());
}

TEST_F(WeightFileTest, HasTheBytesOfTheSpecification) {
  WeightFile file;
  file.tensors["a"] = {{2}, {1.0f, 2.0f}};
  ASSERT_TRUE(WriteWeightFile(file, path_).ok());
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  )";
  EXPECT_EQ(header.size() % 8, 0u);
  std::string expected(8, '\0');
  expected[0] = static_cast<char>(header.size());
  expected += header + std::string("\0\0\x80\x3F\0\0\0\x40", 8);
  EXPECT_EQ(Bytes(), expected);
}

TEST_F(WeightFileTest, EqualInputGivesEqualBytesAndNothingElseStays) {
  ASSERT_TRUE(WriteWeightFile(Sample(), path_).ok());
  const std::string first = Bytes();
  ASSERT_TRUE(WriteWeightFile(Sample(), path_).ok());
  EXPECT_EQ(Bytes(), first);
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    ++files;
    EXPECT_EQ(entry.path(), path_);
  }
  EXPECT_EQ(files, 1u);
}

TEST_F(WeightFileTest, AFailedWriteNamesThePathAndLeavesTheOldFile) {
  const absl::Status status = WriteWeightFile(Sample(), (folder_ / "missing" / "w").string());
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("missing/w\": No such file"));
  std::filesystem::create_directory(path_);
  EXPECT_EQ(WriteWeightFile(Sample(), path_).code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(std::filesystem::is_directory(path_));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(WeightFileTest, AMissingFileIsNotFound) {
  EXPECT_EQ(ReadWeightFile(path_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(WeightFileTest, WhatIsNoRegularFileIsRefusedAtOnce) {
  std::filesystem::create_directory(path_);
  ExpectDataLoss("not a regular file");
  std::filesystem::remove(path_);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  ExpectDataLoss("not a regular file");
}

TEST_F(WeightFileTest, EveryTruncationIsRefused) {
  ASSERT_TRUE(WriteWeightFile(Sample(), path_).ok());
  const std::string whole = Bytes();
  for (size_t size = 0; size < whole.size(); ++size) {
    SetBytes(whole.substr(0, size));
    EXPECT_EQ(ReadWeightFile(path_).status().code(), absl::StatusCode::kDataLoss) << size;
  }
  SetBytes(whole + "x");
  ExpectDataLoss("no tensor owns the bytes from 32");
}

TEST_F(WeightFileTest, HugeHeadersAreRefusedBeforeTheyAreRead) {
  SetBytes(std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF{}", 10));
  ExpectDataLoss("its header claims 18446744073709551615 bytes");
  SetBytes(std::string("\x03\0\0\0\0\0\0\0{}", 10));
  ExpectDataLoss("only 2 follow");
}

TEST_F(WeightFileTest, HeadersThatAreNoJsonObjectAreRefused) {
  for (const char* header : {"", "{", "[]", "7", "null", "{\"a\":}", "{} {}", "\xFF", "{\"\xFF\":{}}"}) {
    SetHeader(header, 0);
    ExpectDataLoss("header is not a JSON object");
  }
  SetHeader(std::string(1 << 20, '['), 0);
  ExpectDataLoss("nested too deeply");
  SetHeader(R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4);
  ExpectDataLoss("nested too deeply");
}

TEST_F(WeightFileTest, MalformedEntriesAreRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"a":7})", "tensor \"a\" is not described by an object"},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", "tensor \"a\" has no dtype"},
      {R"({"a":{"dtype":1,"shape":[1],"data_offsets":[0,4]}})", "tensor \"a\" has no dtype"},
      {R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", "dtype F16, only F32"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", "no shape of whole numbers"},
      {R"({"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}})", "no shape of whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", "no shape of whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", "no shape of whole numbers"},
      {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", "no shape of whole numbers"},
      {R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4]}})", "no shape of whole"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", "no data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", "no data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", "no data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,-4]}})", "no data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", "claims bytes 4 to 0 of 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "claims bytes 4 to 8 of 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775807]}})", "claims bytes 0 to 9"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", "does not fill its 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,3]}})", "does not fill its 3 bytes"},
      {R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}})", "does not fill"},
      {R"({"a":{"dtype":"F32","shape":[9223372036854775807],"data_offsets":[0,4]}})", "does not fill"},
      {R"({})", "no tensor owns the bytes from 0"},
      {R"({"__metadata__":[],"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "is not an object"},
      {R"({"__metadata__":{"k":1},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       "\"k\" is not a string"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
       "the name \"a\" appears twice"},
  };
  for (const auto& [header, reason] : cases) {
    SCOPED_TRACE(header);
    SetHeader(header, 4);
    ExpectDataLoss(reason);
  }
}

TEST_F(WeightFileTest, TensorsMustTileTheData) {
  SetHeader(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},
                "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
            12);
  ExpectDataLoss("tensor \"b\" overlaps another");
  SetHeader(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                "b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})",
            4);
  ExpectDataLoss("overlaps another");
  SetHeader(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                "b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
            12);
  ExpectDataLoss("no tensor owns the bytes from 4");
  // Any order and empty tensors anywhere are fine.
  SetHeader(R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},
                "a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
                "e":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}})",
            8);
  EXPECT_TRUE(ReadWeightFile(path_).ok()) << ReadWeightFile(path_).status();
}

// Any damage is an answer, never a crash; and what still reads has sizes that fit the file.
TEST_F(WeightFileTest, DamagedFilesAreAnsweredNotCrashedOn) {
  ASSERT_TRUE(WriteWeightFile(Sample(), path_).ok());
  const std::string whole = Bytes();
  std::mt19937 random(5);
  const std::string alphabet = "{}[]\",:0123456789-+.eE \\\0\xFF";
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = whole;
    for (unsigned change = 0; change <= random() % 4; ++change) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes[at] = alphabet[random() % alphabet.size()];
          break;
        case 2:
          bytes.erase(at, 1 + random() % 3);
          break;
        default:
          bytes.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    SetBytes(bytes);
    const absl::StatusOr<WeightFile> read = ReadWeightFile(path_);
    if (!read.ok()) {
      EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss) << read.status();
      continue;
    }
    size_t values = 0;
    for (const auto& [name, tensor] : read->tensors) values += tensor.values.size();
    EXPECT_LE(values * sizeof(float), bytes.size());
  }
}

TEST_F(WeightFileTest, TextThatIsNoUtf8IsWrittenReadably) {
  WeightFile file;
  file.metadata["note"] = "bad \xFF byte";
  ASSERT_TRUE(WriteWeightFile(file, path_).ok());
  EXPECT_EQ(ReadWeightFile(path_).value().metadata.at("note"), "bad \xEF\xBF\xBD byte");
}

TEST(WeightFileDeathTest, RefusesATensorThatContradictsItself) {
  WeightFile file;
  file.tensors["x"] = {{2}, {1}};
  EXPECT_DEATH(WriteWeightFile(file, "unused").IgnoreError(), "broken invariant");
  WeightFile reserved;
  reserved.tensors["__metadata__"] = {{}, {1}};
  EXPECT_DEATH(WriteWeightFile(reserved, "unused").IgnoreError(), "broken invariant");
}

}  // namespace
}  // namespace precis
