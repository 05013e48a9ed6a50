// Files are whole or absent.
#include "client/file_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/fakes/temp_dir.h"

namespace precis::client {
namespace {

std::string ReadBack(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

TEST(WriteWholeFile, WritesReplacesAndLeavesNothingElse) {
  const TempDir dir;
  const std::string path = dir.path() + "/out.json";
  ASSERT_TRUE(WriteWholeFile(path, "first").ok());
  ASSERT_TRUE(WriteWholeFile(path, "second").ok());
  EXPECT_EQ(ReadBack(path), "second");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(WriteWholeFile, NamesWhatCannotBeWritten) {
  const TempDir dir;
  const absl::Status missing = WriteWholeFile(dir.path() + "/no/such/out.json", "x");
  EXPECT_THAT(std::string(missing.message()), ::testing::HasSubstr("/no/such/out.json: No such file"));
  const absl::Status folder = WriteWholeFile(dir.path(), "x");
  EXPECT_FALSE(folder.ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 0);
}

TEST(WriteWholeFile, WritesToADeviceAsItIs) {
  EXPECT_TRUE(WriteWholeFile("/dev/null", "x").ok());
  EXPECT_FALSE(WriteWholeFile("/dev/full", "x").ok());
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

}  // namespace
}  // namespace precis::client
