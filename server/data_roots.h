// DataRoots: under which folders a client's paths must lie. The server asks when a job is submitted, the
// worker when it opens the files, since links can change in between.
//
// Who can write under a root can still change a link between the worker's look and its reading: roots keep
// clients of the service in, not people with accounts on the machine.
//
// Threading: immutable once made; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "search/job_spec.h"
#include "search/violation.h"

namespace precis::server {

class DataRoots {
 public:
  // No roots: every path that the process can read, as is right where only its own user can ask.
  DataRoots() = default;
  // Just these folders, as absolute paths with links resolved; none at all: no path is allowed.
  // INVALID_ARGUMENT, naming every one that is not a folder; `option` is where they come from.
  static absl::StatusOr<DataRoots> Only(const std::vector<std::string>& folders,
                                        absl::string_view option = "--data-root");

  bool restricted() const { return restricted_; }
  const std::vector<std::string>& folders() const { return folders_; }

  // OK if `path`, with all links resolved, lies under a root, and so does every link in the folder that it
  // names, down to three levels (SPLIT/CLASS/FILE). PERMISSION_DENIED, naming value and roots, if not, and
  // for any path with "..". Of a path that is under no root by its name nothing is looked at, so that the
  // answer does not tell what exists. A path under a root that does not exist is OK: whoever opens it will
  // say so.
  absl::Status Check(const std::string& path) const;

 private:
  absl::Status Refuse(const std::string& path, const std::string& why) const;
  bool Contains(const std::string& resolved) const;

  bool restricted_ = false;
  std::vector<std::string> folders_;  // resolved
  std::vector<std::string> named_;    // as given, absolute and without "." in them
};

// What `roots` refuse of a job, by field. Every path that a job names on the server's machine is looked at
// here, and here alone, and none of them may be opened before: the server asks at submission, the worker at
// its start.
search::Violations RefusedPaths(const search::JobSpec& spec, const DataRoots& roots);

}  // namespace precis::server
