// A job from the wire, as bytes of SubmitJobRequest: converted, checked and, if it is small, worked out. What
// converts has one form, which the store keeps.
#include "precis/v1/search_service.pb.h"
#include "search/plan.h"
#include "server/convert.h"
#include "supernet/data/dataset.h"
#include "supernet/formats/check.h"

namespace precis::server {
namespace {

// Of what takes seconds to work out, plainly, the conversion is enough.
bool IsSmall(const search::JobSpec& spec) {
  return spec.model.name == "resnet8" && spec.space.formats.size() <= 8 && spec.cost.targets.size() <= 8 &&
         spec.space.overrides.size() <= 8;
}

void Try(const v1::SubmitJobRequest& request) {
  search::Violations violations;
  const search::JobSpec spec = JobSpecFromWire(request.spec(), violations);
  search::Violations none;
  const std::string bytes = SpecBytes(spec);
  const absl::StatusOr<search::JobSpec> again = SpecFromBytes(bytes);
  PRECIS_CHECK(again.ok());
  PRECIS_CHECK(SpecBytes(*again) == bytes);
  if (!violations.empty() || !IsSmall(spec)) return;
  const search::CompiledPlan compiled = search::CompilePlan(spec, Datasets());
  PRECIS_CHECK((compiled.plan == nullptr) == !compiled.violations.empty());
  for (const search::Violation& violation : compiled.violations)
    PRECIS_CHECK(!violation.field.empty() && !violation.message.empty());
}

}  // namespace
}  // namespace precis::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  precis::v1::SubmitJobRequest request;
  if (request.ParseFromArray(data, static_cast<int>(size))) precis::server::Try(request);
  return 0;
}
