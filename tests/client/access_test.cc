// How a client comes in: which of options and variables win, and what would give a token away.
#include "client/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "tests/fakes/temp_dir.h"

namespace precis::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class AccessTest : public testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& text) {
    const std::string path = dir_.path() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  absl::StatusOr<Access> Read(const AccessOptions& options, const std::string& address = "127.0.0.1:7070") {
    Environment environment;
    environment.variable = [this](const std::string& name) {
      const auto found = variables_.find(name);
      return found == variables_.end() ? std::nullopt : std::optional(found->second);
    };
    return ReadAccess(options, address, environment);
  }

  TempDir dir_;
  std::map<std::string, std::string> variables_;
};

TEST_F(AccessTest, TheOptionWinsOverTheTokenAndTheTokenOverItsFile) {
  EXPECT_EQ(Read({})->token, "");
  EXPECT_FALSE(Read({})->encrypted());
  variables_["PRECIS_TOKEN_FILE"] = File("b", "from_file\n");
  EXPECT_EQ(Read({})->token, "from_file");
  variables_["PRECIS_TOKEN"] = "from_variable";
  EXPECT_EQ(Read({})->token, "from_variable");
  AccessOptions options;
  options.token_file = File("a", " from_option \n");
  EXPECT_EQ(Read(options)->token, "from_option");
}

TEST_F(AccessTest, ATokenCrossesNoNetworkInPlain) {
  variables_["PRECIS_TOKEN"] = "t";
  AccessOptions encrypted;
  encrypted.tls_ca = File("ca", "x");
  for (const char* here : {"127.0.0.1:7070", "127.8.8.8:1", "localhost:7070", "[::1]:7070"})
    EXPECT_TRUE(Read({}, here).ok()) << here;
  for (const char* there :
       {"10.0.0.1:7070", "my.host:7070", "127.example.org:7070", "127.0.0.1.example.org:7070",
        "localhost.example.org:7070", "[::1].example.org:7070", "[::2]:7070"}) {
    EXPECT_THAT(std::string(Read({}, there).status().message()),
                AllOf(HasSubstr(there), HasSubstr("--tls-ca")))
        << there;
    EXPECT_TRUE(Read(encrypted, there).ok()) << there;
  }
}

TEST_F(AccessTest, SaysAllFaultsAtOnce) {
  variables_["PRECIS_TOKEN"] = "two words";
  AccessOptions options;
  options.tls_ca = File("empty", "");
  options.tls_cert = dir_.path() + "/none";
  const absl::Status status = Read(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("--tls-ca " + dir_.path() + "/empty"), HasSubstr("--tls-cert " + dir_.path() + "/none"),
            HasSubstr("--tls-key"), HasSubstr("the token is no token")));
  EXPECT_THAT(std::string(status.message()), testing::Not(HasSubstr("two words")));
}

}  // namespace
}  // namespace precis::client
