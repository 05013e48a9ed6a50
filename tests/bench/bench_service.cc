// The service under load: a job with very many candidates, a search that runs, and clients who list, get, ask
// for fronts and watch. Prints how fast candidates are taken in, the latency of each call, what the search
// loses, and the server's memory.
//
//   bench_service [--candidates 1000000] [--clients 100] [--seconds 300] [--think-ms 500]
//
// Every client has a connection of its own and asks again after its think time; a fifth of them watch the
// running job as well.
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "precis/v1/search_service.grpc.pb.h"
#include "server/job_check.h"
#include "server/launcher/spawn.h"
#include "server/store/sqlite_store.h"
#include "supernet/formats/check.h"

namespace precis::server {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchOptions {
  int64_t candidates = 1'000'000;
  int clients = 100;
  double seconds = 300;
  int think_ms = 500;
  bool fill_only = false;
  std::string folder;
};

double Since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

v1::SubmitJobRequest Request(double epochs) {
  v1::SubmitJobRequest request;
  v1::JobSpec& spec = *request.mutable_spec();
  spec.mutable_model()->set_name("resnet8");
  spec.mutable_data()->set_name("fashion_mnist");
  for (const char* format : {"int2", "int3", "int4", "int8"}) spec.mutable_space()->add_formats(format);
  spec.mutable_cost()->set_target("1.1x int4");
  spec.mutable_training()->set_epochs(epochs);
  spec.set_threads(1);
  return request;
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

search::Candidate MakeCandidate(const JobRecord& job, int64_t number, std::mt19937_64& draw) {
  static const std::vector<Format> formats = {*ParseFormat("int2"), *ParseFormat("int3"),
                                              *ParseFormat("int4"), *ParseFormat("int8")};
  search::Candidate candidate;
  candidate.number = number;
  double bits = 0;
  for (size_t i = 0; i < job.plan.layer_names.size(); ++i) {
    const Format& format = formats[draw() % formats.size()];
    bits += format.element.bits;
    candidate.assignment.layers.push_back({format, format});
    candidate.activation_ranges.push_back({-1, 1});
  }
  const double share = bits / (8 * static_cast<double>(job.plan.layer_names.size()));
  const double luck = static_cast<double>(draw() % 1000) / 1000;
  candidate.search = {0.5 + 0.4 * share * luck, 0.5, 6000};
  candidate.feasible = share < 0.6;
  for (size_t i = 0; i < job.plan.cost_names.size(); ++i)
    candidate.costs.push_back(1e6 * share * (1 + luck / 10));
  return candidate;
}

// The job's name. Prints the rate.
std::string Fill(const BenchOptions& options) {
  constexpr int kBatch = 500;
  std::unique_ptr<SqliteStore> store = *SqliteStore::Open(options.folder);
  CheckedJob checked = CheckJob(Request(1));
  PRECIS_CHECK(checked.violations.empty());
  JobRecord job = checked.record;
  job.id = "million00000";
  job.created_us = 1;
  Must(store->InsertJob(job).status());
  const auto move = [&](JobState state) {
    Must(store
             ->MutateJob(job.id,
                         [&](JobRecord& record) -> absl::StatusOr<Disposition> {
                           record.state = state;
                           if (state == JobState::kSucceeded) record.result.emplace().final_candidate = 1;
                           return Disposition::kKeep;
                         })
             .status());
  };
  move(JobState::kRunning);
  std::mt19937_64 draw(1);
  double seconds = 0;
  for (int64_t done = 0, number = 1; done < options.candidates; ++number) {
    WorkerBatch batch{.number = number};
    for (int i = 0; i < kBatch && done < options.candidates; ++i)
      batch.candidates.push_back(MakeCandidate(job, ++done, draw));
    const Clock::time_point begin = Clock::now();
    Must(store->AppendBatch(job.id, batch));
    seconds += Since(begin);
  }
  move(JobState::kSucceeded);
  std::printf("taken in: %lld candidates, %.0f a second, in batches of %d\n",
              static_cast<long long>(options.candidates), static_cast<double>(options.candidates) / seconds,
              kBatch);
  return "jobs/" + job.id;
}

class Latencies {
 public:
  void Add(const std::string& call, double seconds, bool ok) {
    std::lock_guard lock(mutex_);
    Samples& samples = calls_[call];
    samples.seconds.push_back(seconds);
    if (!ok) ++samples.errors;
  }
  int64_t Print() {
    int64_t errors = 0;
    std::printf("| call | calls | errors | p50 ms | p99 ms | longest ms |\n|---|---|---|---|---|---|\n");
    for (auto& [call, samples] : calls_) {
      std::vector<double>& all = samples.seconds;
      std::sort(all.begin(), all.end());
      const auto at = [&](double share) {
        return 1000 *
               all[std::min(all.size() - 1, static_cast<size_t>(share * static_cast<double>(all.size())))];
      };
      std::printf("| %s | %zu | %lld | %.1f | %.1f | %.1f |\n", call.c_str(), all.size(),
                  static_cast<long long>(samples.errors), at(0.5), at(0.99), at(1));
      errors += samples.errors;
    }
    return errors;
  }

 private:
  struct Samples {
    std::vector<double> seconds;
    int64_t errors = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Samples> calls_;
};

class Client {
 public:
  Client(const std::string& address, int index, std::string big, std::string running, Latencies* latencies)
      : index_(index), big_(std::move(big)), running_(std::move(running)), latencies_(latencies) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("precis.client", index);  // else channels would share a connection
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    stub_ = v1::SearchService::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
  }

  void Load(const std::atomic<bool>& stop, int think_ms) {
    std::thread watcher;
    if (index_ % 5 == 0) watcher = std::thread([&] { Watch(stop); });
    std::mt19937 draw(static_cast<uint32_t>(index_));
    std::this_thread::sleep_for(std::chrono::milliseconds(draw() % static_cast<uint32_t>(think_ms + 1)));
    while (!stop) {
      Once(draw() % 5);
      std::this_thread::sleep_for(std::chrono::milliseconds(think_ms));
    }
    if (watcher.joinable()) watcher.join();
  }

  v1::Job GetJob(const std::string& name) {
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job job;
    Timed("GetJob", [&](grpc::ClientContext* context) { return stub_->GetJob(context, request, &job); });
    return job;
  }

  v1::Job Submit(const v1::SubmitJobRequest& request) {
    v1::Job job;
    Timed("SubmitJob",
          [&](grpc::ClientContext* context) { return stub_->SubmitJob(context, request, &job); });
    return job;
  }

 private:
  template <typename Call>
  void Timed(const char* name, const Call& call) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    const Clock::time_point begin = Clock::now();
    const grpc::Status status = call(&context);
    if (!status.ok()) std::fprintf(stderr, "%s: %s\n", name, status.error_message().c_str());
    latencies_->Add(name, Since(begin), status.ok());
  }

  void Once(uint32_t which) {
    switch (which) {
      case 0: {
        v1::ListJobsResponse response;
        Timed("ListJobs",
              [&](grpc::ClientContext* context) { return stub_->ListJobs(context, {}, &response); });
        return;
      }
      case 1:
        GetJob(running_);
        return;
      case 2:
      case 3: {
        v1::ListCandidatesRequest request;
        request.set_parent(big_);
        request.set_page_token(token_);
        request.set_order_by(order_);
        v1::ListCandidatesResponse response;
        Timed("ListCandidates (100)", [&](grpc::ClientContext* context) {
          return stub_->ListCandidates(context, request, &response);
        });
        token_ = response.next_page_token();
        if (token_.empty() || ++pages_ % 8 == 0) {
          token_.clear();
          order_ = pages_ % 3 == 0 ? "number" : pages_ % 3 == 1 ? "accuracy desc" : "cost";
        }
        return;
      }
      default: {
        v1::GetParetoFrontRequest request;
        request.set_parent(big_);
        request.set_feasible_only(which % 2 == 0);
        v1::GetParetoFrontResponse response;
        Timed("GetParetoFront", [&](grpc::ClientContext* context) {
          return stub_->GetParetoFront(context, request, &response);
        });
      }
    }
  }

  void Watch(const std::atomic<bool>& stop) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    v1::WatchJobRequest request;
    request.set_name(running_);
    const auto reader = stub_->WatchJob(&context, request);
    std::thread stopper([&] {
      while (!stop) std::this_thread::sleep_for(std::chrono::milliseconds(100));
      context.TryCancel();
    });
    int64_t last = 0;
    bool in_order = true;
    v1::JobEvent event;
    while (reader->Read(&event)) {
      in_order = in_order && event.number() == last + 1;
      last = event.number();
    }
    const grpc::Status status = reader->Finish();
    stopper.join();
    const bool ended = status.ok() || (stop && status.error_code() == grpc::StatusCode::CANCELLED);
    latencies_->Add("WatchJob (events in order)", 0, ended && in_order && last > 0);
  }

