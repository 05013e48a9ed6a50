// The model of one's own that a job file names under model.path.
//
// Threading: pure functions, but for asking where the working folder is. Nothing throws.
#pragma once

#include <string>

#include "client/job_file.h"

namespace precis::client {

// `path` from `folder` on, or from the working folder where that is empty; without "." and "..".
std::string AbsolutePath(const std::string& path, const std::string& folder);

// A relative model.path is taken from `job_file_path`'s folder, one from --set or from a job file on standard
// input ("-") from the working folder: the server, which reads it, has another. Without one nothing happens.
void MakeModelPathAbsolute(const std::string& job_file_path, JobFile& file);

}  // namespace precis::client
