// The command line of `precis`.
#pragma once

#include <string>
#include <vector>

#include "client/environment.h"

namespace precis::client {

// Runs one command; `arguments` without the program's name. Returns the exit code (exit_codes.h). Data go to
// environment.out, everything else to environment.err. Blocks until the command is done. Nothing throws.
int RunPrecis(const std::vector<std::string>& arguments, const Environment& environment);

}  // namespace precis::client
