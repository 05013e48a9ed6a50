// precis-worker: runs one job for a precisd. Started by a launcher, not by people.
//
// The job's secret is the one line on standard input. Exit codes: 0 once the outcome, good or bad, is
// delivered; 1 if it could not be; 2 for bad options.
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <atomic>
#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/worker/work.h"
#include "supernet/execution/oracle_factory.h"

namespace precis::server {
namespace {

std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);

absl::StatusOr<std::unique_ptr<Oracle>> MakeOracle(const search::Plan& plan, Dataset dataset,
                                                   std::shared_ptr<const WeightFile> weights) {
  const bool post_training = plan.spec.model.start == search::Start::kPostTraining;
  return MakeSupernetOracle(
      plan.graph, std::move(dataset),
      {.training = plan.spec.training,
       .search_images = plan.spec.data.search_images,
       .data = plan.spec.data.options,
       .network = plan.network,
       .weights = std::move(weights),
       .against_float = post_training,
       .post_training = post_training ? plan.spec.post_training.rewriting : PostTraining{},
       .keep_statistics = post_training && !plan.spec.post_training.recalibrate_batch_norm});
}

int Main(int argc, char** argv) {
  CLI::App app("precis-worker: runs one job for a precisd, which starts it.", "precis-worker");
  ServerLinkOptions options;
  app.add_option("--server", options.server_address, "HOST:PORT of the server")->required();
  app.add_option("--job", options.job_id, "The job's id")->required();
  app.set_version_flag("--version", absl::StrCat("precis-worker ", PRECIS_VERSION));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  spdlog::set_default_logger(spdlog::stderr_logger_mt("precis-worker"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  std::getline(std::cin, options.secret);
  signal(SIGTERM, [](int) { stop_requested = true; });
  signal(SIGINT, [](int) { stop_requested = true; });
  signal(SIGPIPE, SIG_IGN);

  spdlog::info("precis-worker {} begins job {}", PRECIS_VERSION, options.job_id);
  ServerLink link(options);
  absl::Status status = Work(link, {.make_oracle = MakeOracle,
                                    .worker_version = absl::StrCat("precis-worker ", PRECIS_VERSION),
                                    .execution_version = ExecutionVersion,
                                    .stop = &stop_requested});
  if (status.ok()) {
    spdlog::info("outcome delivered");
    return 0;
  }
  spdlog::error("no outcome could be delivered: {}", status.ToString());
  return 1;
}

}  // namespace
}  // namespace precis::server

int main(int argc, char** argv) { return precis::server::Main(argc, argv); }
