// The methods that SQLite calls, and what is left after a power cut.
#include "tests/fakes/faulty_vfs.h"

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <system_error>
#include <utility>

#include "supernet/formats/check.h"

namespace precis {

struct FaultyVfs::OpenFile {
  sqlite3_file base;
  std::string* path;  // null for files without a name, which are not looked at
  sqlite3_file* Real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  static OpenFile& Of(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file); }
};

FaultyVfs* FaultyVfs::current_ = nullptr;

FaultyVfs::FaultyVfs() : real_(sqlite3_vfs_find("unix")), vfs_(*real_) {
  PRECIS_CHECK(current_ == nullptr);
  current_ = this;
  vfs_.zName = "faulty";
  vfs_.szOsFile = static_cast<int>(sizeof(OpenFile)) + real_->szOsFile;
  vfs_.pNext = nullptr;
  vfs_.xOpen = Open;
  vfs_.xDelete = Delete;
  PRECIS_CHECK(sqlite3_vfs_register(&vfs_, 1) == SQLITE_OK);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, 1);
  current_ = nullptr;
}

void FaultyVfs::Arm(Fault fault, int64_t at) {
  fault_ = fault;
  at_ = at;
  count_ = 0;
  struck_ = false;
  files_.clear();
}

FaultyVfs::Fault FaultyVfs::Strike() {
  ++count_;
  if (fault_ == Fault::kNone || count_ < at_) return Fault::kNone;
  const bool first = !std::exchange(struck_, true);
  const bool lasts = fault_ == Fault::kForGood || fault_ == Fault::kFull || fault_ == Fault::kDead;
  return first || lasts ? fault_ : Fault::kNone;
}

FaultyVfs::Known& FaultyVfs::Of(const std::string& path) {
  const auto [found, is_new] = files_.try_emplace(path);
  if (is_new) {
    std::ifstream file(path, std::ios::binary);
    found->second.exists = static_cast<bool>(file);
    found->second.bytes.assign(std::istreambuf_iterator<char>(file), {});
  }
  return found->second;
}

void FaultyVfs::Apply(const Change& change, Known& known) {
  switch (change.kind) {
    case Change::Kind::kCreate:
      known.exists = true;
      return;
    case Change::Kind::kDelete:
      known = {};
      return;
    case Change::Kind::kTruncate:
      if (known.exists) known.bytes.resize(static_cast<size_t>(change.offset));
      return;
    case Change::Kind::kWrite: {
      if (!known.exists) return;
      const size_t end = static_cast<size_t>(change.offset) + change.bytes.size();
      if (known.bytes.size() < end) known.bytes.resize(end);
      std::memcpy(known.bytes.data() + change.offset, change.bytes.data(), change.bytes.size());
      return;
    }
  }
}

int FaultyVfs::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  (void)vfs;
  FaultyVfs& self = *current_;
  OpenFile& opened = OpenFile::Of(file);
  opened.base.pMethods = nullptr;
  opened.path = nullptr;
  if (name != nullptr) {
    const Known& known = self.Of(name);
    if (self.Strike() != Fault::kNone && (flags & SQLITE_OPEN_READONLY) == 0) return SQLITE_CANTOPEN;
    (void)known;
  }
  std::error_code error;
  const bool was_there = name != nullptr && std::filesystem::exists(name, error);
  const int code = self.real_->xOpen(self.real_, name, opened.Real(), flags, out_flags);
  if (opened.Real()->pMethods != nullptr) opened.base.pMethods = &Methods();
  if (code != SQLITE_OK || name == nullptr) return code;
  opened.path = new std::string(name);
  if (!was_there) self.Of(name).pending.push_back({.kind = Change::Kind::kCreate});
  return code;
}

int FaultyVfs::Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  (void)vfs;
  FaultyVfs& self = *current_;
  Known& known = self.Of(name);
  const Fault fault = self.Strike();
  if (fault != Fault::kNone && fault != Fault::kFull) return SQLITE_IOERR_DELETE;
  const int code = self.real_->xDelete(self.real_, name, 0);
  if (code != SQLITE_OK) return code;
  if (sync_folder != 0) {
    known = {};
  } else {
    known.pending.push_back({.kind = Change::Kind::kDelete});
  }
  return code;
}

