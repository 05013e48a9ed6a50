// Commands in-process: exit codes, streams, naming jobs, listings.
#include <gmock/gmock.h>
#include <grpcpp/health_check_service_interface.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/time/clock.h"
#include "client/exit_codes.h"
#include "tests/client/fake_search_service.h"

namespace precis::client {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST_F(CommandTest, BadCommandLinesExitWithOne) {
  const std::vector<std::vector<std::string>> bad = {{},
                                                     {"sbmit", "x"},
                                                     {"get"},
                                                     {"get", "a", "b"},
                                                     {"list", "-o", "xml"},
                                                     {"list", "--limit", "-3"},
                                                     {"list", "--state", "runing"},
                                                     {"list", "--nonsense"},
                                                     {"submit"},
                                                     {"submit", "x.yaml", "--watch", "--dry-run"},
                                                     {"export", "abc", "--candidate", "1", "--max-cost", "2"},
                                                     {"--timeout", "0", "list"},
                                                     {"watch", "abc", "--after", "x"},
                                                     {"help", "sbmit"},
                                                     {""}};
  for (const auto& arguments : bad) {
    const Ran ran = Precis(arguments);
    EXPECT_EQ(ran.code, kExitUsage) << ::testing::PrintToString(arguments);
    EXPECT_THAT(ran.out, IsEmpty()) << ::testing::PrintToString(arguments);
    EXPECT_FALSE(ran.err.empty()) << ::testing::PrintToString(arguments);
  }
}

TEST_F(CommandTest, GuessesWhatWasMeant) {
  EXPECT_THAT(Precis({"sbmit", "x"}).err, HasSubstr("Did you mean \"submit\"?"));
  EXPECT_THAT(Precis({"--server", "x:1", "canidates"}).err, HasSubstr("Did you mean \"candidates\"?"));
  EXPECT_THAT(Precis({"help", "exit-code"}).err, HasSubstr("Did you mean \"exit-codes\"?"));
  EXPECT_THAT(Precis({"list", "--state", "runing"}).err, HasSubstr("Did you mean \"running\"?"));
}

TEST_F(CommandTest, HelpGoesToStandardOutput) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"submit", "--help"},
                                                    {"help"},
                                                    {"help", "submit"},
                                                    {"help", "exit-codes"},
                                                    {"help", "environment"},
                                                    {"help", "job-file"},
                                                    {"help", "json"},
                                                    {"--version"}}) {
    const Ran ran = Precis(arguments);
    EXPECT_EQ(ran.code, kExitOk) << ::testing::PrintToString(arguments);
    EXPECT_FALSE(ran.out.empty()) << ::testing::PrintToString(arguments);
    EXPECT_THAT(ran.err, IsEmpty()) << ::testing::PrintToString(arguments);
  }
}

TEST_F(CommandTest, DoctorSaysWhatToDo) {
  Ran ran = Precis({"doctor"});  // this server has no health service
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.out, StartsWith("OK    server      127.0.0.1:"));
  EXPECT_THAT(ran.out, HasSubstr("WARN  version     precis " PRECIS_VERSION ", precisd 9.9.9\n        → "));
  EXPECT_THAT(ran.out, HasSubstr("WARN  clock       the server does not tell its time\n        → "));
  EXPECT_THAT(ran.out, HasSubstr("FAIL  health      the server: "));
  Stop();
  grpc::EnableDefaultHealthCheckService(true);
  Start(0);
  grpc::EnableDefaultHealthCheckService(false);
  service_.server_time = absl::Now() - absl::Hours(1);
  ran = Precis({"doctor", "-o", "json"});
  EXPECT_EQ(ran.code, kExitOk) << ran.out;
  const json document = json::parse(ran.out);
  EXPECT_EQ(document["ok"], true);
  EXPECT_THAT(document["checks"][2]["message"], StartsWith("the server's is 360"));
  EXPECT_THAT(document["checks"][2]["message"], testing::EndsWith(" s behind"));
  EXPECT_EQ(document["checks"][2]["level"], "warn");
  EXPECT_EQ(document["checks"][3],
            json({{"check", "health"}, {"level", "ok"}, {"message", "the server is serving"}, {"next", ""}}));
  server_->GetHealthCheckService()->SetServingStatus(false);
  ran = Precis({"doctor"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.out,
              HasSubstr("FAIL  health      the server is not serving\n        → the server is shutting"));
}

