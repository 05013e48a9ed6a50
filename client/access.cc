// Files and variables.
#include "client/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace precis::client {
namespace {

// An option, or else its variable: where it comes from and which file it names.
struct Source {
  std::string name;
  std::string path;
};

Source Choose(const char* option, const std::string& given, const char* variable,
              const Environment& environment) {
  if (!given.empty()) return {option, given};
  return {variable, environment.variable(variable).value_or("")};
}

std::string Read(const Source& source, std::vector<std::string>& faults) {
  if (source.path.empty()) return "";
  errno = 0;
  std::ifstream file(source.path, std::ios::binary);
  std::stringstream text;
  if (file) text << file.rdbuf();
  if (!file || text.str().empty()) {
    faults.push_back(absl::StrCat(
        source.name, " ", source.path, ": ",
        errno != 0 ? absl::StrCat("cannot be read: ", std::strerror(errno)) : "is empty or no file", "."));
    return "";
  }
  return text.str();
}

}  // namespace

bool IsLoopback(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  in_addr four;
  return host == "localhost" || host == "[::1]" ||
         (inet_pton(AF_INET, host.c_str(), &four) == 1 && (ntohl(four.s_addr) >> 24) == 127);
}

absl::StatusOr<Access> ReadAccess(const AccessOptions& options, const std::string& address,
                                  const Environment& environment) {
  std::vector<std::string> faults;
  const Source ca = Choose("--tls-ca", options.tls_ca, "PRECIS_TLS_CA", environment);
  const Source certificate = Choose("--tls-cert", options.tls_cert, "PRECIS_TLS_CERT", environment);
  const Source key = Choose("--tls-key", options.tls_key, "PRECIS_TLS_KEY", environment);
  Access access{Read(ca, faults), Read(certificate, faults), Read(key, faults), ""};
  if (certificate.path.empty() != key.path.empty()) {
    faults.emplace_back(
        "--tls-cert and --tls-key (PRECIS_TLS_CERT, PRECIS_TLS_KEY) belong together: one is missing.");
  }
  if (!certificate.path.empty() && ca.path.empty()) {
    faults.emplace_back(
        "--tls-cert is of use with --tls-ca alone (PRECIS_TLS_CA): the authority of the server.");
  }
  const std::string variable = environment.variable("PRECIS_TOKEN").value_or("");
  access.token =
      options.token_file.empty() && !variable.empty()
          ? variable
          : Read(Choose("--token-file", options.token_file, "PRECIS_TOKEN_FILE", environment), faults);
  absl::StripAsciiWhitespace(&access.token);
  for (const unsigned char c : access.token) {
    if (absl::ascii_isgraph(c)) continue;
    faults.emplace_back("the token is no token: it has characters in it that no token has.");
    break;
  }
  if (!access.token.empty() && ca.path.empty() && !IsLoopback(address)) {
    faults.push_back(
        absl::StrCat("the token would go to ", address,
                     " unencrypted, for all between to read. Give the server's authority with --tls-ca "
                     "(PRECIS_TLS_CA), or no token."));
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  return access;
}

}  // namespace precis::client
