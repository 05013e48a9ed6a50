// The parts that running a server takes, one by one: log lines, addresses, the service manager, the doctor.
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/doctor.h"
#include "server/json_log.h"
#include "server/operation_options.h"
#include "server/service_notify.h"
#include "server/store/sqlite_store.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Level = Finding::Level;

std::string Logged(const std::string& message) {
  std::ostringstream out;
  spdlog::logger logger("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out));
  logger.set_formatter(MakeJsonFormatter());
  logger.warn("{}", message);
  return out.str();
}

TEST(JsonLog, EveryLineIsOneObjectWhateverIsLogged) {
  for (const std::string& message :
       {std::string("plain"), std::string("two\nlines\r\n"), std::string("\"quoted\" \\ \x01\x7f"),
        std::string("broken \xff\xc3 UTF-8"), std::string("nul\0inside", 10), std::string("snowman ☃")}) {
    const std::string line = Logged(message);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    const json object = json::parse(line);
    EXPECT_EQ(object.size(), 3u) << line;
    EXPECT_EQ(object["level"], "warning");
    EXPECT_THAT(object["time"], testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                                                      "\\.[0-9]{6}Z"));
  }
  EXPECT_EQ(json::parse(Logged("two\nlines"))["message"], "two\nlines");
}

TEST(JsonLog, KnowsTheJobAndTheCall) {
  EXPECT_EQ(json::parse(Logged("job 0123456789ab: started"))["job_id"], "0123456789ab");
  EXPECT_FALSE(json::parse(Logged("job 0123456789ab started")).contains("job_id"));
  EXPECT_FALSE(json::parse(Logged("job control: on")).contains("job_id"));
  ThreadLogContext() = {.request_id = "r1", .method = "a.B/C", .job_id = "cccccccccccc"};
  json object = json::parse(Logged("something"));
  EXPECT_EQ(object["request_id"], "r1");
  EXPECT_EQ(object["method"], "a.B/C");
  EXPECT_EQ(object["job_id"], "cccccccccccc");
  EXPECT_EQ(json::parse(Logged("job 0123456789ab: x"))["job_id"], "0123456789ab")
      << "what the line says wins";
  ThreadLogContext() = {};
  EXPECT_FALSE(json::parse(Logged("something")).contains("request_id"));
}

TEST(MetricsAddress, IsLoopbackUnlessTold) {
  OperationOptions options;
  EXPECT_FALSE(MetricsAddress(options)->has_value());
  for (const char* good : {"127.0.0.1:9470", "localhost:0", "[::1]:9470"}) {
    options.metrics_listen = good;
    EXPECT_TRUE(MetricsAddress(options).ok()) << good;
  }
  for (const char* bad :
       {"9470", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "[::1:9470", "example:9470"}) {
    options.metrics_listen = bad;
    const absl::Status status = MetricsAddress(options).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string("--metrics-listen ") + bad));
  }
  options.metrics_listen = "0.0.0.0:9470";
  EXPECT_THAT(std::string(MetricsAddress(options).status().message()), HasSubstr("--metrics-anywhere"));
  options.metrics_anywhere = true;
  EXPECT_EQ((*MetricsAddress(options))->Text(), "0.0.0.0:9470");
}

TEST(ServiceNotify, SendsOneDatagramWhereItIsAskedTo) {
  TempDir dir;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = dir.path() + "/s";
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(bind(socket_fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  setenv("NOTIFY_SOCKET", path.c_str(), 1);
  NotifyServiceManager("READY=1");
  char text[32] = {};
  EXPECT_EQ(recv(socket_fd, text, sizeof text, MSG_DONTWAIT), 7);
  EXPECT_STREQ(text, "READY=1");
  unsetenv("NOTIFY_SOCKET");
  NotifyServiceManager("STOPPING=1");
  EXPECT_LT(recv(socket_fd, text, sizeof text, MSG_DONTWAIT), 0);
  setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
  NotifyServiceManager("READY=1");  // only a line in the log
  unsetenv("NOTIFY_SOCKET");
  close(socket_fd);
}

Finding Check(const std::string& data_dir, const std::string& check,
              const std::string& worker = "/bin/true") {
  for (const Finding& finding : Examine({.data_dir = data_dir, .worker = worker})) {
    if (finding.check == check) {
      EXPECT_EQ(finding.next.empty(), finding.level == Level::kOk) << finding.message;
      return finding;
    }
  }
  ADD_FAILURE() << "no check " << check;
  return {};
}

TEST(Doctor, PassesAFolderInGoodOrder) {
  TempDir dir;
  { ASSERT_TRUE(SqliteStore::Open(dir.path()).ok()); }
  for (const char* check : {"data_dir", "server", "sqlite", "store", "worker"}) {
    EXPECT_EQ(Check(dir.path(), check).level, Level::kOk) << check << Check(dir.path(), check).message;
  }
}

TEST(Doctor, SaysWhatIsWrong) {
  TempDir dir;
  const std::string file = dir.path() + "/precis.db";
  std::ofstream(file) << "this is no database, and it is long enough to be looked at as if it were one";
  EXPECT_EQ(Check(dir.path(), "store").level, Level::kFail);
  EXPECT_THAT(Check(dir.path(), "store").next, HasSubstr("backup"));
  EXPECT_EQ(Check(file, "data_dir").level, Level::kFail);
  EXPECT_EQ(Check(dir.path() + "/not/yet", "data_dir").level, Level::kWarn);
  EXPECT_EQ(Check(dir.path() + "/not/yet", "store").level, Level::kOk);
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/not")) << "looking makes nothing";
  EXPECT_EQ(Check(dir.path(), "worker", "/nowhere/worker").level, Level::kFail);
}

TEST(Doctor, PrintsTheSameForPeopleAndPrograms) {
  const std::vector<Finding> findings = {{"disk", Level::kOk, "83 GB free", ""},
                                         {"store", Level::kFail, "damaged \"here\"", "restore it"}};
  EXPECT_EQ(FindingsText(findings),
            "OK    disk        83 GB free\n"
            "FAIL  store       damaged \"here\"\n"
            "        → restore it\n");
  const json document = json::parse(FindingsJson(findings));
  EXPECT_EQ(document["ok"], false);
  EXPECT_EQ(document["checks"][1]["level"], "fail");
  EXPECT_EQ(document["checks"][1]["message"], "damaged \"here\"");
  EXPECT_EQ(document["checks"][1]["next"], "restore it");
}

}  // namespace
}  // namespace precis::server
