// Rows of events.
#include "absl/strings/str_cat.h"
#include "server/store/sqlite_progress.h"
#include "server/store/sqlite_rows.h"

namespace precis::server {

absl::Status AppendEventRow(Connection& connection, const std::string& job_id, const Event& event) {
  constexpr char kHead[] =
      "INSERT INTO events (job_id, number, time_us, kind, state, message, candidate_number";
  constexpr char kValues[] =
      ") SELECT ?1, 1 + ifnull((SELECT max(number) FROM events WHERE job_id = ?1), 0), ?2, ?3, ?4, ?5, ?6";
  const auto kind = static_cast<int64_t>(event.kind);
  switch (event.kind) {
    case Event::Kind::kState:
      return connection.Prepare(absl::StrCat(kHead, kValues))
          .Bind(job_id, event.time_us, kind, static_cast<int64_t>(event.state), event.message, std::nullopt)
          .Run();
    case Event::Kind::kCandidate:
      return connection.Prepare(absl::StrCat(kHead, kValues))
          .Bind(job_id, event.time_us, kind, std::nullopt, std::nullopt, event.candidate_number)
          .Run();
    case Event::Kind::kProgress: {
      Statement insert =
          connection.Prepare(absl::StrCat(kHead, ", ", kProgressColumns, kValues, ", ", kProgressParameters));
      insert.Bind(job_id, event.time_us, kind, std::nullopt, std::nullopt, std::nullopt);
      BindProgress(insert, event.progress);
      return insert.Run();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Page<Event>> ReadEvents(Connection& connection, const EventQuery& query) {
  Statement job = connection.Prepare("SELECT 1 FROM jobs WHERE id = ?");
  absl::StatusOr<bool> row = job.Bind(query.job_id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(absl::StrCat("there is no job ", query.job_id));

  Statement select = connection.Prepare(
      absl::StrCat("SELECT number, time_us, kind, state, message, candidate_number, ", kProgressColumns,
                   " FROM events WHERE job_id = ? AND number > ? ORDER BY number LIMIT ?"));
  select.Bind(query.job_id, query.after_number, static_cast<int64_t>(query.limit) + 1);
  Page<Event> page;
  for (row = select.Step(); row.ok() && *row; row = select.Step()) {
    if (page.items.size() == static_cast<size_t>(query.limit)) {
      page.more = true;
      break;
    }
    Event event;
    event.number = select.Int();
    event.time_us = select.Int();
    event.kind = select.Value(Event::Kind::kCandidate);
    event.state = select.Value(JobState::kPaused);
    event.message = select.Text();
    event.candidate_number = select.Int();
    if (event.kind == Event::Kind::kProgress) event.progress = ReadProgress(select);
    page.items.push_back(std::move(event));
  }
  if (!row.ok()) return row.status();
  if (!select.status().ok()) return select.status();
  return page;
}

}  // namespace precis::server
