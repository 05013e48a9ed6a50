// A checkpoint file as the worker finds it.
#include <fstream>
#include <string>

#include "server/digest.h"
#include "server/worker/checkpoint.h"
#include "tests/fakes/temp_dir.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const precis::TempDir* const folder = new precis::TempDir();  // as long as the process
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const precis::server::Checkpoints checkpoints(folder->path(), "plan 0.1.0");
  const std::string path = folder->path() + "/checkpoint";
  std::ofstream(path, std::ios::binary) << bytes;
  checkpoints.Find().status().IgnoreError();
  std::ofstream(path, std::ios::binary) << precis::server::Sha256Hex(bytes) << "\n" << bytes;
  checkpoints.Find().status().IgnoreError();
  return 0;
}
