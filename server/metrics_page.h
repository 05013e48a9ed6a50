// MetricsPage: serves what a Collectable has as http://HOST:PORT/metrics, in Prometheus' text format.
//
// Two threads of its own answer; a slow reader holds one of them and nothing else. There is neither
// encryption nor authentication.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <memory>

#include "absl/status/statusor.h"
#include "server/listen_address.h"

namespace precis::server {

class MetricsPage {
 public:
  // Serves until destroyed. UNAVAILABLE, with the remedy, if the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<MetricsPage>> Start(const ListenAddress& address,
                                                            std::shared_ptr<prometheus::Collectable> metrics);

  int port() const { return port_; }

 private:
  MetricsPage(std::shared_ptr<prometheus::Collectable> metrics, std::unique_ptr<prometheus::Exposer> exposer);

  const std::shared_ptr<prometheus::Collectable> metrics_;
  const std::unique_ptr<prometheus::Exposer> exposer_;
  int port_ = 0;
};

}  // namespace precis::server
