// `precisd doctor`: is this machine, and this data folder, fit to serve? Looks only; a server may be running
// on the folder meanwhile. `precis doctor` does the same for the way from a client to a server.
//
//   OK    store          2.1 MB, schema 5, no faults found
//   WARN  open_files     the limit is 1024: with many watchers calls may fail
//           → raise it: LimitNOFILE=65536 in the service's unit, or ulimit -n 65536
//
// Exit code: 0 if nothing is FAIL, 1 otherwise, 2 for bad options.
#pragma once

#include <string>
#include <vector>

namespace precis::server {

struct Finding {
  enum class Level { kOk, kWarn, kFail };
  std::string check;  // a constant: "data_dir", "disk", …
  Level level = Level::kOk;
  std::string message;
  std::string next;  // what to do; not empty unless the level is kOk
};

struct DoctorOptions {
  std::string data_dir;
  std::string worker;  // "": the one beside this program
};

// All checks, in the order they are printed: data_dir, disk, server, sqlite, store, worker, threads, data,
// open_files.
std::vector<Finding> Examine(const DoctorOptions& options);

// Text as above, or one JSON document {"ok": bool, "checks": [{"check", "level", "message", "next"}]}, the
// level being "ok", "warn" or "fail".
std::string FindingsText(const std::vector<Finding>& findings);
std::string FindingsJson(const std::vector<Finding>& findings);

// The whole command; argv[0] is "doctor".
int DoctorMain(int argc, char** argv);

}  // namespace precis::server
