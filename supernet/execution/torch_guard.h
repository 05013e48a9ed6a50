// Where LibTorch's exceptions end: every call of the oracle runs inside Guarded. Internal to
// supernet/execution.
#pragma once

#include <type_traits>
#include <utility>

#include "absl/status/status.h"

namespace precis {

// The exception being handled as a status; call it inside a catch block. UNAVAILABLE, with a remedy, when
// memory ran out; INTERNAL for everything else. `doing` completes "Out of memory while …".
absl::Status StatusOfCurrentException(const char* doing);

// run(), or the status of what it threw. run returns absl::Status or absl::StatusOr.
template <typename Run>
std::invoke_result_t<Run> Guarded(const char* doing, Run&& run) {
  try {
    return std::forward<Run>(run)();
  } catch (...) {
    return StatusOfCurrentException(doing);
  }
}

}  // namespace precis
