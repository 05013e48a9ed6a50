// A worker's own code over a fake oracle, for a worker that a FakeLauncher was asked to start.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "server/worker/server_link.h"
#include "server/worker/work.h"
#include "tests/fakes/fake_launcher.h"
#include "tests/fakes/fake_oracle.h"

namespace precis::server {

inline ServerLinkOptions LinkOptions(const WorkerCommand& command) {
  return {.server_address = command.server_address, .job_id = command.job_id, .secret = command.secret};
}

using StartWeights = std::shared_ptr<const WeightFile>;

inline WorkOptions FakeWork() {
  return {.make_oracle = [](const search::Plan& plan, Dataset,
                            const StartWeights&) -> absl::StatusOr<std::unique_ptr<Oracle>> {
            FakeOracleOptions options;
            options.steps_to_learn = 5;
            return std::make_unique<FakeOracle>(plan.graph, options);
          },
          .worker_version = "fake",
          .execution_version = [] { return std::string("by hand"); }};
}

}  // namespace precis::server