  const int index_;
  const std::string big_;
  const std::string running_;
  Latencies* const latencies_;
  std::unique_ptr<v1::SearchService::Stub> stub_;
  std::string token_;
  std::string order_;
  int64_t pages_ = 0;
};

double ResidentMib(pid_t process) {
  std::ifstream status(absl::StrCat("/proc/", process, "/status"));
  for (std::string line; std::getline(status, line);) {
    if (absl::StartsWith(line, "VmRSS:")) return std::atof(line.c_str() + 6) / 1024;
  }
  return 0;
}

// Steps that the running search took in so many seconds, a second.
double StepRate(Client& client, const std::string& running, double seconds) {
  const int64_t before = client.GetJob(running).progress().step();
  const Clock::time_point begin = Clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  return static_cast<double>(client.GetJob(running).progress().step() - before) / Since(begin);
}

int Serve(const BenchOptions& options, const std::string& big, const std::filesystem::path& programs) {
  const std::string port_file = options.folder + "/port";
  const absl::StatusOr<pid_t> server =
      Spawn({.arguments = {programs / "precisd", "--data-dir", options.folder, "--listen", "127.0.0.1:0",
                           "--port-file", port_file, "--max-watchers", "1000"},
             .input = "",
             .log_path = options.folder + "/precisd.log"});
  Must(server.status());
  std::string port;
  for (int i = 0; i < 600 && port.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::getline(std::ifstream(port_file) >> std::ws, port);
  }
  const std::string address = "127.0.0.1:" + port;
  Latencies quiet;
  Client first(address, -1, big, "", &quiet);
  const std::string running = first.Submit(Request(1000)).name();
  while (first.GetJob(running).progress().step() < 100) std::this_thread::sleep_for(std::chrono::seconds(1));
  const double resident_before = ResidentMib(*server);
  const double alone = StepRate(first, running, std::min(options.seconds, 30.0));

  Latencies latencies;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < options.clients; ++i) {
    threads.emplace_back(
        [&, i] { Client(address, i, big, running, &latencies).Load(stop, options.think_ms); });
  }
  const double loaded = StepRate(first, running, options.seconds);
  const double resident_after = ResidentMib(*server);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  const double again = StepRate(first, running, std::min(options.seconds, 30.0));
  kill(*server, SIGTERM);
  waitpid(*server, nullptr, 0);

  const int64_t errors = latencies.Print();
  const double unloaded = (alone + again) / 2;
  std::printf(
      "search: %.2f steps a second alone (%.2f before, %.2f after), %.2f under load: %.1f %% slower\n",
      unloaded, alone, again, loaded, 100 * (1 - loaded / unloaded));
  std::printf("server: %.0f MiB before, %.0f MiB at the end of the load\n", resident_before, resident_after);
  return errors == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  BenchOptions options;
  CLI::App app("The service under load.", "bench_service");
  app.add_option("--candidates", options.candidates)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--clients", options.clients)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--seconds", options.seconds)->check(CLI::PositiveNumber)->capture_default_str();
  app.add_flag("--fill-only", options.fill_only, "Take candidates in, and serve nothing");
  app.add_option("--think-ms", options.think_ms)->check(CLI::NonNegativeNumber)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::string pattern = (std::filesystem::temp_directory_path() / "precis_bench_XXXXXX").string();
  PRECIS_CHECK(mkdtemp(pattern.data()) != nullptr);
  options.folder = pattern;
  const std::string big = Fill(options);
  const int code =
      options.fill_only ? 0 : Serve(options, big, std::filesystem::canonical("/proc/self/exe").parent_path());
  std::filesystem::remove_all(options.folder);
  return code;
}

}  // namespace
}  // namespace precis::server

int main(int argc, char** argv) { return precis::server::Main(argc, argv); }
