// One SQLite connection and its statements, with errors as statuses. Nothing above server/store sees it.
//
// Threading: a connection and its statements belong to one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace precis::server {

// The one place where SQLite's extended result codes become canonical ones:
//   damaged or foreign file => DATA_LOSS; disk full, out of memory => RESOURCE_EXHAUSTED;
//   locked, I/O fault, read-only, cannot open => UNAVAILABLE; unique or primary key => ALREADY_EXISTS;
//   any other constraint, a value too big => INVALID_ARGUMENT; everything else is our bug => INTERNAL.
absl::Status SqliteStatus(int extended_code, absl::string_view message);

// The "file:" URI of a path, whatever is in it, without parameters.
std::string FileUri(const std::string& path);

// A prepared statement lent by its connection; goes back reset and without bindings when destroyed, so
// that no snapshot stays open. Values are bound, and columns read, from left to right.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Binds the next parameters. NaN is stored as NULL, the only way SQLite has.
  template <typename... Values>
  Statement& Bind(const Values&... values) {
    (BindNext(values), ...);
    return *this;
  }

  // True: a row is there to be read. False: the end. Errors of Prepare and Bind are reported here too.
  absl::StatusOr<bool> Step();
  // Runs to the end, then is ready to be bound and run again.
  absl::Status Run();

  // The next column of the row.
  int64_t Int();
  bool Bool() { return Int() != 0; }
  double Double();  // NULL reads as NaN
  std::string Text();
  std::string Blob();
  bool IsNull() const;  // of the next column, which stays the next one
  // An enum whose values run from 0 to `last`. Any other number is a damaged file: DATA_LOSS from status().
  template <typename Enum>
  Enum Value(Enum last) {
    return static_cast<Enum>(IntUpTo(static_cast<int64_t>(last)));
  }
  // The first error so far.
  const absl::Status& status() const { return status_; }

 private:
  friend class Connection;
  Statement(sqlite3* database, sqlite3_stmt* statement, bool* in_use, absl::Status status);

  void BindNext(int64_t value);
  void BindNext(int value) { BindNext(static_cast<int64_t>(value)); }
  void BindNext(bool value) { BindNext(static_cast<int64_t>(value)); }
  void BindNext(double value);
  void BindNext(std::string_view value);
  void BindNext(const std::string& value) { BindNext(std::string_view(value)); }
  void BindNext(const char* value) { BindNext(std::string_view(value)); }
  void BindNext(std::nullopt_t);
  struct BlobValue {
    std::string_view bytes;
  };
  void BindNext(const BlobValue& value);
  template <typename T>
  void BindNext(const std::optional<T>& value) {
    value ? BindNext(*value) : BindNext(std::nullopt);
  }
  void Check(int code);
  int64_t IntUpTo(int64_t last);

  sqlite3* database_;
  sqlite3_stmt* statement_;
  bool* in_use_;
  absl::Status status_;
  int parameter_ = 0;
  int column_ = 0;

 public:
  // Marks bytes to be bound as a BLOB.
  static BlobValue AsBlob(std::string_view bytes) { return {bytes}; }
};

// kArchive: a file that nobody writes, such as a backup's; nothing is made beside it.
enum class Access { kWriter, kReader, kArchive };
enum class Durability { kProcessCrash, kPowerCut };

class Connection {
 public:
  // Opens (a writer also creates) the file and sets what SQLite keeps per connection: foreign keys on,
  // WAL, a busy time-out for outsiders such as a backup; a reader cannot write.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, Access access);
  ~Connection();
  Connection(const Connection&) = delete;

  // Compiled once per text and kept. One loan of a text at a time (checked).
  Statement Prepare(const std::string& sql);
  // Writes the database as one commit left it to a file of its own, which must not exist and which is
  // synchronised to disk and has no log. Writers of other connections go on meanwhile.
  absl::Status CopyTo(const std::string& path);
  // Runs a script of our own without parameters.
  absl::Status Execute(const std::string& script);
  // What commits from now on survive. Between transactions only.
  absl::Status SetDurability(Durability durability);

 private:
  struct Cached {
    sqlite3_stmt* statement = nullptr;
    bool in_use = false;
  };
  explicit Connection(sqlite3* database) : database_(database) {}

  sqlite3* database_;
  std::map<std::string, Cached> cache_;
  std::optional<Durability> durability_;
};

// A transaction that is rolled back unless committed.
class Transaction {
 public:
  enum class Kind { kRead, kWrite };  // kWrite takes the write lock at once, so it cannot fail half-way
  static absl::StatusOr<Transaction> Begin(Connection& connection, Kind kind);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  absl::Status Commit();

 private:
  explicit Transaction(Connection* connection) : connection_(connection) {}
  Connection* connection_;
};

}  // namespace precis::server
