// Rows of candidates and their costs.
#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/store/page_key.h"
#include "server/store/sqlite_rows.h"

namespace precis::server {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the ends of ranges are kept as little-endian doubles");

std::string_view DoubleBytes(const std::vector<double>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)};
}

// Upper ends in activation_max_abs, lower ones in activation_low, which is empty in rows from before there
// were formats with a zero point.
std::vector<double> Ends(const std::vector<ActivationRange>& ranges, double ActivationRange::*end) {
  std::vector<double> ends(ranges.size());
  std::transform(ranges.begin(), ranges.end(), ends.begin(),
                 [end](const ActivationRange& range) { return range.*end; });
  return ends;
}

std::vector<ActivationRange> RangesOfEnds(const std::vector<double>& low, const std::vector<double>& high) {
  std::vector<ActivationRange> ranges;
  for (size_t i = 0; i < high.size(); ++i) {
    ranges.push_back({.low = low.size() == high.size() ? low[i] : -high[i], .high = high[i]});
  }
  return ranges;
}

std::vector<double> BytesToDoubles(const std::string& bytes) {
  std::vector<double> values(bytes.size() / sizeof(double));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(double));
  return values;
}

constexpr char kCandidateColumns[] =
    "c.number, c.assignment, c.origin, c.label, c.step, c.sampled_at, c.search_accuracy, c.search_loss, "
    "c.search_images, c.has_test, c.test_accuracy, c.test_loss, c.test_images, c.feasible, "
    "c.activation_max_abs, c.activation_low";

absl::StatusOr<search::Candidate> ReadCandidateRow(Statement& row) {
  search::Candidate candidate;
  candidate.number = row.Int();
  absl::StatusOr<Assignment> assignment = ParseAssignment(row.Text());
  if (!assignment.ok()) {
    return absl::DataLossError(
        absl::StrCat("store: candidate ", candidate.number, ": ", assignment.status().message()));
  }
  candidate.assignment = *std::move(assignment);
  candidate.origin = row.Value(search::Origin::kFinal);
  candidate.label = row.Text();
  candidate.step = row.Int();
  candidate.sampled_at = row.Int();
  candidate.search.accuracy = row.Double();
  candidate.search.loss = row.Double();
  candidate.search.images = row.Int();
  const bool has_test = row.Bool();
  Quality test;
  test.accuracy = row.Double();
  test.loss = row.Double();
  test.images = row.Int();
  if (has_test) candidate.test = test;
  candidate.feasible = row.Bool();
  const std::vector<double> high = BytesToDoubles(row.Blob());
  candidate.activation_ranges = RangesOfEnds(BytesToDoubles(row.Blob()), high);
  return candidate;
}

absl::Status ReadCosts(Connection& connection, const std::string& job_id, search::Candidate& candidate) {
  Statement costs = connection.Prepare(
      "SELECT value FROM candidate_costs WHERE job_id = ? AND number = ? ORDER BY position");
  costs.Bind(job_id, candidate.number);
  absl::StatusOr<bool> row = costs.Step();
  for (; row.ok() && *row; row = costs.Step()) candidate.costs.push_back(costs.Double());
  return row.status();
}

// The expression that the order sorts by.
const char* SortColumn(CandidateOrder order) {
  switch (order) {
    case CandidateOrder::kNumber:
      return "c.number";
    case CandidateOrder::kAccuracy:
      return "c.search_accuracy";
    case CandidateOrder::kCost:
      return "k.value";
  }
  return "";
}

double SortValue(const CandidateQuery& query, const search::Candidate& candidate) {
  switch (query.order) {
    case CandidateOrder::kNumber:
      return static_cast<double>(candidate.number);
    case CandidateOrder::kAccuracy:
      return candidate.search.accuracy;
    case CandidateOrder::kCost:
      return candidate.costs[static_cast<size_t>(query.cost_index)];
  }
  return 0;
}

struct Sizes {
  int64_t costs = 0;
  int64_t layers = 0;
};

