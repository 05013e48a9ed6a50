// TLS from files: what is wrong with them, and gRPC's credentials over them, which follow the files as they
// change.
//
// Threading: pure but for reading the files.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>
#include <vector>

namespace precis::server {

// PEM files. Empty: none.
struct TlsFiles {
  std::string certificate;  // the server's, then those that lead from it towards its authority's
  std::string key;          // of the first of them; not encrypted
  std::string client_ca;    // if set, clients must show a certificate of one of these authorities
};

// Everything that is wrong, a sentence each, naming option and file: one of the pair missing, files that
// cannot be read or hold something else, a certificate that has expired or is not valid yet, a key that is
// not the certificate's.
std::vector<std::string> FaultsOf(const TlsFiles& files);

// For files without faults. Files that change later are taken up within two seconds, for new connections; as
// long as they do not fit together (one of the two replaced) or cannot be read, what was there before serves
// on. Replace them by renaming.
std::shared_ptr<grpc::ServerCredentials> TlsCredentials(const TlsFiles& files);

}  // namespace precis::server
