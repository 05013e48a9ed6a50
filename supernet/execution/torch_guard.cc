// LibTorch reports memory that ran out in three ways: bad_alloc, its own error type (CUDA), and a plain
// error whose text says so (its CPU allocator).
#include "supernet/execution/torch_guard.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace precis {
namespace {

absl::Status OutOfMemory(const char* doing, const std::string& detail) {
  return absl::UnavailableError(absl::StrCat("Out of memory while ", doing,
                                             ". Lower the batch sizes or run fewer jobs at once.",
                                             detail.empty() ? "" : " LibTorch says: ", detail));
}

}  // namespace

absl::Status StatusOfCurrentException(const char* doing) {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return OutOfMemory(doing, "");
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
                        absl::StrContains(message, "can't allocate memory") ||
                        absl::StrContains(message, "not enough memory") ||
                        absl::StrContains(message, "out of memory");
    if (memory) return OutOfMemory(doing, message);
    return absl::InternalError(absl::StrCat("LibTorch failed while ", doing, ": ", message));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("Failed while ", doing, ": ", error.what()));
  } catch (...) {
    return absl::InternalError(absl::StrCat("Failed while ", doing, ": unknown exception"));
  }
}

}  // namespace precis
