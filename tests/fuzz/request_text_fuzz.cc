// The texts of requests that have a grammar: resource names, orders, metrics, formats, targets.
#include <string>

#include "search/cost/target.h"
#include "server/candidate_listing.h"
#include "server/resource_name.h"
#include "supernet/formats/check.h"
#include "supernet/formats/format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace precis;          // NOLINT(google-build-using-namespace)
  using namespace precis::server;  // NOLINT(google-build-using-namespace)
  const std::string text(reinterpret_cast<const char*>(data), size);
  PlanSummary plan;
  plan.cost_names = {"bops", "model_size"};
  ParseOrdering(text, plan).status().IgnoreError();
  if (const auto index = FindMetric(text, plan); index.ok()) PRECIS_CHECK(*index >= 0 && *index < 2);
  if (const auto job = ParseJobName(text, "name"); job.ok()) PRECIS_CHECK(JobName(*job) == text);
  if (const auto name = ParseCandidateName(text, "name"); name.ok()) PRECIS_CHECK(name->number > 0);
  if (const auto format = ParseFormat(text); format.ok()) {
    const auto again = ParseFormat(FormatName(*format));
    PRECIS_CHECK(again.ok() && *again == *format);
  }
  return 0;
}
