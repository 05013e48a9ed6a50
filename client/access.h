// How a client comes in: certificates and token, from options and variables.
//
// Threading: pure but for reading the files.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/environment.h"

namespace precis::client {

// Options as given; "" where they were not. Each has a variable, which the option wins over: PRECIS_TLS_CA,
// PRECIS_TLS_CERT, PRECIS_TLS_KEY, PRECIS_TOKEN_FILE.
struct AccessOptions {
  std::string tls_ca;  // PEM file of the authorities that a server's certificate is believed of; turns TLS on
  std::string tls_cert;  // PEM files of this client's own certificate and key, for servers that ask for one
  std::string tls_key;
  std::string token_file;  // "-" is not special; white space around the token is dropped
};

// What the files and variables hold.
struct Access {
  std::string ca;  // "": no TLS
  std::string certificate;
  std::string key;
  std::string token;  // "": none

  bool encrypted() const { return !ca.empty(); }
};

// --token-file wins over PRECIS_TOKEN, which holds the token itself, and that over PRECIS_TOKEN_FILE.
// INVALID_ARGUMENT with everything that is wrong, a line each: files that cannot be read or are empty, a
// certificate without its key or without --tls-ca, a token that would cross the network in plain (`address`
// is not loopback and there is no TLS).
absl::StatusOr<Access> ReadAccess(const AccessOptions& options, const std::string& address,
                                  const Environment& environment);

// Whether host:port is this machine: 127.0.0.0/8, [::1], localhost.
bool IsLoopback(const std::string& address);

}  // namespace precis::client
