// Records to rows and back: the SQL of every table of the store, without transactions.
//
// Threading: as the connection's.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/credential_store.h"
#include "server/store/records.h"
#include "server/store/sqlite_connection.h"
#include "server/store/store.h"

namespace precis::server {

// Jobs with everything that hangs on them but candidates and events. ReadJob: NOT_FOUND.
absl::Status InsertJobRows(Connection& connection, const JobRecord& job);
absl::Status UpdateJobRows(Connection& connection, const JobRecord& job);
// In place of those there were. Inserting a job includes this, updating it does not.
absl::Status PutFileRows(Connection& connection, const JobRecord& job);
absl::StatusOr<JobRecord> ReadJob(Connection& connection, const std::string& id);
absl::StatusOr<Page<JobRecord>> ReadJobs(Connection& connection, const JobQuery& query);

// Inserts the candidate, or replaces the one with its number.
absl::Status PutCandidateRows(Connection& connection, const std::string& job_id,
                              const search::Candidate& candidate);
absl::StatusOr<Page<search::Candidate>> ReadCandidates(Connection& connection, const CandidateQuery& query);

// Gives the event the job's next number.
absl::Status AppendEventRow(Connection& connection, const std::string& job_id, const Event& event);
absl::StatusOr<Page<Event>> ReadEvents(Connection& connection, const EventQuery& query);

// Tokens and audit. InsertTokenRow: ALREADY_EXISTS. RevokeTokenRow: NOT_FOUND.
absl::Status InsertTokenRow(Connection& connection, const TokenRecord& token);
absl::StatusOr<TokenRecord> RevokeTokenRow(Connection& connection, const std::string& name, int64_t time_us);
absl::Status TouchTokenRow(Connection& connection, const std::string& name, int64_t time_us);
absl::StatusOr<std::vector<TokenRecord>> ReadTokens(Connection& connection);
absl::Status AppendAuditRow(Connection& connection, const AuditRecord& record);
// Leaves the newest `keep` of the refused, or of the other, records.
absl::Status TrimAuditRows(Connection& connection, bool refused, int64_t keep);
absl::StatusOr<std::vector<AuditRecord>> ReadAudit(Connection& connection, int64_t limit);

}  // namespace precis::server
