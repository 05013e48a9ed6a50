// Between the wire (precis.v1) and our own values. The only place where both are spoken.
//
// To the wire nothing can fail. From the wire, clients' faults become violations (the value returned then
// has the default in that field, so that checking can go on and find everything at once) and workers'
// faults become INVALID_ARGUMENT.
//
// Threading: pure functions.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "precis/v1/candidate.pb.h"
#include "precis/v1/job.pb.h"
#include "precis/v1/search_service.pb.h"
#include "precis/v1/worker_service.pb.h"
#include "search/candidate.h"
#include "search/job_spec.h"
#include "search/search_loop.h"
#include "search/violation.h"
#include "server/store/records.h"
#include "supernet/formats/format.h"
#include "supernet/graph/dataset_info.h"

namespace precis::server {

// Keys of gRPC metadata that precis.v1 defines: the secret of a job's run, with every WorkerService call;
// and a serialised InvalidArgument, trailing SubmitJob's INVALID_ARGUMENT.
inline constexpr char kSecretMetadata[] = "precis-worker-secret";
inline constexpr char kInvalidArgumentMetadata[] = "precis-invalid-argument-bin";

// Unset fields take their defaults. A violation for an enum number we do not know, and for a negative
// reward.beta (which our own value would read as unset).
search::JobSpec JobSpecFromWire(const v1::JobSpec& wire, search::Violations& violations);
// Every field explicit, so that a later change of a default does not change this job; reward.beta alone
// stays unset where its default depends on the quality.
v1::JobSpec JobSpecToWire(const search::JobSpec& spec);
// The spec as bytes for the store, and their digest: equal specs, equal digest.
std::string SpecBytes(const search::JobSpec& spec);
std::string SpecDigest(const search::JobSpec& spec);
// Reads SpecBytes. DATA_LOSS if they are not a spec.
absl::StatusOr<search::JobSpec> SpecFromBytes(const std::string& bytes);

v1::Job::State JobStateToWire(JobState state);
// INVALID_ARGUMENT, naming the field, for a number that is no state. Not for STATE_UNSPECIFIED.
absl::StatusOr<JobState> JobStateFromWire(v1::Job::State state, const std::string& field);
v1::Job JobToWire(const JobRecord& job);
v1::Plan PlanToWire(const PlanSummary& plan);
// Adds what only a check tells: the decisions and the size of the space.
void SpaceToWire(const search::Plan& plan, v1::Plan& wire);
// What a job will compute, with its own number of threads or else one a core of this machine.
void WorkToWire(const search::Plan& plan, v1::WorkEstimate& wire);
// network: of a job that searches architectures (NetworkOf); else null.
v1::Candidate CandidateToWire(const std::string& job_id, const PlanSummary& plan,
                              const search::Candidate& candidate, const ElasticNetwork* network = nullptr);
// `candidate` is the one the event is about, for kCandidate; else null.
v1::JobEvent EventToWire(const JobRecord& job, const Event& event, const search::Candidate* candidate);
v1::InvalidArgument ViolationsToWire(const search::Violations& violations);
v1::FormatInfo FormatToWire(const Format& format);
v1::DatasetInfo DatasetToWire(const DatasetInfo& dataset);

v1::Progress ProgressToWire(const search::Progress& progress);
absl::StatusOr<search::Progress> ProgressFromWire(const v1::Progress& wire);
v1::WorkerCandidate WorkerCandidateToWire(const search::Candidate& candidate);
absl::StatusOr<search::Candidate> WorkerCandidateFromWire(const v1::WorkerCandidate& wire);
v1::ReportBatchRequest BatchToWire(const std::string& job_id, const WorkerBatch& batch);
absl::StatusOr<WorkerBatch> BatchFromWire(const v1::ReportBatchRequest& wire);
v1::WorkerResult WorkerResultToWire(const search::SearchResult& result);
absl::StatusOr<search::SearchResult> WorkerResultFromWire(const v1::WorkerResult& wire);

}  // namespace precis::server
