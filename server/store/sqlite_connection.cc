// SQLite connections, statements and transactions.
#include "server/store/sqlite_connection.h"

#include <sqlite3.h>

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"
#include "supernet/formats/failpoint.h"

namespace precis::server {
namespace {

constexpr int kBusyTimeoutMs = 5000;

// EXTRA, for the change to the write-ahead log: it goes through a rollback journal, whose deletion must be on
// disk before anything else is, or a power cut brings it back, and with it the first page as it was. Of a
// large store the indexes that every candidate goes into do not fit SQLite's own 2 MiB of cache (here KiB,
// hence the minus), and a checkpoint every 4 MiB writes the same pages again and again.
constexpr char kWriterPragmas[] =
    "PRAGMA synchronous=EXTRA; PRAGMA journal_mode=WAL; PRAGMA cache_size=-65536; PRAGMA "
    "wal_autocheckpoint=4096;";
constexpr char kReaderPragmas[] = "PRAGMA query_only=ON; PRAGMA cache_size=-8192;";

}  // namespace

absl::Status SqliteStatus(int extended_code, absl::string_view message) {
  const std::string text = absl::StrCat("store: ", message);
  switch (extended_code) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
      return absl::OkStatus();
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return absl::AlreadyExistsError(text);
    default:
      break;
  }
  switch (extended_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(text);
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PROTOCOL:
    case SQLITE_PERM:
    case SQLITE_NOLFS:
      return absl::UnavailableError(text);
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(text);
    default:
      return absl::InternalError(absl::StrCat(text, " (code ", extended_code, ")"));
  }
}

std::string FileUri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      absl::StrAppend(&uri, "%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    } else {
      uri.push_back(c);
    }
  }
  return uri;
}

Statement::Statement(sqlite3* database, sqlite3_stmt* statement, bool* in_use, absl::Status status)
    : database_(database), statement_(statement), in_use_(in_use), status_(std::move(status)) {
  if (in_use_ != nullptr) *in_use_ = true;
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      in_use_(std::exchange(other.in_use_, nullptr)),
      status_(std::move(other.status_)),
      parameter_(other.parameter_),
      column_(other.column_) {}

Statement::~Statement() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  *in_use_ = false;
}

void Statement::Check(int code) {
  if (code != SQLITE_OK && status_.ok()) {
    status_ = SqliteStatus(sqlite3_extended_errcode(database_), sqlite3_errmsg(database_));
  }
}

void Statement::BindNext(int64_t value) {
  if (status_.ok()) Check(sqlite3_bind_int64(statement_, ++parameter_, value));
}

void Statement::BindNext(double value) {
  if (status_.ok()) Check(sqlite3_bind_double(statement_, ++parameter_, value));
}

void Statement::BindNext(std::string_view value) {
  if (!status_.ok()) return;
  Check(sqlite3_bind_text64(statement_, ++parameter_, value.empty() ? "" : value.data(), value.size(),
                            SQLITE_TRANSIENT, SQLITE_UTF8));
}

void Statement::BindNext(std::nullopt_t) {
  if (status_.ok()) Check(sqlite3_bind_null(statement_, ++parameter_));
}

void Statement::BindNext(const BlobValue& value) {
  if (!status_.ok()) return;
  Check(sqlite3_bind_blob64(statement_, ++parameter_, value.bytes.empty() ? "" : value.bytes.data(),
                            value.bytes.size(), SQLITE_TRANSIENT));
}

absl::StatusOr<bool> Statement::Step() {
  if (!status_.ok()) return status_;
  const int code = sqlite3_step(statement_);
  column_ = 0;
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  status_ = SqliteStatus(sqlite3_extended_errcode(database_), sqlite3_errmsg(database_));
  return status_;
}

absl::Status Statement::Run() {
  while (true) {
    absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
  }
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
  parameter_ = 0;
  return absl::OkStatus();
}

int64_t Statement::Int() { return sqlite3_column_int64(statement_, column_++); }

int64_t Statement::IntUpTo(int64_t last) {
  const int64_t value = Int();
  if (value >= 0 && value <= last) return value;
  if (status_.ok()) status_ = absl::DataLossError("store: a row holds a value that nobody wrote");
  return 0;
}

double Statement::Double() {
  if (IsNull()) {
    ++column_;
    return std::numeric_limits<double>::quiet_NaN();
  }
  return sqlite3_column_double(statement_, column_++);
}

std::string Statement::Text() {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column_));
  const int size = sqlite3_column_bytes(statement_, column_++);
  return data == nullptr ? std::string() : std::string(data, static_cast<size_t>(size));
}

