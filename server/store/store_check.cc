// Opening a file that may be in use, read only.
#include "server/store/store_check.h"

#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite_connection.h"
#include "server/store/sqlite_schema.h"

namespace precis::server {
namespace {

constexpr int kStrictTablesSince = 3037000;
constexpr int kBusyTimeoutMs = 5000;

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

int64_t FileBytes(const std::string& path) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

absl::Status ErrorOf(sqlite3* database) {
  return SqliteStatus(sqlite3_extended_errcode(database), sqlite3_errmsg(database));
}

// The first column of every row.
absl::StatusOr<std::vector<std::string>> Rows(sqlite3* database, const char* sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database, sql, -1, &raw, nullptr) != SQLITE_OK) return ErrorOf(database);
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(raw, sqlite3_finalize);
  std::vector<std::string> rows;
  int code = SQLITE_OK;
  while ((code = sqlite3_step(raw)) == SQLITE_ROW) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(raw, 0));
    rows.emplace_back(text == nullptr ? "" : text);
  }
  if (code != SQLITE_DONE) return ErrorOf(database);
  return rows;
}

absl::StatusOr<int64_t> Number(sqlite3* database, const char* sql) {
  absl::StatusOr<std::vector<std::string>> rows = Rows(database, sql);
  if (!rows.ok()) return rows.status();
  return rows->empty() ? 0 : std::stoll((*rows)[0]);
}

}  // namespace

absl::StatusOr<StoreCondition> ExamineStore(const std::string& data_dir) {
  const std::string path = absl::StrCat(data_dir, "/precis.db");
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return absl::NotFoundError(absl::StrCat("there is no ", path));
  StoreCondition condition;
  condition.known_version = SchemaVersion();
  condition.bytes = FileBytes(path);
  condition.wal_bytes = FileBytes(path + "-wal");
  // Without a log nobody writes, and SQLite need not make the files by which writers and readers agree, which
  // would belong to whoever looks, not to the server. With a log it must be read, and the files are there.
  const bool immutable = condition.wal_bytes == 0;
  const std::string uri = absl::StrCat(FileUri(path), immutable ? "?immutable=1" : "");
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(uri.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
  const Database database(raw);
  if (code != SQLITE_OK) return raw == nullptr ? absl::ResourceExhaustedError("no memory") : ErrorOf(raw);
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  absl::StatusOr<int64_t> application = Number(raw, "PRAGMA application_id");
  if (!application.ok()) return application.status();
  condition.is_store = *application == StoreApplicationId();
  absl::StatusOr<int64_t> version = Number(raw, "PRAGMA user_version");
  if (!version.ok()) return version.status();
  condition.schema_version = *version;
  absl::StatusOr<std::vector<std::string>> faults = Rows(raw, "PRAGMA quick_check(10)");
  if (!faults.ok()) return faults.status();
  if (*faults != std::vector<std::string>{"ok"}) condition.faults = *std::move(faults);
  return condition;
}

std::string SqliteVersion() { return sqlite3_libversion(); }

bool SqliteIsNewEnough() { return sqlite3_libversion_number() >= kStrictTablesSince; }

}  // namespace precis::server
