// Environment: all that a command sees of the world around it, so that tests can run commands in-process.
#pragma once

#include <functional>
#include <istream>
#include <optional>
#include <ostream>
#include <string>

namespace precis::client {

struct Environment {
  std::istream* in = nullptr;   // a job file named "-"
  std::ostream* out = nullptr;  // data, and nothing else
  std::ostream* err = nullptr;  // progress, messages, errors
  bool out_is_terminal = false;

  // err is a terminal that understands control sequences (TERM=dumb does not): progress is one line
  // redrawn in place instead of a line now and then.
  bool live = false;
  bool color = false;            // live, and NO_COLOR is not set
  std::function<int()> columns;  // of the terminal, asked anew for every line; at least 20

  // An environment variable; nothing if it is unset or empty.
  std::function<std::optional<std::string>(const std::string& name)> variable;
};

// The process's own streams, terminal and variables.
Environment ProcessEnvironment();

}  // namespace precis::client
