// An allocator over malloc.
#include "supernet/execution/host_memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace precis {
namespace {

// LibTorch's own allocator takes aligned memory from glibc, which cuts it out of a larger piece: small pieces
// are left before and behind, other small things move in there, and once the tensor is gone its place is too
// small for the next of its size. A step of ResNet-20 took a quarter more memory so, or more still, by
// chance. Here the alignment is part of what is asked for.
class HostAllocator final : public c10::Allocator {
 public:
  // LibTorch 1 declares the first, LibTorch 2 the second.
  c10::DataPtr allocate(size_t bytes) const { return Allocate(bytes); }  // NOLINT(modernize-use-override)
  c10::DataPtr allocate(size_t bytes) { return Allocate(bytes); }        // NOLINT(modernize-use-override)
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  // LibTorch 2 only.
  void copy_data(void* to, const void* from, size_t bytes) const {  // NOLINT(modernize-use-override)
    std::memcpy(to, from, bytes);
  }

 private:
  static constexpr uintptr_t kAlignment = 64;  // LibTorch's
  static constexpr size_t kExtra = kAlignment - 1 + sizeof(void*);

  static c10::DataPtr Allocate(size_t bytes) {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &Free, cpu};
    if (bytes > std::numeric_limits<size_t>::max() - kExtra) throw std::bad_alloc();
    void* const whole = std::malloc(bytes + kExtra);
    if (whole == nullptr) throw std::bad_alloc();
    const uintptr_t aligned =
        (reinterpret_cast<uintptr_t>(whole) + sizeof(void*) + kAlignment - 1) / kAlignment * kAlignment;
    void* const data = reinterpret_cast<void*>(aligned);
    static_cast<void**>(data)[-1] = whole;
    return {data, data, &Free, cpu};
  }

  static void Free(void* data) {
    if (data != nullptr) std::free(static_cast<void**>(data)[-1]);
  }
};

// Every step allocates the same large tensors. By default glibc gives each back to the kernel, which then
// clears its pages anew: a fifth of a training step and a third of an evaluation, measured.
void KeepFreedMemory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

}  // namespace

void SetUpHostMemory() {
  static HostAllocator& allocator = *new HostAllocator();
  KeepFreedMemory();
  c10::SetCPUAllocator(&allocator);
}

}  // namespace precis
