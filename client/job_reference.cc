// Finding the job that a reference means.
#include "client/job_reference.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/units.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

constexpr char kPrefix[] = "jobs/";
constexpr int kPageSize = 500;
constexpr size_t kMatchesShown = 5;

bool CouldBeId(const std::string& id) {
  return !id.empty() && std::all_of(id.begin(), id.end(),
                                    [](unsigned char c) { return absl::ascii_isgraph(c) && c != '/'; });
}

absl::StatusOr<v1::Job> LatestJob(Connection& connection) {
  v1::ListJobsRequest request;
  request.set_page_size(1);
  absl::StatusOr<v1::ListJobsResponse> page = connection.Call(&Connection::Stub::ListJobs, request);
  if (!page.ok()) return page.status();
  if (page->jobs().empty())
    return absl::InvalidArgumentError("there is no job yet; submit one with: precis submit JOB.yaml");
  return page->jobs(0);
}

absl::StatusOr<v1::Job> JobWithPrefix(Connection& connection, const std::string& id) {
  std::vector<v1::Job> matches;
  const absl::Status status = ForEachJob(connection, {}, [&](const v1::Job& job) {
    if (absl::StartsWith(LastPart(job.name()), id)) matches.push_back(job);
    return true;
  });
  if (!status.ok()) return status;
  if (matches.size() == 1) return matches.front();
  if (matches.empty()) {
    const std::string message =
        absl::StrCat("there is no job \"", Printable(id), "\"; `precis list` shows all.");
    return connection.FromGrpc({grpc::StatusCode::NOT_FOUND, message}, nullptr);
  }
  std::vector<std::string> ids;
  for (size_t i = 0; i < matches.size() && i < kMatchesShown; ++i) ids.push_back(LastPart(matches[i].name()));
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", Printable(id), "\" is the beginning of ", matches.size(), " jobs: ", absl::StrJoin(ids, ", "),
      matches.size() > kMatchesShown ? ", ..." : "", ". Give more of the name."));
}

}  // namespace

absl::Status ForEachJob(Connection& connection, const v1::ListJobsRequest& query,
                        const std::function<bool(const v1::Job&)>& take) {
  v1::ListJobsRequest request = query;
  if (request.page_size() == 0) request.set_page_size(kPageSize);
  while (true) {
    const absl::StatusOr<v1::ListJobsResponse> page = connection.Call(&Connection::Stub::ListJobs, request);
    if (!page.ok()) return page.status();
    for (const v1::Job& job : page->jobs())
      if (!take(job)) return absl::OkStatus();
    if (page->next_page_token().empty()) return absl::OkStatus();
    request.set_page_token(page->next_page_token());
  }
}

absl::StatusOr<v1::Job> FindJob(Connection& connection, const std::string& reference) {
  if (reference == "latest") return LatestJob(connection);
  const std::string id =
      absl::StartsWith(reference, kPrefix) ? reference.substr(sizeof(kPrefix) - 1) : reference;
  if (!CouldBeId(id))
    return absl::InvalidArgumentError(absl::StrCat("\"", Printable(reference),
                                                   "\" is not the name of a job; ",
                                                   "write jobs/ID, ID, the beginning of an ID, or latest."));
  v1::GetJobRequest request;
  request.set_name(kPrefix + id);
  absl::StatusOr<v1::Job> job = connection.Call(&Connection::Stub::GetJob, request);
  if (job.ok()) return job;
  if (!absl::IsNotFound(job.status()) && !absl::IsInvalidArgument(job.status())) return job;
  return JobWithPrefix(connection, id);
}

}  // namespace precis::client