int FaultyVfs::Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  OpenFile& opened = OpenFile::Of(file);
  FaultyVfs& self = *current_;
  if (opened.path == nullptr) return opened.Real()->pMethods->xWrite(opened.Real(), bytes, size, offset);
  const Fault fault = self.Strike();
  const int written = fault == Fault::kNone ? size : fault == Fault::kTorn ? size / 2 : 0;
  int code = SQLITE_OK;
  if (written > 0) {
    code = opened.Real()->pMethods->xWrite(opened.Real(), bytes, written, offset);
    self.Of(*opened.path)
        .pending.push_back(
            {.kind = Change::Kind::kWrite,
             .offset = offset,
             .bytes = std::string(static_cast<const char*>(bytes), static_cast<size_t>(written))});
  }
  if (fault == Fault::kNone) return code;
  return fault == Fault::kFull ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

int FaultyVfs::Truncate(sqlite3_file* file, sqlite3_int64 size) {
  OpenFile& opened = OpenFile::Of(file);
  if (opened.path != nullptr) {
    const Fault fault = current_->Strike();
    if (fault != Fault::kNone && fault != Fault::kFull) return SQLITE_IOERR_TRUNCATE;
    current_->Of(*opened.path).pending.push_back({.kind = Change::Kind::kTruncate, .offset = size});
  }
  return opened.Real()->pMethods->xTruncate(opened.Real(), size);
}

int FaultyVfs::Sync(sqlite3_file* file, int flags) {
  (void)flags;
  OpenFile& opened = OpenFile::Of(file);
  if (opened.path == nullptr) return SQLITE_OK;
  const Fault fault = current_->Strike();
  if (fault != Fault::kNone && fault != Fault::kFull) return SQLITE_IOERR_FSYNC;
  Known& known = current_->Of(*opened.path);
  for (const Change& change : std::exchange(known.pending, {})) Apply(change, known);
  return SQLITE_OK;
}

const sqlite3_io_methods& FaultyVfs::Methods() {
  static const sqlite3_io_methods methods = [] {
    const auto real = [](sqlite3_file* file) { return OpenFile::Of(file).Real(); };
    (void)real;
    sqlite3_io_methods m = {};
    m.iVersion = 2;  // without memory maps of the database, which could not be watched
    m.xClose = [](sqlite3_file* file) {
      OpenFile& opened = OpenFile::Of(file);
      delete std::exchange(opened.path, nullptr);
      return opened.Real()->pMethods->xClose(opened.Real());
    };
    m.xRead = [](sqlite3_file* file, void* bytes, int size, sqlite3_int64 offset) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xRead(behind, bytes, size, offset);
    };
    m.xWrite = Write;
    m.xTruncate = Truncate;
    m.xSync = Sync;
    m.xFileSize = [](sqlite3_file* file, sqlite3_int64* size) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xFileSize(behind, size);
    };
    m.xLock = [](sqlite3_file* file, int lock) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xLock(behind, lock);
    };
    m.xUnlock = [](sqlite3_file* file, int lock) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xUnlock(behind, lock);
    };
    m.xCheckReservedLock = [](sqlite3_file* file, int* result) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xCheckReservedLock(behind, result);
    };
    m.xFileControl = [](sqlite3_file* file, int operation, void* argument) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xFileControl(behind, operation, argument);
    };
    m.xSectorSize = [](sqlite3_file* file) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xSectorSize(behind);
    };
    m.xDeviceCharacteristics = [](sqlite3_file* file) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xDeviceCharacteristics(behind);
    };
    m.xShmMap = [](sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xShmMap(behind, page, size, extend, memory);
    };
    m.xShmLock = [](sqlite3_file* file, int offset, int count, int flags) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xShmLock(behind, offset, count, flags);
    };
    m.xShmBarrier = [](sqlite3_file* file) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      behind->pMethods->xShmBarrier(behind);
    };
    m.xShmUnmap = [](sqlite3_file* file, int remove) {
      sqlite3_file* behind = OpenFile::Of(file).Real();
      return behind->pMethods->xShmUnmap(behind, remove);
    };
    return m;
  }();
  return methods;
}

void FaultyVfs::PowerCut(uint64_t seed) {
  std::mt19937_64 dice(seed);
  for (auto& [path, known] : files_) {
    const uint64_t mood = dice() % 4;  // 0: nothing of it was written, 1: all, else by chance
    for (Change& change : known.pending) {
      const uint64_t luck = mood < 2 ? mood : dice() % 3;
      if (luck == 0) continue;
      if (luck == 2) change.bytes.resize(change.bytes.size() / 2);
      Apply(change, known);
    }
    known.pending.clear();
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    if (known.exists) std::ofstream(path, std::ios::binary) << known.bytes;
  }
  files_.clear();
}

}  // namespace precis
