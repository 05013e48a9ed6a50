// export: which candidate, its bytes, and a file that is whole or absent.
#include <openssl/evp.h>

#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/candidate_list.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/file_writer.h"
#include "client/job_reference.h"
#include "client/units.h"

namespace precis::client {
namespace {

// Of the whole stream; an export is a file of megabytes at most.
constexpr std::chrono::seconds kDeadline{300};

struct Exported {
  v1::ExportMetadata metadata;
  std::string bytes;
};

std::string HexSha256(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1) return "";
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), size));
}

absl::StatusOr<Exported> Download(Connection& connection, const std::string& name,
                                  const std::string& format) {
  grpc::ClientContext context;
  connection.Prepare(context);
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  v1::ExportCandidateRequest request;
  request.set_name(name);
  request.set_format(format);
  const auto reader = connection.stub().ExportCandidate(&context, request);
  Exported exported;
  v1::ExportCandidateResponse response;
  while (reader->Read(&response)) {
    if (response.has_metadata()) exported.metadata = response.metadata();
    exported.bytes += response.chunk();
  }
  if (const grpc::Status status = reader->Finish(); !status.ok())
    return connection.FromGrpc(status, &context);
  if (static_cast<size_t>(exported.metadata.size_bytes()) != exported.bytes.size() ||
      exported.metadata.sha256() != HexSha256(exported.bytes))
    return absl::DataLossError(absl::StrCat("the export of ", name, " arrived damaged (",
                                            exported.bytes.size(), " of ", exported.metadata.size_bytes(),
                                            " bytes); try again."));
  return exported;
}

// The resource name to ask for; "jobs/abc" means its final candidate.
absl::StatusOr<std::string> Choose(Session session, const v1::Job& job, const ExportOptions& options) {
  if (!options.candidate.empty())
    return absl::StrCat(job.name(), "/candidates/", LastPart(options.candidate));
  if (options.max_costs.empty()) return job.name();
  v1::ListCandidatesRequest query;
  query.set_parent(job.name());
  const auto candidates = FetchCandidates(session.connection, query, 0);
  if (!candidates.ok()) return candidates.status();
  const auto ceilings = ParseCeilings(job, *candidates, options.max_costs);
  if (!ceilings.ok()) return ceilings.status();
  const absl::StatusOr<v1::Candidate> pick = PickWithin(job, *candidates, *ceilings);
  if (!pick.ok()) return pick.status();
  const auto cost = [&](std::string* out, const CostCeiling& ceiling) {
    absl::StrAppend(out, CostText(FindCost(*pick, ceiling.metric)->value(), ceiling.unit));
  };
  *session.environment.err << "Within " << absl::StrJoin(options.max_costs, " and ")
                           << " the most accurate is candidate " << LastPart(pick->name()) << ": "
                           << absl::StrJoin(*ceilings, ", ", cost) << ", search accuracy "
                           << AccuracyText(pick->search().accuracy()) << ".\n";
  return pick->name();
}

}  // namespace

absl::StatusOr<int> Export(Session session, const ExportOptions& options) {
  const absl::StatusOr<v1::Job> job = FindJob(session.connection, options.job);
  if (!job.ok()) return job.status();
  const absl::StatusOr<std::string> name = Choose(session, *job, options);
  if (!name.ok()) return name.status();
  const absl::StatusOr<Exported> exported = Download(session.connection, *name, options.format);
  if (!exported.ok()) return exported.status();
  if (options.file.empty() || options.file == "-") {
    *session.environment.out << exported->bytes;
    return kExitOk;
  }
  if (absl::Status written = WriteWholeFile(options.file, exported->bytes); !written.ok()) return written;
  *session.environment.err << "Wrote " << options.file << ": " << exported->metadata.candidate() << ", "
                           << exported->bytes.size() << " bytes.\n";
  return kExitOk;
}

}  // namespace precis::client
