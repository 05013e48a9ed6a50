// The launcher contract on every implementation, and what is particular to local processes: arguments,
// the secret, the log, groups, and the death of the server.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/launcher/local_launcher.h"
#include "tests/contract/launcher_contract.h"
#include "tests/fakes/fake_launcher.h"
#include "tests/fakes/temp_dir.h"

namespace precis::server {
namespace {

using testing::HasSubstr;

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Polls until `done`; the test's own time-out is the limit.
template <typename Predicate>
void Await(const Predicate& done) {
  while (!done()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

std::string WriteScript(const TempDir& dir, const std::string& body) {
  const std::string path = dir.path() + "/worker.sh";
  std::ofstream(path) << "#!/bin/sh\n" << body;
  chmod(path.c_str(), 0755);
  return path;
}

class LocalBench final : public LauncherBench {
 public:
  // The worker obeys what is written to the file named after its job.
  LocalBench() : launcher_(std::make_unique<LocalLauncher>(dir_.path() + "/worker.sh")) {
    WriteScript(dir_, absl::StrCat("order=", dir_.path(),
                                   "/order.$4\n"
                                   "while ! test -s $order; do sleep 0.01; done\n"
                                   "test $(cat $order) = clean && exit 0\n"
                                   "kill -SEGV $$\n"));
  }
  Launcher& launcher() override { return *launcher_; }
  WorkerCommand Endless(const std::string& job_id) override {
    return {.job_id = job_id, .server_address = "here:1", .secret = "s", .log_path = dir_.path() + "/log"};
  }
  void Finish(const std::string& job_id, bool clean) override {
    std::ofstream(dir_.path() + "/order." + job_id) << (clean ? "clean" : "crash");
  }
  void Break() override { unlink((dir_.path() + "/worker.sh").c_str()); }

 private:
  TempDir dir_;
  std::unique_ptr<LocalLauncher> launcher_;
};

class FakeBench final : public LauncherBench {
 public:
  Launcher& launcher() override { return launcher_; }
  WorkerCommand Endless(const std::string& job_id) override { return {job_id, "here:1", "s", "log"}; }
  void Finish(const std::string& job_id, bool clean) override {
    launcher_.End(job_id, {.clean = clean, .description = clean ? "exited with code 0" : "crashed"});
  }
  void Break() override { launcher_.Refuse(absl::UnavailableError("broken")); }

 private:
  FakeLauncher launcher_;
};

INSTANTIATE_TEST_SUITE_P(
    Launchers, LauncherContract,
    testing::Values(LauncherBenchMaker{"local", [] { return std::make_unique<LocalBench>(); }},
                    LauncherBenchMaker{"fake", [] { return std::make_unique<FakeBench>(); }}),
    [](const auto& info) { return info.param.name; });

TEST(LocalLauncher, HandsOverJobAddressSecretAndLog) {
  TempDir dir;
  ExitRecorder exit;
  LocalLauncher launcher(
      WriteScript(dir, "read secret\necho \"args: $*\"\necho \"secret: $secret\" >&2\nexit 3\n"));
  const std::string log = dir.path() + "/worker.log";
  std::ofstream(log) << "before\n";
  ASSERT_TRUE(launcher
                  .Start({.job_id = "j1", .server_address = "127.0.0.1:7", .secret = "hush", .log_path = log},
                         exit.Callback())
                  .ok());
  EXPECT_EQ(exit.Await().description, "exited with code 3");
  EXPECT_FALSE(exit.Await().clean);
  EXPECT_EQ(ReadText(log), "before\nargs: --server 127.0.0.1:7 --job j1\nsecret: hush\n");
}

TEST(LocalLauncher, AWorkerHasFewPrivileges) {
  TempDir dir;
  ExitRecorder exit;
  LocalLauncher launcher(WriteScript(dir, "ulimit -c\nulimit -n\ngrep NoNewPrivs /proc/self/status\n"));
  const WorkerCommand command = {
      .job_id = "j", .server_address = "here:1", .secret = "s", .log_path = dir.path() + "/log"};
  ASSERT_TRUE(launcher.Start(command, exit.Callback()).ok());
  exit.Await();
  std::istringstream said(ReadText(command.log_path));
  int core = -1;
  int files = -1;
  std::string label;
  int no_new_privileges = -1;
  said >> core >> files >> label >> no_new_privileges;
  EXPECT_EQ(core, 0);
  EXPECT_GT(files, 0);
  EXPECT_LE(files, 4096);
  EXPECT_EQ(no_new_privileges, 1);
}

TEST(LocalLauncher, AMissingProgramOrLogIsNamed) {
  TempDir dir;
  ExitRecorder exit;
  LocalLauncher missing(dir.path() + "/nothing");
  EXPECT_THAT(
      std::string(missing.Start({"j", "a", "s", dir.path() + "/log"}, exit.Callback()).message()),
      testing::AllOf(HasSubstr(dir.path() + "/nothing"), HasSubstr("No such file"), HasSubstr("--worker")));
  LocalLauncher launcher("/bin/true");
  EXPECT_THAT(std::string(launcher.Start({"j", "a", "s", dir.path() + "/no/log"}, exit.Callback()).message()),
              HasSubstr(dir.path() + "/no/log"));
}

TEST(LocalLauncher, SignalsReachAWorkerWhateverTheServerBlocks) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  TempDir dir;
  ExitRecorder exit;
  {
    LocalLauncher launcher(WriteScript(dir, "exec sleep 1000\n"));
    ASSERT_TRUE(launcher.Start({"j", "a", "s", dir.path() + "/log"}, exit.Callback()).ok());
    ASSERT_TRUE(launcher.Stop("j", false).ok());
    EXPECT_THAT(exit.Await().description, HasSubstr("signal 15"));
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(LocalLauncher, WhatAWorkerStartedEndsWithIt) {
  TempDir dir;
  ExitRecorder exit;
  const std::string pid_file = dir.path() + "/pid";
  LocalLauncher launcher(WriteScript(dir, absl::StrCat("sleep 1000 &\necho $! > ", pid_file, "\nexit 0\n")));
  ASSERT_TRUE(launcher.Start({"j", "a", "s", dir.path() + "/log"}, exit.Callback()).ok());
  exit.Await();
  int pid = 0;
  ASSERT_TRUE(absl::SimpleAtoi(ReadText(pid_file), &pid));
  // Gone, or a zombie that nobody has reaped yet.
  Await([&] {
    const std::string stat = ReadText(absl::StrCat("/proc/", pid, "/stat"));
    return stat.empty() || stat.find(") Z") != std::string::npos;
  });
}

TEST(LocalLauncher, AWorkerDiesWithTheServer) {
  TempDir dir;
  const std::string pid_file = dir.path() + "/pid";
  const std::string script = WriteScript(dir, absl::StrCat("echo $$ > ", pid_file, ".new\nmv ", pid_file,
                                                           ".new ", pid_file, "\nexec sleep 1000\n"));
  const pid_t server = fork();
  ASSERT_GE(server, 0);
  if (server == 0) {
    LocalLauncher launcher(script);
    (void)launcher.Start({"j", "a", "s", dir.path() + "/log"}, [](const WorkerExit&) {});
    while (true) pause();
  }
  Await([&] { return !ReadText(pid_file).empty(); });
  int pid = 0;
  ASSERT_TRUE(absl::SimpleAtoi(ReadText(pid_file), &pid));
  EXPECT_EQ(kill(pid, 0), 0);
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  Await([&] {
    const std::string stat = ReadText(absl::StrCat("/proc/", pid, "/stat"));
    return stat.empty() || stat.find(") Z") != std::string::npos;
  });
}

}  // namespace
}  // namespace precis::server
