// Refusals: what a file format cannot say of a candidate, layer by layer, all at once.
//
// Threading: not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "supernet/formats/format.h"

namespace precis::server {

class Refusals {
 public:
  // `reader`: who reads the file ("AIMET 1.0.0").
  explicit Refusals(std::string reader) : reader_(std::move(reader)) {}

  // `why` ends a sentence and names the nearest thing that works: "has no 3-bit floats: int4 is nearest".
  void Add(const std::string& layer, const std::string& what, const std::string& why);
  void Add(const std::string& layer, const Format& format, const std::string& why) {
    Add(layer, FormatName(format), why);
  }

  // OK if nothing was refused; else FAILED_PRECONDITION with all of it.
  absl::Status Status() const;

 private:
  std::string reader_;
  std::vector<std::string> refusals_;
};

}  // namespace precis::server
