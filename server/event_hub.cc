// The hub's thread.
#include "server/event_hub.h"

#include <utility>

namespace precis::server {

EventHub::EventHub() : thread_([this] { Run(); }) {}

EventHub::~EventHub() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

bool EventHub::Watch(const std::string& job_id, const std::shared_ptr<Watcher>& watcher) {
  std::lock_guard lock(mutex_);
  if (closed_) return false;
  std::vector<std::weak_ptr<Watcher>>& list = watchers_[job_id];
  std::erase_if(list, [](const std::weak_ptr<Watcher>& each) { return each.expired(); });
  list.push_back(watcher);
  return true;
}

void EventHub::Notify(const std::string& job_id) {
  std::lock_guard lock(mutex_);
  if (!watchers_.contains(job_id)) return;
  dirty_.insert(job_id);
  wake_.notify_one();
}

void EventHub::Close() {
  std::vector<std::shared_ptr<Watcher>> open;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& [job_id, list] : watchers_) {
      for (const std::weak_ptr<Watcher>& each : list) {
        if (std::shared_ptr<Watcher> watcher = each.lock(); watcher != nullptr)
          open.push_back(std::move(watcher));
      }
    }
    watchers_.clear();
  }
  for (const std::shared_ptr<Watcher>& watcher : open) watcher->Close();
}

void EventHub::Run() {
  while (true) {
    std::vector<std::shared_ptr<Watcher>> woken;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !dirty_.empty(); });
      if (stopping_) return;
      for (const std::string& job_id : std::exchange(dirty_, {})) {
        auto found = watchers_.find(job_id);
        if (found == watchers_.end()) continue;
        std::erase_if(found->second, [&](const std::weak_ptr<Watcher>& each) {
          std::shared_ptr<Watcher> watcher = each.lock();
          if (watcher == nullptr) return true;
          woken.push_back(std::move(watcher));
          return false;
        });
        if (found->second.empty()) watchers_.erase(found);
      }
    }
    for (const std::shared_ptr<Watcher>& watcher : woken) watcher->Wake();
  }
}

}  // namespace precis::server
