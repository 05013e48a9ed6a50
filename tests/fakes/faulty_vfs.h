// FaultyVfs: a file system under SQLite that fails when it is told to, and forgets what was not synchronised
// when the power is cut. For tests only.
//
// It stands before SQLite's own unix file system as the default one. Operations are counted: opening,
// writing, synchronising, truncating and deleting a named file. At the chosen one
//   kOnce      the operation fails and does nothing
//   kForGood   it and all after it fail
//   kTorn      if it is a write, half of it is written before it fails
//   kFull      if it is a write, the disk is full, from here on
//   kDead      it and all after it fail, as for a process that was killed: what was written before stays,
//   synchronised
//              or not, unless PowerCut follows
//
// Power: PowerCut leaves of each file what was synchronised, and of what came after it by chance nothing,
// all, or some of the writes, some of these half: so also later ones without earlier ones. Bytes beside a
// torn write are unharmed (SQLITE_IOCAP_POWERSAFE_OVERWRITE, which SQLite assumes). Nothing is really
// synchronised, so the tests are fast.
//
// Threading: one thread.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace precis {

class FaultyVfs {
 public:
  enum class Fault { kNone, kOnce, kForGood, kTorn, kFull, kDead };

  // Registers itself; one at a time.
  FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  ~FaultyVfs();

  // Forgets what it knew of files, which are then taken as they are on disk; counts from 0. The `at`-th
  // operation, from 1, fails.
  void Arm(Fault fault, int64_t at);
  // From now on nothing fails.
  void Disarm() { fault_ = Fault::kNone; }
  // Operations since Arm.
  int64_t count() const { return count_; }
  // Whether the fault has come.
  bool struck() const { return struck_; }
  // With all files closed.
  void PowerCut(uint64_t seed);

 private:
  struct Change {
    enum class Kind { kWrite, kTruncate, kCreate, kDelete } kind;
    int64_t offset = 0;  // kTruncate: the size
    std::string bytes = {};
  };
  struct Known {
    bool exists = false;  // on a disk whose power is cut now
    std::string bytes = {};
    std::vector<Change> pending = {};
  };
  struct OpenFile;  // SQLite's, with the real one behind it

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags);
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder);
  static int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset);
  static int Truncate(sqlite3_file* file, sqlite3_int64 size);
  static int Sync(sqlite3_file* file, int flags);
  static const sqlite3_io_methods& Methods();

  // What has become of an operation: kNone, it is to be done; else how it fails.
  Fault Strike();
  Known& Of(const std::string& path);
  static void Apply(const Change& change, Known& known);

  static FaultyVfs* current_;

  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  Fault fault_ = Fault::kNone;
  int64_t at_ = 0;
  int64_t count_ = 0;
  bool struck_ = false;
  std::map<std::string, Known> files_;
};

}  // namespace precis