// How much every candidate of the job has. NOT_FOUND.
absl::StatusOr<Sizes> ReadSizes(Connection& connection, const std::string& job_id) {
  Statement count = connection.Prepare(
      "SELECT (SELECT count(*) FROM job_costs WHERE job_id = jobs.id), "
      "(SELECT count(*) FROM job_layers WHERE job_id = jobs.id) FROM jobs WHERE id = ?");
  absl::StatusOr<bool> row = count.Bind(job_id).Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(absl::StrCat("there is no job ", job_id));
  Sizes sizes;
  sizes.costs = count.Int();
  sizes.layers = count.Int();
  return sizes;
}

// One walk along the keys of both tables.
absl::StatusOr<Page<search::Candidate>> ReadPoints(Connection& connection, const CandidateQuery& query,
                                                   int64_t costs) {
  CandidateQuery by_number = query;
  by_number.order = CandidateOrder::kNumber;
  by_number.descending = false;
  int64_t after = 0;
  if (!query.after_key.empty()) {
    const absl::StatusOr<CandidateKey> key = ReadCandidateKey(by_number);
    if (!key.ok()) return key.status();
    after = key->number;
  }
  Statement select = connection.Prepare(absl::StrCat(
      "SELECT c.number, c.search_accuracy, c.search_loss, c.search_images, c.feasible, k.value FROM "
      "candidates c JOIN candidate_costs k ON k.job_id = c.job_id AND k.number = c.number WHERE c.job_id = ? "
      "AND c.number > ?",
      query.feasible_only ? " AND c.feasible = 1" : "", " ORDER BY c.number, k.position LIMIT ?"));
  select.Bind(query.job_id, after, (static_cast<int64_t>(query.limit) + 1) * costs);
  Page<search::Candidate> page;
  absl::StatusOr<bool> row = select.Step();
  while (row.ok() && *row) {
    if (page.items.size() == static_cast<size_t>(query.limit)) {
      page.more = true;
      break;
    }
    search::Candidate& candidate = page.items.emplace_back();
    for (int64_t i = 0; i < costs && row.ok() && *row; ++i, row = select.Step()) {
      candidate.number = select.Int();
      candidate.search.accuracy = select.Double();
      candidate.search.loss = select.Double();
      candidate.search.images = select.Int();
      candidate.feasible = select.Bool();
      candidate.costs.push_back(select.Double());
    }
    if (row.ok() && static_cast<int64_t>(candidate.costs.size()) != costs)
      return absl::DataLossError(absl::StrCat("store: candidate ", candidate.number, " is incomplete"));
  }
  if (!row.ok()) return row.status();
  if (!select.status().ok()) return select.status();
  if (!page.items.empty()) {
    const int64_t last = page.items.back().number;
    page.last_key = WriteCandidateKey(by_number, {static_cast<double>(last), last});
  }
  return page;
}

}  // namespace

