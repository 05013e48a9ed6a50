// The CSV file that a job file names under cost.table.
//
// Threading: pure but for reading the file. Nothing throws.
#pragma once

#include <cstddef>
#include <string>

#include "client/job_file.h"

namespace precis::client {

inline constexpr size_t kMostTableBytes = size_t{1} << 20;  // the server's limit too

// Puts the file's text in the place of its name; a fault of "cost.table" if it cannot be read, is longer than
// 1 MiB, or is not UTF-8 text. A relative name is taken from `job_file_path`'s folder, one from --set or from
// a job file on standard input ("-") from the working folder. A value of several lines is the table itself.
// Without a cost.table nothing happens. What stands in the table the server checks.
void LoadCostTable(const std::string& job_file_path, JobFile& file);

}  // namespace precis::client
