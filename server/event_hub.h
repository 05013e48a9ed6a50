// EventHub: wakes those who watch a job when its log has grown.
//
// The store is the log; the hub carries no events. A watcher reads on from its own position when woken,
// so a slow one holds nothing and nobody, and a wake-up too many does no harm.
//
// Threading: thread-safe. Wake-ups come from the hub's one thread, one after the other.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace precis::server {

class Watcher {
 public:
  virtual ~Watcher() = default;
  // Something was added since the last call, perhaps. Must not block.
  virtual void Wake() = 0;
  // There will be no more wake-ups.
  virtual void Close() = 0;
};

class EventHub {
 public:
  EventHub();
  ~EventHub();

  // Wakes the watcher after each later Notify(job_id) until it is destroyed; the hub does not keep it alive.
  // Watch first, read the store then: what is added in between wakes. False if the hub is closed.
  bool Watch(const std::string& job_id, const std::shared_ptr<Watcher>& watcher);

  // The job's log has grown, or the job is gone. Returns at once.
  void Notify(const std::string& job_id);

  // Closes all watchers, from the caller's thread, and takes no more. For shutting down.
  void Close();

 private:
  void Run();

  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<std::string, std::vector<std::weak_ptr<Watcher>>> watchers_;
  std::set<std::string> dirty_;
  bool closed_ = false;
  bool stopping_ = false;

  std::thread thread_;
};

}  // namespace precis::server
