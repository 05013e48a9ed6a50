// prometheus-cpp's Exposer, with its exceptions kept in.
#include "server/metrics_page.h"

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace precis::server {

MetricsPage::MetricsPage(std::shared_ptr<prometheus::Collectable> metrics,
                         std::unique_ptr<prometheus::Exposer> exposer)
    : metrics_(std::move(metrics)), exposer_(std::move(exposer)) {
  exposer_->RegisterCollectable(metrics_);
  const std::vector<int> ports = exposer_->GetListeningPorts();
  if (!ports.empty()) port_ = ports[0];
}

absl::StatusOr<std::unique_ptr<MetricsPage>> MetricsPage::Start(
    const ListenAddress& address, std::shared_ptr<prometheus::Collectable> metrics) {
  try {
    const std::vector<std::string> options = {
        "listening_ports",    address.Text(), "num_threads",       "2",
        "request_timeout_ms", "5000",         "enable_keep_alive", "no"};
    auto exposer = std::make_unique<prometheus::Exposer>(options);
    return std::unique_ptr<MetricsPage>(new MetricsPage(std::move(metrics), std::move(exposer)));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address.Text(), ": ", error.what(),
                                               ". Choose another address with --metrics-listen."));
  }
}

}  // namespace precis::server
