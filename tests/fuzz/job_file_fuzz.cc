// A job file, as text. A line "--set ASSIGNMENT" at the end is an override.
#include <string>
#include <vector>

#include "client/job_file.h"
#include "supernet/formats/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> overrides;
  if (const size_t flag = text.find("--set "); flag != std::string::npos) {
    overrides.push_back(text.substr(flag + 6));
    text.resize(flag);
  }
  const absl::StatusOr<precis::client::JobFile> file = precis::client::ParseJobFile(text, overrides);
  if (!file.ok()) {
    PRECIS_CHECK(!file.status().message().empty());
    return 0;
  }
  for (const precis::client::Fault& fault : file->faults)
    PRECIS_CHECK(!precis::client::FaultText(fault, "job.yaml").empty());
  return 0;
}