absl::Status PutCandidateRows(Connection& connection, const std::string& job_id,
                              const search::Candidate& candidate) {
  Statement put = connection.Prepare(
      "INSERT INTO candidates (job_id, number, assignment, origin, label, step, sampled_at, search_accuracy, "
      "search_loss, search_images, has_test, test_accuracy, test_loss, test_images, feasible, "
      "activation_max_abs, activation_low) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (job_id, number) DO UPDATE SET (assignment, origin, label, step, sampled_at, "
      "search_accuracy, search_loss, search_images, has_test, test_accuracy, test_loss, test_images, "
      "feasible, activation_max_abs, activation_low) = (excluded.assignment, excluded.origin, "
      "excluded.label, excluded.step, "
      "excluded.sampled_at, excluded.search_accuracy, excluded.search_loss, excluded.search_images, "
      "excluded.has_test, excluded.test_accuracy, excluded.test_loss, excluded.test_images, "
      "excluded.feasible, excluded.activation_max_abs, excluded.activation_low)");
  const Quality test = candidate.test.value_or(Quality{});
  const std::vector<double> high = Ends(candidate.activation_ranges, &ActivationRange::high);
  const std::vector<double> low = Ends(candidate.activation_ranges, &ActivationRange::low);
  put.Bind(job_id, candidate.number, AssignmentText(candidate.assignment),
           static_cast<int64_t>(candidate.origin), candidate.label, candidate.step, candidate.sampled_at,
           candidate.search.accuracy, candidate.search.loss, candidate.search.images,
           candidate.test.has_value(), test.accuracy, test.loss, test.images, candidate.feasible,
           Statement::AsBlob(DoubleBytes(high)), Statement::AsBlob(DoubleBytes(low)));
  if (absl::Status status = put.Run(); !status.ok()) return status;
  Statement cost = connection.Prepare(
      "INSERT OR REPLACE INTO candidate_costs (job_id, number, position, value) VALUES (?, ?, ?, ?)");
  for (size_t i = 0; i < candidate.costs.size(); ++i) {
    cost.Bind(job_id, candidate.number, static_cast<int64_t>(i), candidate.costs[i]);
    if (absl::Status status = cost.Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Page<search::Candidate>> ReadCandidates(Connection& connection, const CandidateQuery& query) {
  const absl::StatusOr<Sizes> sizes = ReadSizes(connection, query.job_id);
  if (!sizes.ok()) return sizes.status();
  if (query.points_only) return ReadPoints(connection, query, sizes->costs);
  if (query.order == CandidateOrder::kCost && (query.cost_index < 0 || query.cost_index >= sizes->costs)) {
    return absl::InvalidArgumentError(absl::StrCat("the job has no cost number ", query.cost_index));
  }
  const char* column = SortColumn(query.order);
  const bool by_cost = query.order == CandidateOrder::kCost;
  std::string sql = absl::StrCat("SELECT ", kCandidateColumns, " FROM candidates c");
  if (by_cost) {
    absl::StrAppend(&sql,
                    " JOIN candidate_costs k ON k.job_id = c.job_id AND k.number = c.number"
                    " AND k.position = ?");
  }
  absl::StrAppend(&sql, " WHERE c.job_id = ?");
  if (query.number > 0) absl::StrAppend(&sql, " AND c.number = ?");
  if (query.feasible_only) absl::StrAppend(&sql, " AND c.feasible = 1");
  if (!query.after_key.empty()) {
    absl::StrAppend(&sql, " AND (", column, query.descending ? " < ?" : " > ?", " OR (", column,
                    " = ? AND c.number > ?))");
  }
  absl::StrAppend(&sql, " ORDER BY ", column, query.descending ? " DESC" : "", ", c.number LIMIT ?");

  Statement select = connection.Prepare(sql);
  if (by_cost) select.Bind(query.cost_index);
  select.Bind(query.job_id);
  if (query.number > 0) select.Bind(query.number);
  if (!query.after_key.empty()) {
    absl::StatusOr<CandidateKey> key = ReadCandidateKey(query);
    if (!key.ok()) return key.status();
    select.Bind(key->value, key->value, key->number);
  }
  select.Bind(static_cast<int64_t>(query.limit) + 1);

  Page<search::Candidate> page;
  absl::StatusOr<bool> row = select.Step();
  for (; row.ok() && *row; row = select.Step()) {
    if (page.items.size() == static_cast<size_t>(query.limit)) {
      page.more = true;
      break;
    }
    absl::StatusOr<search::Candidate> candidate = ReadCandidateRow(select);
    if (!candidate.ok()) return candidate.status();
    page.items.push_back(*std::move(candidate));
  }
  if (!row.ok()) return row.status();
  if (!select.status().ok()) return select.status();
  for (search::Candidate& candidate : page.items) {
    if (absl::Status status = ReadCosts(connection, query.job_id, candidate); !status.ok()) return status;
    if (static_cast<int64_t>(candidate.costs.size()) != sizes->costs ||
        static_cast<int64_t>(candidate.assignment.layers.size()) != sizes->layers) {
      return absl::DataLossError(absl::StrCat("store: candidate ", candidate.number, " is incomplete"));
    }
  }
  if (!page.items.empty()) {
    const search::Candidate& last = page.items.back();
    page.last_key = WriteCandidateKey(query, {SortValue(query, last), last.number});
  }
  return page;
}

}  // namespace precis::server