std::string Statement::Blob() {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column_));
  const int size = sqlite3_column_bytes(statement_, column_++);
  return data == nullptr ? std::string() : std::string(data, static_cast<size_t>(size));
}

bool Statement::IsNull() const { return sqlite3_column_type(statement_, column_) == SQLITE_NULL; }

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, Access access) {
  const bool archive = access == Access::kArchive;
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= archive ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE;
  if (access == Access::kWriter) flags |= SQLITE_OPEN_CREATE;
  sqlite3* database = nullptr;
  const std::string name = archive ? FileUri(path) + "?immutable=1" : path;
  const int code = sqlite3_open_v2(name.c_str(), &database, flags, nullptr);
  if (database == nullptr) return absl::ResourceExhaustedError("store: out of memory");
  std::unique_ptr<Connection> connection(new Connection(database));
  if (code != SQLITE_OK) return SqliteStatus(code, absl::StrCat(path, ": ", sqlite3_errmsg(database)));
  sqlite3_busy_timeout(database, kBusyTimeoutMs);
  std::string pragmas = "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;";
  absl::StrAppend(&pragmas, access == Access::kWriter ? kWriterPragmas : kReaderPragmas);
  if (absl::Status status = connection->Execute(pragmas); !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
  }
  return connection;
}

Connection::~Connection() {
  for (auto& [sql, cached] : cache_) sqlite3_finalize(cached.statement);
  sqlite3_close_v2(database_);
}

Statement Connection::Prepare(const std::string& sql) {
  Cached& cached = cache_[sql];
  PRECIS_CHECK(!cached.in_use);
  if (cached.statement == nullptr) {
    const int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &cached.statement, nullptr);
    if (code != SQLITE_OK) {
      return Statement(database_, nullptr, nullptr, SqliteStatus(code, sqlite3_errmsg(database_)));
    }
  }
  return Statement(database_, cached.statement, &cached.in_use, absl::OkStatus());
}

absl::Status Connection::CopyTo(const std::string& path) {
  sqlite3* raw = nullptr;
  constexpr int kFlags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE | SQLITE_OPEN_NOMUTEX;
  const int opened = sqlite3_open_v2(path.c_str(), &raw, kFlags, nullptr);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> copy(raw, sqlite3_close_v2);
  if (opened != SQLITE_OK) return SqliteStatus(opened, absl::StrCat(path, ": ", sqlite3_errmsg(raw)));
  sqlite3_backup* backup = sqlite3_backup_init(raw, "main", database_, "main");
  // In one step, which holds one snapshot: in pieces it would begin anew with every commit.
  if (backup != nullptr) sqlite3_backup_step(backup, -1);
  if (backup == nullptr || sqlite3_backup_finish(backup) != SQLITE_OK) {
    return SqliteStatus(sqlite3_extended_errcode(raw), absl::StrCat(path, ": ", sqlite3_errmsg(raw)));
  }
  const int settled = sqlite3_exec(raw, "PRAGMA journal_mode=DELETE", nullptr, nullptr, nullptr);
  return SqliteStatus(settled, absl::StrCat(path, ": ", sqlite3_errmsg(raw)));
}

absl::Status Connection::Execute(const std::string& script) {
  const int code = sqlite3_exec(database_, script.c_str(), nullptr, nullptr, nullptr);
  if (code == SQLITE_OK) return absl::OkStatus();
  return SqliteStatus(sqlite3_extended_errcode(database_), sqlite3_errmsg(database_));
}

absl::Status Connection::SetDurability(Durability durability) {
  if (durability_ == durability) return absl::OkStatus();
  absl::Status status =
      Execute(durability == Durability::kPowerCut ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  if (status.ok()) durability_ = durability;
  return status;
}

absl::StatusOr<Transaction> Transaction::Begin(Connection& connection, Kind kind) {
  absl::Status status = connection.Prepare(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN").Run();
  if (!status.ok()) return status;
  return Transaction(&connection);
}

Transaction::Transaction(Transaction&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

Transaction::~Transaction() {
  // SQLite may have rolled back by itself after an error; then this one has nothing to do and says so.
  if (connection_ != nullptr) (void)connection_->Prepare("ROLLBACK").Run();
}

absl::Status Transaction::Commit() {
  PRECIS_FAILPOINT("store/changed");
  absl::Status status = connection_->Prepare("COMMIT").Run();
  PRECIS_FAILPOINT("store/committed");
  if (status.ok()) connection_ = nullptr;
  return status;
}

}  // namespace precis::server
