// precis: the command line client of a Precis server.
#include <string>
#include <vector>

#include "client/command_line.h"
#include "client/environment.h"

int main(int argc, char** argv) {
  return precis::client::RunPrecis(std::vector<std::string>(argv + 1, argv + argc),
                                   precis::client::ProcessEnvironment());
}
