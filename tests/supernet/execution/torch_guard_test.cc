// No exception gets past Guarded, and memory that ran out is told apart.
#include "supernet/execution/torch_guard.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <stdexcept>

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Run>
absl::Status Outcome(const Run& run) {
  return Guarded("testing", [&]() -> absl::Status {
    run();
    return absl::OkStatus();
  });
}

TEST(Guarded, PassesResultsThrough) {
  EXPECT_TRUE(Outcome([] {}).ok());
  EXPECT_EQ(Guarded("testing", [] { return absl::NotFoundError("x"); }).code(), absl::StatusCode::kNotFound);
}

TEST(Guarded, SaysWhatLibTorchSaysWithoutItsBacktrace) {
  const absl::Status status = Outcome([] { at::ones({2}).add(at::ones({3})); });
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("while testing"), HasSubstr("must match the size"), Not(HasSubstr("frame #"))));
}

TEST(Guarded, MemoryThatRanOutIsUnavailable) {
  const absl::Status allocator = Outcome([] { at::empty({int64_t{1} << 50}, at::kFloat); });
  const absl::Status standard = Outcome([] { throw std::bad_alloc(); });
  for (const absl::Status& status : {allocator, standard}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("Out of memory while testing"), HasSubstr("batch")));
  }
}

TEST(Guarded, EverythingElseIsInternal) {
  EXPECT_EQ(Outcome([] { throw std::runtime_error("odd"); }).message(), "Failed while testing: odd");
  EXPECT_EQ(Outcome([] { throw 7; }).code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace precis
