// Names as users know them.
#include "server/export/provenance.h"

namespace precis::server {

std::string ChannelOrderName(const search::Plan& plan) {
  if (plan.dataset.channels != 3) return "grey";
  return plan.spec.data.options.channel_order == ChannelOrder::kBgr ? "bgr" : "rgb";
}

std::string ModelFileName(const search::Plan& plan) {
  const std::string& path = plan.spec.model.path;
  return path.substr(path.rfind('/') + 1);
}

}  // namespace precis::server
