// Log lines as JSON objects, one a line, for programs:
//
//   {"time":"2026-03-01T09:30:00.123456Z","level":"info","message":"job 0abc: started","job_id":"0abc"}
//
// `time` is RFC 3339 in UTC to the microsecond; `level` is debug, info, warning, error or critical.
// `job_id`, `request_id` and `method` are there where they are known: of lines that a call causes while it is
// answered (LogContext), and the job of lines that begin "job ID: ", as ours about jobs do. Bytes that are
// not UTF-8 are replaced; line breaks are escaped.
//
// Threading: a LogContext belongs to its thread.
#pragma once

#include <spdlog/formatter.h>

#include <memory>
#include <string>

namespace precis::server {

// What the lines that this thread logs are about. Empty: not known.
struct LogContext {
  std::string request_id;
  std::string method;  // "precis.v1.SearchService/GetJob"
  std::string job_id;
};
LogContext& ThreadLogContext();

std::unique_ptr<spdlog::formatter> MakeJsonFormatter();

}  // namespace precis::server
