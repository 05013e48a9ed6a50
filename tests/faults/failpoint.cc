// PRECIS_FAILPOINT=NAME:COUNT:FILE ends the process, as SIGKILL does, when it passes the failpoint for the
// COUNT-th time, unless FILE is there; FILE, with the process id in it, is made before, so that of a server
// and its workers one ends, once.
#include "supernet/formats/failpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace precis {
namespace {

struct Choice {
  std::string name;
  int64_t count = 0;
  std::string file;
};

Choice ReadChoice() {
  const char* text = std::getenv("PRECIS_FAILPOINT");
  const std::vector<std::string> parts = absl::StrSplit(text == nullptr ? "" : text, absl::MaxSplits(':', 2));
  Choice choice;
  if (parts.size() == 3 && absl::SimpleAtoi(parts[1], &choice.count)) {
    choice.name = parts[0];
    choice.file = parts[2];
  }
  return choice;
}

}  // namespace

void PassFailpoint(const char* name) {
  static const Choice* const choice = new Choice(ReadChoice());
  static std::atomic<int64_t> passed = 0;
  if (choice->name != name || ++passed != choice->count) return;
  const int file = open(choice->file.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return;
  dprintf(file, "%d\n", getpid());
  kill(getpid(), SIGKILL);
  while (true) pause();
}

}  // namespace precis
