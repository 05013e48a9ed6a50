// The parts of the doors: the access table against what is served, tokens, what is kept of the audit, data
// roots, options.
#include <google/protobuf/descriptor.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "precis/v1/admin_service.pb.h"
#include "precis/v1/search_service.pb.h"
#include "precis/v1/worker_service.pb.h"
#include "server/access.h"
#include "server/audit_interceptor.h"
#include "server/audit_log.h"
#include "server/digest.h"
#include "server/door_options.h"
#include "server/token_book.h"
#include "tests/fakes/memory_credential_store.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(AccessTable, HasEveryMethodOfOurProtosAndNoOther) {
  std::set<std::string> served = {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
                                  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};
  for (const google::protobuf::FileDescriptor* file :
       {v1::CreateTokenRequest::descriptor()->file(), v1::SubmitJobRequest::descriptor()->file(),
        v1::StartWorkRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        served.insert(
            absl::StrCat("/", file->service(s)->full_name(), "/", file->service(s)->method(m)->name()));
      }
    }
  }
  EXPECT_GE(served.size(), 27u);
  std::set<std::string> known;
  for (const auto& [method, access] : AccessTable()) {
    known.insert(method);
    EXPECT_NE(access, Access::kDenied) << method;
    EXPECT_EQ(access == Access::kOpen, absl::StartsWith(method, "/grpc.health.")) << method;
    EXPECT_EQ(access == Access::kWorker, absl::StrContains(method, ".WorkerService/")) << method;
    EXPECT_EQ(access == Access::kAdmin, absl::StrContains(method, ".AdminService/")) << method;
    if (access == Access::kSubmit || access == Access::kRead) {
      // What reads the server's files is for those who may submit, though it changes nothing.
      const bool changes = access == Access::kSubmit && !absl::EndsWith(method, "/InspectModel");
      EXPECT_EQ(IsAudited(method), changes) << method;
    }
  }
  EXPECT_EQ(known, served);
  EXPECT_EQ(AccessOf("/precis.v1.SearchService/Nonsense"), Access::kDenied);
  EXPECT_EQ(AccessOf(""), Access::kDenied);
}

TEST(AccessTable, RolesRise) {
  EXPECT_TRUE(Allows(Role::kRead, Access::kRead));
  EXPECT_FALSE(Allows(Role::kRead, Access::kSubmit));
  EXPECT_TRUE(Allows(Role::kSubmit, Access::kRead));
  EXPECT_TRUE(Allows(Role::kSubmit, Access::kSubmit));
  EXPECT_FALSE(Allows(Role::kSubmit, Access::kAdmin));
  EXPECT_TRUE(Allows(Role::kAdmin, Access::kAdmin));
  for (const Role role : {Role::kRead, Role::kSubmit, Role::kAdmin}) {
    EXPECT_FALSE(Allows(role, Access::kWorker));
    EXPECT_FALSE(Allows(role, Access::kDenied));
  }
}

TEST(TokenBook, KnowsItsOwnUntilTheyEnd) {
  MemoryCredentialStore store;
  TokenBook book(&store);
  ASSERT_TRUE(book.Load().ok());
  const absl::StatusOr<NewToken> made = book.Create("ci", Role::kSubmit, 1000, 1);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->secret.size(), 7u + 64u);
  EXPECT_EQ(store.ListTokens()->at(0).hash, Sha256Hex(made->secret));
  const std::string bearer = absl::StrCat("Bearer ", made->secret);
  EXPECT_EQ(book.Authenticate(bearer, 10)->name, "ci");
  EXPECT_EQ(book.Authenticate(absl::StrCat("bearer ", made->secret), 11)->role, Role::kSubmit);
  EXPECT_EQ(book.List().at(0).last_used_us, 11);
  EXPECT_EQ(store.ListTokens()->at(0).last_used_us, 0);
  ASSERT_TRUE(book.WriteLastUses().ok());
  EXPECT_EQ(store.ListTokens()->at(0).last_used_us, 11);

  std::string name;
  const absl::Status expired = book.Authenticate(bearer, 1000, &name).status();
  EXPECT_EQ(expired.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(expired.message()), AllOf(HasSubstr("ci expired"), Not(HasSubstr(made->secret))));
  EXPECT_EQ(name, "ci");
  for (const std::string& wrong :
       {std::string(), made->secret, "Basic " + made->secret, bearer + "0",
        bearer.substr(0, bearer.size() - 1), "Bearer " + Sha256Hex(made->secret)}) {
    const absl::Status status = book.Authenticate(wrong, 10, &name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << wrong;
    EXPECT_EQ(name, kAnonymous);
  }
  ASSERT_TRUE(book.Revoke("ci", 20).ok());
  EXPECT_THAT(std::string(book.Authenticate(bearer, 21).status().message()), HasSubstr("ci was revoked"));
  EXPECT_EQ(book.Revoke("nobody", 20).status().code(), absl::StatusCode::kNotFound);

  TokenBook after_restart(&store);
  ASSERT_TRUE(after_restart.Load().ok());
  EXPECT_FALSE(after_restart.Authenticate(bearer, 21).ok());
}

