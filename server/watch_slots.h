// WatchSlots: how many WatchJob streams may be open at once, over all clients.
//
// Threading: thread-safe.
#pragma once

#include <prometheus/gauge.h>

#include <atomic>
#include <memory>

namespace precis::server {

class WatchSlots;

// Held by a stream for as long as it lives.
struct WatchSlotRelease {
  void operator()(WatchSlots* slots) const;
};
using WatchSlot = std::unique_ptr<WatchSlots, WatchSlotRelease>;

class WatchSlots {
 public:
  // `open` follows the number of slots that are taken; it and this must outlive the slots.
  WatchSlots(int limit, prometheus::Gauge& open) : limit_(limit), open_(open) {}

  int limit() const { return limit_; }

  // nullptr if all are taken.
  WatchSlot Take() {
    if (taken_.fetch_add(1) >= limit_) {
      taken_.fetch_sub(1);
      return nullptr;
    }
    open_.Increment();
    return WatchSlot(this);
  }

 private:
  friend struct WatchSlotRelease;
  const int limit_;
  prometheus::Gauge& open_;
  std::atomic<int> taken_{0};
};

inline void WatchSlotRelease::operator()(WatchSlots* slots) const {
  slots->open_.Decrement();
  slots->taken_.fetch_sub(1);
}

}  // namespace precis::server
