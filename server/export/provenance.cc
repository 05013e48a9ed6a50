// Names as users know them.
#include "server/export/provenance.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace precis::server {

std::string ChannelOrderName(const search::Plan& plan) {
  if (plan.dataset.channels != 3) return "grey";
  return plan.spec.data.options.channel_order == ChannelOrder::kBgr ? "bgr" : "rgb";
}

std::string ModelFileName(const search::Plan& plan) {
  const std::string& path = plan.spec.model.path;
  return path.substr(path.rfind('/') + 1);
}

std::string OnnxNameOf(const ModelGraph& graph, NodeId node) { return graph.node(node).name; }

std::string ProducerText(const ExportInput& input) {
  return absl::StrCat("precis ", input.server_version, ", ", input.job_name, "/candidates/",
                      input.candidate->number);
}

std::vector<std::pair<std::string, std::string>> ProvenanceEntries(const ExportInput& input) {
  const search::Plan& plan = *input.plan;
  std::vector<std::pair<std::string, std::string>> entries = {
      {"precis.job", input.job_name},
      {"precis.candidate", absl::StrCat(input.job_name, "/candidates/", input.candidate->number)},
      {"precis.server_version", input.server_version},
      {"precis.worker_version", input.worker_version},
      {"precis.plan_fingerprint", plan.fingerprint},
      {"precis.weights_sha256", input.weights_sha256},
      {"precis.data_set", plan.dataset.name},
      {"precis.labels", nlohmann::ordered_json(plan.dataset.labels).dump()},
      {"precis.layout", "NCHW"},
      {"precis.channel_order", ChannelOrderName(plan)}};
  if (!plan.spec.model.path.empty()) entries.emplace_back("precis.model_file", ModelFileName(plan));
  const auto add_quality = [&](const std::string& split, const Quality& quality) {
    entries.emplace_back(absl::StrCat("precis.", split, "_accuracy"), absl::StrCat(quality.accuracy));
    entries.emplace_back(absl::StrCat("precis.", split, "_images"), absl::StrCat(quality.images));
  };
  add_quality("search", input.candidate->search);
  if (input.candidate->test.has_value()) add_quality("test", *input.candidate->test);
  if (!input.architecture.empty()) entries.emplace_back("precis.architecture", input.architecture);
  for (const char* const key : {"pixel_mean", "pixel_stddev"}) {
    const auto found = input.weights->metadata.find(key);
    if (found != input.weights->metadata.end())
      entries.emplace_back(absl::StrCat("precis.", key), found->second);
  }
  return entries;
}

}  // namespace precis::server
