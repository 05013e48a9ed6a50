// A worker's work from its orders to its outcome, for any way of making an oracle.
//
// Threading: blocks; one thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "search/plan.h"
#include "server/worker/reporter.h"
#include "server/worker/server_link.h"
#include "supernet/data/dataset.h"
#include "supernet/graph/oracle.h"
#include "supernet/graph/weight_file.h"

namespace precis::server {

struct WorkOptions {
  // Makes the oracle for a plan from its data set.
  // `weights`: those that it starts from, of the user's model; null: fresh ones.
  std::function<absl::StatusOr<std::unique_ptr<Oracle>>(const search::Plan&, Dataset,
                                                        std::shared_ptr<const WeightFile> weights)>
      make_oracle;
  std::string worker_version;  // of the program
  // What computes: libraries, device, threads. Asked once the oracle is made, which settles them.
  std::function<std::string()> execution_version;
  // Set by a signal handler: the search leaves a checkpoint and ends before it asks its oracle again.
  const std::atomic<bool>* stop = nullptr;
};

// Asks for the orders, compiles the plan, loads the data, searches from the last checkpoint on, reports and
// delivers the outcome, good or bad; CANCELLED is that of a worker that was stopped. OK if an outcome was
// delivered, else why none could be. A checkpoint that cannot be used, or written, is a line in the log: the
// search begins anew, or goes on without.
absl::Status Work(ServerLink& link, const WorkOptions& options);

}  // namespace precis::server