TEST_F(CommandTest, HelpNamesEveryCommand) {
  const std::string help = Precis({"--help"}).out;
  for (const char* command :
       {"submit", "validate", "get", "list", "watch", "cancel", "delete", "candidates", "pareto", "export",
        "formats", "format", "quantize", "costs", "models", "version", "doctor"})
    EXPECT_THAT(help, HasSubstr(std::string("\n  ") + command + " "));
}

TEST_F(CommandTest, AnyRpcErrorExitsWithSixtyFourPlusItsCode) {
  for (int code = 1; code <= 16; ++code) {
    service_.refuse = grpc::Status(static_cast<grpc::StatusCode>(code), "because");
    const Ran ran = Precis({"list"});
    EXPECT_EQ(ran.code, kExitRpc + code);
    EXPECT_THAT(ran.out, IsEmpty());
    EXPECT_THAT(ran.err, StartsWith("precis: "));
  }
}

TEST_F(CommandTest, AMissingServerSaysHowToStartOne) {
  Stop();
  const Ran ran = Precis({"list"});
  EXPECT_EQ(ran.code, kExitRpc + grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(ran.err, HasSubstr("127.0.0.1:" + std::to_string(port_)));
  EXPECT_THAT(ran.err, HasSubstr("precisd --data-dir DIR --listen"));
  EXPECT_THAT(ran.err, HasSubstr("PRECIS_SERVER"));
}

TEST_F(CommandTest, TheFlagWinsOverTheVariable) {
  const Ran ran = Precis({"list", "--server", "127.0.0.1:1"});
  EXPECT_EQ(ran.code, kExitRpc + grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(ran.err, HasSubstr("127.0.0.1:1 "));
}

TEST_F(CommandTest, NamesJobsInEveryWay) {
  service_.jobs.push_back(SampleJob());
  service_.jobs.back().set_name("jobs/abcdef");
  service_.jobs.push_back(SampleJob());
  service_.jobs.back().set_name("jobs/xyz1");
  for (const auto& [reference, name] :
       std::vector<std::pair<std::string, std::string>>{{"jobs/abc", "jobs/abc"},
                                                        {"abc", "jobs/abc"},
                                                        {"abcd", "jobs/abcdef"},
                                                        {"x", "jobs/xyz1"},
                                                        {"jobs/xy", "jobs/xyz1"},
                                                        {"latest", "jobs/abc"}}) {
    const Ran ran = Precis({"get", reference, "-o", "json"});
    ASSERT_EQ(ran.code, kExitOk) << reference << ran.err;
    EXPECT_EQ(json::parse(ran.out)["name"], name) << reference;
  }
  const Ran ambiguous = Precis({"get", "a"});
  EXPECT_EQ(ambiguous.code, kExitUsage);
  EXPECT_THAT(ambiguous.err, HasSubstr("the beginning of 2 jobs: abc, abcdef"));
  const Ran unknown = Precis({"get", "nope"});
  EXPECT_EQ(unknown.code, kExitRpc + grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(unknown.err, HasSubstr("there is no job \"nope\""));
  for (const char* bad : {"", "jobs/", "jobs/abc/candidates/1", "a\nb"})
    EXPECT_EQ(Precis({"get", bad}).code, kExitUsage) << bad;
}

TEST_F(CommandTest, LatestOfNoneIsSaid) {
  service_.jobs.clear();
  const Ran ran = Precis({"get", "latest"});
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("there is no job yet"));
}

TEST_F(CommandTest, ListsGoThroughAllPages) {
  for (int i = 0; i < 4; ++i) service_.jobs.push_back(SampleJob());
  EXPECT_EQ(json::parse(Precis({"list", "-o", "json"}).out).size(), 5u);
  EXPECT_EQ(json::parse(Precis({"list", "-o", "json", "--limit", "3"}).out).size(), 3u);
  EXPECT_EQ(json::parse(Precis({"list", "-o", "json", "--state", "failed"}).out).dump(), "[]");
  EXPECT_EQ(json::parse(Precis({"candidates", "abc", "-o", "json"}).out).size(), 5u);
  EXPECT_EQ(json::parse(Precis({"candidates", "abc", "-o", "json", "--limit", "1"}).out).size(), 1u);
}

TEST_F(CommandTest, EmptyListsAreStillDocuments) {
  service_.jobs.clear();
  EXPECT_EQ(Precis({"list", "-o", "json"}).out, "[]\n");
  const Ran table = Precis({"list"});
  EXPECT_EQ(table.code, kExitOk);
  EXPECT_THAT(table.out, StartsWith("JOB"));
  EXPECT_THAT(table.err, HasSubstr("No job."));
}

TEST_F(CommandTest, EveryJsonOutputIsOneDocumentAndQuiet) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"get", "abc"},
                                                    {"list"},
                                                    {"candidates", "abc"},
                                                    {"pareto", "abc"},
                                                    {"formats"},
                                                    {"costs"},
                                                    {"models"},
                                                    {"version"}}) {
    std::vector<std::string> with_json = arguments;
    with_json.insert(with_json.end(), {"-o", "json"});
    const Ran ran = Precis(with_json);
    EXPECT_EQ(ran.code, kExitOk) << arguments[0] << ran.err;
    EXPECT_TRUE(json::accept(ran.out)) << arguments[0];
    EXPECT_THAT(ran.err, IsEmpty()) << arguments[0];
  }
}

