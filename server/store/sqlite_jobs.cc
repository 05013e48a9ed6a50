// Rows of jobs, their costs, layers and results.
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/page_key.h"
#include "server/store/sqlite_progress.h"
#include "server/store/sqlite_rows.h"

namespace precis::server {
namespace {

constexpr char kJobColumns[] =
    "id, request_id, spec, spec_digest, display_name, fingerprint, constrained, target, cheapest, dearest, "
    "total_steps, total_macs, parameters, state, error, cancel_requested, created_us, started_us, ended_us, "
    "last_batch, worker_version, pause_requested, notice, restarts, candidates_reported, ";

absl::Status InsertPlanRows(Connection& connection, const JobRecord& job) {
  const PlanSummary& plan = job.plan;
  Statement cost = connection.Prepare(
      "INSERT INTO job_costs (job_id, position, name, unit, basis, cheapest, dearest, at_most) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (size_t i = 0; i < plan.cost_names.size(); ++i) {
    // NaN is stored as NULL.
    cost.Bind(job.id, static_cast<int64_t>(i), plan.cost_names[i], plan.cost_units[i], plan.cost_bases[i],
              plan.cost_ranges[i].min, plan.cost_ranges[i].max,
              plan.cost_limits[i].value_or(std::numeric_limits<double>::quiet_NaN()));
    if (absl::Status status = cost.Run(); !status.ok()) return status;
  }
  Statement target =
      connection.Prepare("INSERT INTO job_targets (job_id, position, target) VALUES (?, ?, ?)");
  for (size_t i = 0; i < plan.targets.size(); ++i) {
    target.Bind(job.id, static_cast<int64_t>(i), plan.targets[i]);
    if (absl::Status status = target.Run(); !status.ok()) return status;
  }
  Statement layer = connection.Prepare("INSERT INTO job_layers (job_id, position, name) VALUES (?, ?, ?)");
  for (size_t i = 0; i < plan.layer_names.size(); ++i) {
    layer.Bind(job.id, static_cast<int64_t>(i), plan.layer_names[i]);
    if (absl::Status status = layer.Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PutResultRow(Connection& connection, const JobRecord& job) {
  if (!job.result) {
    return connection.Prepare("DELETE FROM results WHERE job_id = ?").Bind(job.id).Run();
  }
  const search::SearchResult& result = *job.result;
  Statement put = connection.Prepare(
      "INSERT OR REPLACE INTO results (job_id, final_candidate, float_search_accuracy, float_search_loss, "
      "float_search_images, float_test_accuracy, float_test_loss, float_test_images, rejected_steps, "
      "mean_entropy, mean_max_probability, images_trained, images_evaluated, loader_wait_share, "
      "skipped_images) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  return put
      .Bind(job.id, result.final_candidate, result.float_search.accuracy, result.float_search.loss,
            result.float_search.images, result.float_test.accuracy, result.float_test.loss,
            result.float_test.images, result.rejected_steps, result.policy.mean_entropy,
            result.policy.mean_max_probability, result.images_trained, result.images_evaluated,
            result.loader_wait_share, result.skipped_images)
      .Run();
}

// Reads a row of `jobs` in the order of kJobColumns, kProgressColumns.
JobRecord ReadJobRow(Statement& row) {
  JobRecord job;
  job.id = row.Text();
  job.request_id = row.Text();
  job.spec = row.Blob();
  job.spec_digest = row.Text();
  job.display_name = row.Text();
  job.plan.fingerprint = row.Text();
  job.plan.constrained = row.Int();
  job.plan.target = row.Double();
  job.plan.cheapest = row.Double();
  job.plan.dearest = row.Double();
  job.plan.total_steps = row.Int();
  job.plan.total_macs = row.Int();
  job.plan.parameters = row.Int();
  job.state = row.Value(JobState::kPaused);
  job.error = row.Text();
  job.cancel_requested = row.Bool();
  job.created_us = row.Int();
  job.started_us = row.Int();
  job.ended_us = row.Int();
  job.last_batch = row.Int();
  job.worker_version = row.Text();
  job.pause_requested = row.Bool();
  job.notice = row.Text();
  job.restarts = row.Int();
  job.candidates_reported = row.Int();
  job.progress = ReadProgress(row);
  return job;
}

absl::Status ReadRelated(Connection& connection, JobRecord& job) {
  Statement costs = connection.Prepare(
      "SELECT name, unit, basis, cheapest, dearest, at_most FROM job_costs WHERE job_id = ? ORDER BY "
      "position");
  costs.Bind(job.id);
  absl::StatusOr<bool> row = costs.Step();
  for (; row.ok() && *row; row = costs.Step()) {
    job.plan.cost_names.push_back(costs.Text());
    job.plan.cost_units.push_back(costs.Text());
    job.plan.cost_bases.push_back(costs.Text());
    search::CostRange& range = job.plan.cost_ranges.emplace_back();
    range.min = costs.Double();
    range.max = costs.Double();
    const double at_most = costs.Double();
    job.plan.cost_limits.push_back(std::isnan(at_most) ? std::nullopt : std::optional<double>(at_most));
  }
  if (!row.ok()) return row.status();
  if (job.plan.constrained < 0 || job.plan.constrained >= static_cast<int64_t>(job.plan.cost_names.size())) {
    return absl::DataLossError(absl::StrCat("store: job ", job.id, " has lost its costs"));
  }

  Statement targets = connection.Prepare("SELECT target FROM job_targets WHERE job_id = ? ORDER BY position");
  targets.Bind(job.id);
  for (row = targets.Step(); row.ok() && *row; row = targets.Step()) {
    job.plan.targets.push_back(targets.Double());
  }
  if (!row.ok()) return row.status();

  Statement layers = connection.Prepare("SELECT name FROM job_layers WHERE job_id = ? ORDER BY position");
  layers.Bind(job.id);
  for (row = layers.Step(); row.ok() && *row; row = layers.Step()) {
    job.plan.layer_names.push_back(layers.Text());
  }
  if (!row.ok()) return row.status();

  Statement files =
      connection.Prepare("SELECT name, bytes, sha256 FROM job_files WHERE job_id = ? ORDER BY name");
  files.Bind(job.id);
  for (row = files.Step(); row.ok() && *row; row = files.Step()) {
    FileRecord& file = job.files.emplace_back();
    file.name = files.Text();
    file.bytes = files.Int();
    file.sha256 = files.Text();
  }
  if (!row.ok()) return row.status();

  Statement results = connection.Prepare(
      "SELECT final_candidate, float_search_accuracy, float_search_loss, float_search_images, "
      "float_test_accuracy, float_test_loss, float_test_images, rejected_steps, mean_entropy, "
      "mean_max_probability, images_trained, images_evaluated, loader_wait_share, skipped_images FROM "
      "results WHERE job_id = ?");
  row = results.Bind(job.id).Step();
  if (!row.ok()) return row.status();
  if (*row) {
    search::SearchResult& result = job.result.emplace();
    result.final_candidate = results.Int();
    result.float_search.accuracy = results.Double();
    result.float_search.loss = results.Double();
    result.float_search.images = results.Int();
    result.float_test.accuracy = results.Double();
    result.float_test.loss = results.Double();
    result.float_test.images = results.Int();
    result.rejected_steps = results.Int();
    result.policy.mean_entropy = results.Double();
    result.policy.mean_max_probability = results.Double();
    result.images_trained = results.Int();
    result.images_evaluated = results.Int();
    result.loader_wait_share = results.Double();
    result.skipped_images = results.Int();
  }
  return absl::OkStatus();
}

}  // namespace

void BindProgress(Statement& statement, const search::Progress& progress) {
  statement.Bind(static_cast<int64_t>(progress.phase), progress.step, progress.total_steps, progress.fraction,
                 progress.loss, progress.train_accuracy, progress.reward, progress.cost,
                 progress.mean_entropy, progress.mean_max_probability, progress.rejected_steps,
                 progress.images_per_second, progress.loader_wait_share);
}

search::Progress ReadProgress(Statement& row) {
  search::Progress progress;
  progress.phase = row.Value(search::Phase::kFinish);
  progress.step = row.Int();
  progress.total_steps = row.Int();
  progress.fraction = row.Double();
  progress.loss = row.Double();
  progress.train_accuracy = row.Double();
  progress.reward = row.Double();
  progress.cost = row.Double();
  progress.mean_entropy = row.Double();
  progress.mean_max_probability = row.Double();
  progress.rejected_steps = row.Int();
  progress.images_per_second = row.Double();
  progress.loader_wait_share = row.Double();
  return progress;
}

absl::Status InsertJobRows(Connection& connection, const JobRecord& job) {
  Statement insert = connection.Prepare(
      absl::StrCat("INSERT INTO jobs (", kJobColumns, kProgressColumns,
                   ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ",
                   kProgressParameters, ")"));
  const PlanSummary& plan = job.plan;
  std::optional<std::string> request_id;
  if (!job.request_id.empty()) request_id = job.request_id;
  insert.Bind(job.id, request_id, Statement::AsBlob(job.spec), job.spec_digest, job.display_name,
              plan.fingerprint, plan.constrained, plan.target, plan.cheapest, plan.dearest, plan.total_steps,
              plan.total_macs, plan.parameters, static_cast<int64_t>(job.state), job.error,
              job.cancel_requested, job.created_us, job.started_us, job.ended_us, job.last_batch,
              job.worker_version, job.pause_requested, job.notice, job.restarts, job.candidates_reported);
  BindProgress(insert, job.progress);
  if (absl::Status status = insert.Run(); !status.ok()) return status;
  if (absl::Status status = InsertPlanRows(connection, job); !status.ok()) return status;
  return job.files.empty() ? absl::OkStatus() : PutFileRows(connection, job);
}

absl::Status PutFileRows(Connection& connection, const JobRecord& job) {
  absl::Status status = connection.Prepare("DELETE FROM job_files WHERE job_id = ?").Bind(job.id).Run();
  Statement put =
      connection.Prepare("INSERT INTO job_files (job_id, name, bytes, sha256) VALUES (?, ?, ?, ?)");
  for (size_t i = 0; status.ok() && i < job.files.size(); ++i) {
    status = put.Bind(job.id, job.files[i].name, job.files[i].bytes, job.files[i].sha256).Run();
  }
  return status;
}

absl::Status UpdateJobRows(Connection& connection, const JobRecord& job) {
  Statement update = connection.Prepare(absl::StrCat(
      "UPDATE jobs SET (state, error, cancel_requested, started_us, ended_us, last_batch, "
      "worker_version, pause_requested, notice, restarts, candidates_reported, ",
      kProgressColumns, ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ", kProgressParameters, ") WHERE id = ?"));
  update.Bind(static_cast<int64_t>(job.state), job.error, job.cancel_requested, job.started_us, job.ended_us,
              job.last_batch, job.worker_version, job.pause_requested, job.notice, job.restarts,
              job.candidates_reported);
  BindProgress(update, job.progress);
  if (absl::Status status = update.Bind(job.id).Run(); !status.ok()) return status;
  return PutResultRow(connection, job);
}

absl::StatusOr<JobRecord> ReadJob(Connection& connection, const std::string& id) {
  Statement select =
      connection.Prepare(absl::StrCat("SELECT ", kJobColumns, kProgressColumns, " FROM jobs WHERE id = ?"));
  absl::StatusOr<bool> row = select.Bind(id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(absl::StrCat("there is no job ", id));
  JobRecord job = ReadJobRow(select);
  if (!select.status().ok()) return select.status();
  if (absl::Status status = ReadRelated(connection, job); !status.ok()) return status;
  return job;
}

absl::StatusOr<Page<JobRecord>> ReadJobs(Connection& connection, const JobQuery& query) {
  std::string sql = absl::StrCat("SELECT ", kJobColumns, kProgressColumns, " FROM jobs WHERE 1");
  if (!query.id.empty()) absl::StrAppend(&sql, " AND id = ?");
  if (query.state) absl::StrAppend(&sql, " AND state = ?");
  const char* direction = query.newest_first ? " DESC" : "";
  if (!query.after_key.empty()) {
    absl::StrAppend(&sql, " AND (created_us, id) ", query.newest_first ? "<" : ">", " (?, ?)");
  }
  absl::StrAppend(&sql, " ORDER BY created_us", direction, ", id", direction, " LIMIT ?");

  Statement select = connection.Prepare(sql);
  if (!query.id.empty()) select.Bind(query.id);
  if (query.state) select.Bind(static_cast<int64_t>(*query.state));
  if (!query.after_key.empty()) {
    absl::StatusOr<JobKey> key = ReadJobKey(query);
    if (!key.ok()) return key.status();
    select.Bind(key->created_us, key->id);
  }
  select.Bind(static_cast<int64_t>(query.limit) + 1);

  Page<JobRecord> page;
  absl::StatusOr<bool> row = select.Step();
  for (; row.ok() && *row; row = select.Step()) {
    if (page.items.size() == static_cast<size_t>(query.limit)) {
      page.more = true;
      break;
    }
    page.items.push_back(ReadJobRow(select));
  }
  if (!row.ok()) return row.status();
  if (!select.status().ok()) return select.status();
  for (JobRecord& job : page.items) {
    if (absl::Status status = ReadRelated(connection, job); !status.ok()) return status;
  }
  if (!page.items.empty()) {
    page.last_key = WriteJobKey(query, {page.items.back().created_us, page.items.back().id});
  }
  return page;
}

}  // namespace precis::server
