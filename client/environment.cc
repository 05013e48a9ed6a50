// The process's streams, terminal and variables as an Environment.
#include "client/environment.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

namespace precis::client {
namespace {

constexpr int kDefaultColumns = 80;
constexpr int kFewestColumns = 20;

int TerminalColumns() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultColumns;
  return std::max<int>(size.ws_col, kFewestColumns);
}

std::optional<std::string> Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return std::string(value);
}

}  // namespace

Environment ProcessEnvironment() {
  Environment environment;
  environment.in = &std::cin;
  environment.out = &std::cout;
  environment.err = &std::cerr;
  environment.out_is_terminal = isatty(STDOUT_FILENO) == 1;
  environment.live = isatty(STDERR_FILENO) == 1 && Variable("TERM").value_or("dumb") != "dumb";
  environment.color = environment.live && !Variable("NO_COLOR");
  environment.columns = TerminalColumns;
  environment.variable = Variable;
  return environment;
}

}  // namespace precis::client
