// All faults of a job file at once: those seen here and, in the same list, those only the server can see.
//
// Threading: as Connection. Nothing throws.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/connection.h"
#include "client/environment.h"
#include "client/job_file.h"

namespace precis::client {

// How a job file is named and changed on the command line.
struct JobFileSource {
  std::string path;  // "-": standard input
  std::vector<std::string> overrides;
};

// Reads and parses, the cost table included (cost_table_file.h). INVALID_ARGUMENT or NOT_FOUND, naming the
// file, if there is no YAML mapping to look at; faults in it are in the JobFile.
absl::StatusOr<JobFile> LoadJobFile(const JobFileSource& source, const Environment& environment);

// The server's violations as faults: placed where the file has the field (or the nearest section around
// it), without those that only follow from a fault already found here.
std::vector<Fault> ServerFaults(const JobFile& file, const std::vector<v1::FieldViolation>& violations);

// Asks the server about the rest (validate_only) and returns every fault, in order of place. If the
// server cannot be asked, that is said in `note` and the local faults stand alone.
std::vector<Fault> AllFaults(const JobFile& file, Connection& connection, std::string& note);

// One line a fault and a closing line with their number.
std::string FaultReport(const std::vector<Fault>& faults, const JobFileSource& source);

}  // namespace precis::client
