// Sample records for store and service tests, and texts that compare them field by field and bit by bit.
#pragma once

#include <bit>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/store/records.h"
#include "supernet/graph/assignment.h"

namespace precis::server {

inline search::Progress SampleProgress(int64_t step) {
  search::Progress progress;
  progress.phase = search::Phase::kSearch;
  progress.step = step;
  progress.total_steps = 1000;
  progress.fraction = static_cast<double>(step) / 1000;
  progress.loss = 1.0 / 3;
  progress.train_accuracy = 0.7;
  progress.reward = -0.1;
  progress.cost = 123456.789;
  progress.mean_entropy = 1.25;
  progress.mean_max_probability = 0.3;
  progress.rejected_steps = 2;
  progress.images_per_second = 9876.5;
  progress.loader_wait_share = 0.01;
  return progress;
}

inline search::SearchResult SampleResult() {
  search::SearchResult result;
  result.final_candidate = 2;
  result.float_search = {0.92, 0.25, 6000};
  result.float_test = {0.91, 0.26, 10000};
  result.rejected_steps = 3;
  result.policy = {0.5, 0.75};
  result.loader_wait_share = 0.02;
  result.skipped_images = 5;
  return result;
}

inline FileRecord SampleFile(const std::string& name) {
  std::string digest;
  for (int i = 0; i < 32; ++i) digest += "0f";
  return {.name = name, .bytes = 12345, .sha256 = digest};
}

inline JobRecord SampleJob(const std::string& id) {
  JobRecord job;
  job.id = id;
  job.spec = std::string("sp\0ec\xff", 6);
  job.spec_digest = "digest";
  job.display_name = "a name";
  job.plan.fingerprint = "f00d";
  job.plan.cost_names = {"bops", "model_size"};
  job.plan.cost_units = {"BOPs", "bits"};
  job.plan.cost_bases = {"all layers", "all weights"};
  job.plan.cost_ranges = {{1e6, 1.0 / 3 * 1e9}, {1, 1e300}};
  job.plan.cost_limits = {std::nullopt, 0.1 + 0.2};
  job.plan.constrained = 1;
  job.plan.target = 0.1 + 0.2;
  job.plan.targets = {job.plan.target};
  job.plan.cheapest = 1;
  job.plan.dearest = 1e300;
  job.plan.total_steps = 1000;
  job.plan.total_macs = int64_t{1} << 60;
  job.plan.parameters = 77;
  job.plan.layer_names = {"stem", "classifier"};
  job.created_us = 1'700'000'000'000'000;
  return job;
}

inline search::Candidate SampleCandidate(int64_t number) {
  search::Candidate candidate;
  candidate.number = number;
  candidate.assignment = *ParseAssignment(number % 2 == 0 ? "int8,int4" : "int2,e4m3/int8");
  candidate.origin = search::Origin::kSampled;
  candidate.label = "sample";
  candidate.step = 10 * number;
  candidate.sampled_at = number - 2;
  candidate.search = {0.5, 0.1 + 0.2, 6000};
  candidate.test = Quality{0.25, 2.5, 10000};
  candidate.costs = {1e9, 1.0 / 3};
  candidate.feasible = number % 2 == 0;
  candidate.activation_ranges = {{-1.5, 1.5}, {-0.1, 0.1}};
  return candidate;
}

// Exact: the bits of a double, any NaN alike. +0 and -0 compare equal in SQLite, and here.
inline std::string ExactText(double value) {
  if (std::isnan(value)) return "nan";
  return absl::StrCat(absl::Hex(std::bit_cast<uint64_t>(value + 0.0)));
}

inline std::string QualityText(const Quality& quality) {
  return absl::StrCat(ExactText(quality.accuracy), "/", ExactText(quality.loss), "/", quality.images);
}

inline std::string ProgressText(const search::Progress& p) {
  return absl::StrCat(static_cast<int>(p.phase), " ", p.step, " ", p.total_steps, " ", ExactText(p.fraction),
                      " ", ExactText(p.loss), " ", ExactText(p.train_accuracy), " ", ExactText(p.reward), " ",
                      ExactText(p.cost), " ", ExactText(p.mean_entropy), " ",
                      ExactText(p.mean_max_probability), " ", p.rejected_steps, " ",
                      ExactText(p.images_per_second), " ", ExactText(p.loader_wait_share));
}

inline std::string CandidateText(const search::Candidate& c) {
  std::string text = absl::StrCat(
      c.number, " ", AssignmentText(c.assignment), " ", static_cast<int>(c.origin), " ", c.label, " ", c.step,
      " ", c.sampled_at, " ", QualityText(c.search), " ", c.test ? QualityText(*c.test) : "-", " costs");
  for (double cost : c.costs) absl::StrAppend(&text, " ", ExactText(cost));
  absl::StrAppend(&text, " feasible ", c.feasible, " ranges");
  for (const ActivationRange& range : c.activation_ranges) {
    absl::StrAppend(&text, " ", ExactText(range.low), "…", ExactText(range.high));
  }
  return text;
}

inline std::string JobText(const JobRecord& job) {
  const PlanSummary& plan = job.plan;
  std::string text = absl::StrCat(job.id, "|", job.request_id, "|", job.spec, "|", job.spec_digest, "|",
                                  job.display_name, "|", plan.fingerprint, "|", plan.constrained);
  for (const auto* list : {&plan.cost_names, &plan.cost_units, &plan.cost_bases, &plan.layer_names}) {
    absl::StrAppend(&text, "|list");
    for (const std::string& item : *list) absl::StrAppend(&text, ",", item);
  }
  for (const search::CostRange& range : plan.cost_ranges) {
    absl::StrAppend(&text, "|", ExactText(range.min), "…", ExactText(range.max));
  }
  for (const std::optional<double>& limit : plan.cost_limits) {
    absl::StrAppend(&text, "|", limit ? ExactText(*limit) : "-");
  }
  for (double target : plan.targets) absl::StrAppend(&text, "|target ", ExactText(target));
  absl::StrAppend(&text, "|", ExactText(plan.target), "|", ExactText(plan.cheapest), "|",
                  ExactText(plan.dearest), "|", plan.total_steps, "|", plan.total_macs, "|");
  absl::StrAppend(&text, plan.parameters, "|", static_cast<int>(job.state), "|", job.error, "|",
                  job.cancel_requested, "|", job.pause_requested, "|", job.notice, "|", job.restarts, "|",
                  job.candidates_reported, "|");
  absl::StrAppend(&text, job.created_us, "|", job.started_us, "|", job.ended_us, "|", job.last_batch, "|",
                  job.worker_version, "|", ProgressText(job.progress));
  for (const FileRecord& file : job.files) {
    absl::StrAppend(&text, "|file ", file.name, " ", file.bytes, " ", file.sha256);
  }
  if (job.result) {
    const search::SearchResult& result = *job.result;
    absl::StrAppend(&text, "|result ", result.final_candidate, " ", QualityText(result.float_search), " ",
                    QualityText(result.float_test), " ", result.rejected_steps, " ",
                    ExactText(result.policy.mean_entropy), " ", ExactText(result.policy.mean_max_probability),
                    " ", ExactText(result.loader_wait_share), " ", result.skipped_images);
  }
  return text;
}

}  // namespace precis::server
