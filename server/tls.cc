// OpenSSL judges the files at the start; gRPC watches them afterwards.
#include "server/tls.h"

#include <grpc/grpc_security.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace precis::server {
namespace {

constexpr unsigned kRefreshSeconds = 1;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

// Null, and a fault, if the file cannot be opened.
Bio Open(const char* option, const std::string& path, std::vector<std::string>& faults) {
  errno = 0;
  Bio file(BIO_new_file(path.c_str(), "r"), &BIO_free);
  if (file == nullptr) {
    faults.push_back(absl::StrCat(option, " ", path, ": cannot be read: ", std::strerror(errno), "."));
  }
  return file;
}

// Null, and a fault, unless the file begins with a certificate that is valid now.
Certificate ReadCertificate(const char* option, const std::string& path, std::vector<std::string>& faults) {
  Certificate certificate(nullptr, &X509_free);
  const Bio file = Open(option, path, faults);
  if (file == nullptr) return certificate;
  certificate.reset(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) {
    faults.push_back(absl::StrCat(option, " ", path, ": holds no certificate in PEM form."));
  } else if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) {
    faults.push_back(absl::StrCat(option, " ", path, ": the certificate has expired. Renew it."));
  } else if (X509_cmp_current_time(X509_get0_notBefore(certificate.get())) > 0) {
    faults.push_back(
        absl::StrCat(option, " ", path, ": the certificate is not valid yet. Is the clock right?"));
  }
  return certificate;
}

Key ReadKey(const std::string& path, std::vector<std::string>& faults) {
  Key key(nullptr, &EVP_PKEY_free);
  const Bio file = Open("--tls-key", path, faults);
  if (file == nullptr) return key;
  // The empty password keeps OpenSSL from asking on the terminal.
  key.reset(PEM_read_bio_PrivateKey(file.get(), nullptr, nullptr, const_cast<char*>("")));
  if (key == nullptr) {
    faults.push_back(
        absl::StrCat("--tls-key ", path, ": holds no private key in PEM form, or one that is encrypted."));
  }
  return key;
}

}  // namespace

std::vector<std::string> FaultsOf(const TlsFiles& files) {
  std::vector<std::string> faults;
  if (files.certificate.empty() != files.key.empty()) {
    faults.emplace_back(files.key.empty() ? "--tls-cert is given without --tls-key: both are needed."
                                          : "--tls-key is given without --tls-cert: both are needed.");
  }
  if (!files.client_ca.empty() && files.certificate.empty()) {
    faults.emplace_back(
        "--tls-client-ca is given without --tls-cert and --tls-key: it is of use with TLS alone.");
  }
  Certificate certificate(nullptr, &X509_free);
  Key key(nullptr, &EVP_PKEY_free);
  if (!files.certificate.empty()) certificate = ReadCertificate("--tls-cert", files.certificate, faults);
  if (!files.key.empty()) key = ReadKey(files.key, faults);
  if (certificate != nullptr && key != nullptr && X509_check_private_key(certificate.get(), key.get()) != 1) {
    faults.push_back(absl::StrCat("--tls-key ", files.key,
                                  ": is not the key of the certificate in --tls-cert ", files.certificate,
                                  "."));
  }
  if (!files.client_ca.empty()) (void)ReadCertificate("--tls-client-ca", files.client_ca, faults);
  return faults;
}

std::shared_ptr<grpc::ServerCredentials> TlsCredentials(const TlsFiles& files) {
  grpc::experimental::TlsServerCredentialsOptions options(
      std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(files.key, files.certificate,
                                                                           files.client_ca, kRefreshSeconds));
  options.watch_identity_key_cert_pairs();
  if (!files.client_ca.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return grpc::experimental::TlsServerCredentials(options);
}

}  // namespace precis::server