TEST_F(CommandTest, CsvListsHaveAHeaderAndOneLineEach) {
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"list"},
                                                    {"candidates", "abc"},
                                                    {"pareto", "abc"},
                                                    {"formats"},
                                                    {"costs"},
                                                    {"models"}}) {
    std::vector<std::string> with_csv = arguments;
    with_csv.insert(with_csv.end(), {"-o", "csv"});
    const Ran ran = Precis(with_csv);
    EXPECT_EQ(ran.code, kExitOk) << arguments[0] << ran.err;
    EXPECT_GE(std::count(ran.out.begin(), ran.out.end(), '\r'), 2) << arguments[0];
  }
}

TEST_F(CommandTest, TablesAreTheGoldenFiles) {
  ExpectGolden(Precis({"list"}).out, "list.txt");
  ExpectGolden(Precis({"pareto", "abc"}).out, "pareto.txt");
  ExpectGolden(Precis({"pareto", "abc", "-o", "wide"}).out, "pareto_wide.txt");
  ExpectGolden(Precis({"models"}).out, "models.txt");
  EXPECT_EQ(Precis({"costs"}).out, "bops (BOPs): everything counts.\n");
}

TEST_F(CommandTest, ParetoInJsonIsTheFrontAlone) {
  const json front = json::parse(Precis({"pareto", "abc", "-o", "json"}).out);
  ASSERT_EQ(front.size(), 2u);
  EXPECT_EQ(front[1]["name"], "jobs/abc/candidates/4");
}

TEST_F(CommandTest, CancelAndDeleteAct) {
  const Ran cancelled = Precis({"cancel", "abc"});
  EXPECT_EQ(cancelled.code, kExitOk);
  EXPECT_THAT(cancelled.out, IsEmpty());
  EXPECT_THAT(cancelled.err, HasSubstr("jobs/abc is cancelled"));
  EXPECT_EQ(Precis({"delete", "ab"}).code, kExitOk);
  EXPECT_THAT(service_.deleted, ::testing::ElementsAre("jobs/abc"));
}

TEST_F(CommandTest, PauseResumeAndRetryAct) {
  const Ran paused = Precis({"pause", "abc"});
  EXPECT_EQ(paused.code, kExitOk);
  EXPECT_THAT(paused.out, IsEmpty());
  EXPECT_THAT(paused.err, HasSubstr("jobs/abc will be paused"));
  EXPECT_EQ(json::parse(Precis({"pause", "abc", "-o", "json"}).out)["pausing"], true);
  EXPECT_THAT(Precis({"resume", "abc"}).err, HasSubstr("jobs/abc is queued; it goes on from its checkpoint"));
  EXPECT_THAT(Precis({"retry", "abc"}).err, HasSubstr("jobs/abc is queued"));
  EXPECT_EQ(Precis({"pause", "nothing"}).code, kExitRpc + static_cast<int>(grpc::StatusCode::NOT_FOUND));
}

TEST_F(CommandTest, VersionWorksWithoutAServer) {
  EXPECT_THAT(Precis({"version"}).out, HasSubstr("precisd 9.9.9 at"));
  Stop();
  const Ran ran = Precis({"version"});
  EXPECT_EQ(ran.code, kExitOk);
  EXPECT_THAT(ran.out, StartsWith("precis "));
  EXPECT_THAT(ran.err, HasSubstr("No server at"));
  EXPECT_TRUE(json::parse(Precis({"version", "-o", "json"}).out)["server"].is_null());
}

TEST_F(CommandTest, AnOutputThatCannotBeWrittenIsAnError) {
  Environment environment = MakeEnvironment();
  std::ostream broken(nullptr);
  environment.out = &broken;
  EXPECT_EQ(RunPrecis({"list"}, environment), kExitUsage);
  EXPECT_THAT(err_.str(), HasSubstr("cannot write to standard output"));
}

}  // namespace
}  // namespace precis::client
