// Parsing and probing of addresses.
#include "server/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace precis::server {
namespace {

bool IsFour(const std::string& host, in_addr& address) {
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}
bool IsSix(const std::string& host, in6_addr& address) {
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

std::string ListenAddress::Text() const {
  return host.find(':') == std::string::npos ? absl::StrCat(host, ":", port)
                                             : absl::StrCat("[", host, "]:", port);
}

bool ListenAddress::IsLoopback() const {
  in_addr four;
  in6_addr six;
  return (IsFour(host, four) && (ntohl(four.s_addr) >> 24) == 127) ||
         (IsSix(host, six) && IN6_IS_ADDR_LOOPBACK(&six) != 0);
}

absl::StatusOr<ListenAddress> ParseListenAddress(const std::string& text, absl::string_view option) {
  const auto bad = [&](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(option, " ", text, ": ", why));
  };
  const size_t colon = text.rfind(':');
  ListenAddress address;
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), &address.port) ||
      address.port < 0 || address.port > 65535) {
    return bad("give HOST:PORT with a port from 0 (any free one) to 65535, such as 127.0.0.1:7070");
  }
  absl::string_view host = absl::string_view(text).substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) {
    if (!absl::ConsumeSuffix(&host, "]")) return bad("the bracket is not closed");
  }
  address.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  in_addr four;
  in6_addr six;
  if (!IsFour(address.host, four) && !IsSix(address.host, six)) {
    return bad("HOST is an IP address of this machine (127.0.0.1, ::1, 0.0.0.0) or localhost");
  }
  return address;
}

absl::Status CheckAddressIsFree(const ListenAddress& address) {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  if (auto* four = reinterpret_cast<sockaddr_in*>(&storage);
      inet_pton(AF_INET, address.host.c_str(), &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(static_cast<uint16_t>(address.port));
    size = sizeof *four;
  } else if (auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
             inet_pton(AF_INET6, address.host.c_str(), &six->sin6_addr) == 1) {
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(static_cast<uint16_t>(address.port));
    size = sizeof *six;
  }
  const int probe = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address.Text(), ": ", std::strerror(errno)));
  }
  const int on = 1;
  setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int reason = bind(probe, reinterpret_cast<sockaddr*>(&storage), size) == 0 ? 0 : errno;
  close(probe);
  if (reason == 0) return absl::OkStatus();
  const char* remedy = reason == EADDRINUSE
                           ? "another program listens there. Stop it or choose another port with "
                             "--listen (port 0 takes any free one)."
                           : "choose another address with --listen.";
  return absl::UnavailableError(
      absl::StrCat("cannot listen on ", address.Text(), ": ", std::strerror(reason), ": ", remedy));
}

}  // namespace precis::server