TEST(TokenBook, NamesAreChecked) {
  for (const char* good : {"a", "ci", "A.b_c-9"}) EXPECT_TRUE(CheckTokenName(good).ok()) << good;
  for (const std::string bad : {"", "anonymous", "-a", "a b", "a/b", "\xc3\xa9"})
    EXPECT_FALSE(CheckTokenName(bad).ok());
  EXPECT_FALSE(CheckTokenName(std::string(61, 'a')).ok());
}

TEST(TokenBook, TheFirstAdminIsMadeOnceAndAgainWhenNoneIsLeft) {
  TempDir dir;
  MemoryCredentialStore store;
  TokenBook book(&store);
  const std::string path = *EnsureAdmin(book, dir.path(), 5);
  EXPECT_EQ(path, dir.path() + "/admin.token");
  struct stat status;
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  std::string secret;
  std::getline(std::ifstream(path), secret);
  EXPECT_EQ(book.Authenticate("Bearer " + secret, 6)->role, Role::kAdmin);
  EXPECT_EQ(*EnsureAdmin(book, dir.path(), 7), "");
  ASSERT_TRUE(book.Revoke("admin", 8).ok());
  EXPECT_EQ(*EnsureAdmin(book, dir.path(), 9), path);
  EXPECT_FALSE(book.Authenticate("Bearer " + secret, 10).ok());
  std::getline(std::ifstream(path), secret);
  EXPECT_EQ(book.Authenticate("Bearer " + secret, 11)->name, "admin-2");

  MemoryCredentialStore empty;
  TokenBook other(&empty);
  EXPECT_EQ(EnsureAdmin(other, dir.path() + "/none", 5).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(other.List().empty());
}

TEST(AuditLog, AFloodOfRefusedCallsIsCountedAndHidesNothing) {
  MemoryCredentialStore store;
  TokenBook book(&store);
  AuditLog audit(&store, &book, 10);
  audit.Done({.principal = "ci", .resource = "jobs/1"});
  for (int i = 0; i < 5000; ++i) audit.Refused({.principal = "anonymous", .code = 16});
  const std::vector<AuditRecord> records = *audit.List(1000);
  EXPECT_LE(records.size(), 11u);
  EXPECT_EQ(records.back().resource, "jobs/1");
  for (const AuditRecord& record : records) EXPECT_EQ(record.refused, record.resource.empty());
}

TEST(DataRoots, KeepPathsIn) {
  namespace fs = std::filesystem;
  TempDir dir;
  const std::string root = dir.path() + "/root";
  const std::string outside = dir.path() + "/rootless";  // begins as the root does
  for (const std::string& folder : {root + "/set/train/a", outside + "/train"})
    fs::create_directories(folder);
  const DataRoots roots = *DataRoots::Only({root});
  for (const std::string& path : {root, root + "/"}) EXPECT_TRUE(roots.Check(path).ok()) << path;
  fs::create_symlink(outside, root + "/out");
  fs::create_symlink(root + "/set", root + "/in");
  fs::create_symlink(root, dir.path() + "/alias");
  std::ofstream(outside + "/secret") << "x";

  for (const std::string& path : {root + "/set", root + "//set/.", root + "/in", root + "/none"})
    EXPECT_TRUE(roots.Check(path).ok()) << path << roots.Check(path);
  for (const std::string& path : {outside, root + "/out", root + "/set/../set", std::string("/"),
                                  std::string("/etc"), dir.path() + "/alias/set", outside + "/none"}) {
    const absl::Status status = roots.Check(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << path;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path), HasSubstr("--data-root")));
  }
  EXPECT_TRUE(DataRoots::Only({dir.path() + "/alias"})->Check(dir.path() + "/alias/set").ok());

  fs::create_symlink(outside + "/secret", root + "/set/train/a/x.png");
  EXPECT_EQ(roots.Check(root + "/set").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(DataRoots().Check("/etc").ok());

  search::JobSpec spec;
  EXPECT_TRUE(RefusedPaths(spec, *DataRoots::Only({})).empty());
  spec.data.path = outside;
  const search::Violations refused = RefusedPaths(spec, roots);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].field, "data.path");
  EXPECT_FALSE(DataRoots::Only({})->Check(root).ok());
  EXPECT_THAT(std::string(DataRoots::Only({root, "/none/1", "/none/2"}).status().message()),
              AllOf(HasSubstr("/none/1"), HasSubstr("/none/2")));
}

TEST(DoorOptions, WithoutRootsOnlyLoopbackMayNamePaths) {
  EXPECT_FALSE(DataRootsOf({"127.0.0.1", 0}, {})->restricted());
  EXPECT_TRUE(DataRootsOf({"0.0.0.0", 0}, {})->restricted());
  EXPECT_TRUE(CheckDoors({"127.0.0.1", 0}, {}).ok());
  EXPECT_EQ(CheckDoors({"10.0.0.1", 0}, {}).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace precis::server
