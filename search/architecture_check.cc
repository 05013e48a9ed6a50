// Lists of kernels, expansions and widths.
#include "search/architecture_check.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "search/range_check.h"
#include "supernet/graph/model_zoo.h"

namespace precis::search {
namespace {

constexpr size_t kMostValues = 8;

// Values of one list: within their range, no two alike, the model's own among them.
template <typename Value, typename InRange>
void CheckValues(const std::string& field, const std::vector<Value>& values, const std::vector<Value>& own,
                 const std::string& allowed, const InRange& in_range, Violations& violations) {
  if (values.empty()) return;
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string at = absl::StrCat(field, "[", i, "]");
    if (!in_range(values[i])) {
      violations.push_back({at, absl::StrCat(values[i], " is out of range: allowed are ", allowed, ".")});
    }
    const auto first = std::find(values.begin(), values.end(), values[i]) - values.begin();
    if (first != static_cast<std::ptrdiff_t>(i)) {
      violations.push_back({at, absl::StrCat(values[i], " is already in the list (", field, "[", first,
                                             "]): take one of them out.")});
    }
  }
  if (values.size() > kMostValues) {
    violations.push_back({field, absl::StrCat("has ", values.size(), " values: at most ", kMostValues,
                                              " are allowed. Take some out.")});
  }
  for (const Value& value : own) {
    if (std::find(values.begin(), values.end(), value) != values.end()) continue;
    violations.push_back(
        {field, absl::StrCat("lacks ", value,
                             ", the network's own value, at which targets and references are "
                             "counted: add it.")});
  }
}

}  // namespace

void CheckArchitecture(const JobSpec& spec, Violations& violations) {
  const ElasticOptions& options = spec.space.architecture;
  if (options.empty()) return;
  std::vector<std::string> names;
  for (const ModelInfo& model : Models()) names.push_back(model.name);
  if (std::find(names.begin(), names.end(), spec.model.name) == names.end()) return;
  const std::optional<ElasticOwn> own = ElasticOwnOf(spec.model.name);
  if (!own) {
    std::erase_if(names, [](const std::string& name) { return !ElasticOwnOf(name).has_value(); });
    violations.push_back(
        {"space.architecture", absl::StrCat(spec.model.name, " has one architecture: set model.name to ",
                                            absl::StrJoin(names, " or "),
                                            ", or leave space.architecture out "
                                            "to search formats alone.")});
    return;
  }
  CheckValues(
      "space.architecture.kernel", options.kernel, own->kernel, "odd whole numbers from 1 to 15",
      [](int64_t kernel) { return kernel >= 1 && kernel <= 15 && kernel % 2 == 1; }, violations);
  CheckValues(
      "space.architecture.expansion", options.expansion, own->expansion, "whole numbers from 2 to 12",
      [](int64_t expansion) { return expansion >= 2 && expansion <= 12; }, violations);
  CheckValues(
      "space.architecture.width", options.width, {1.0}, "numbers from 0.1 to 4",
      [](double width) { return width >= 0.1 && width <= 4; }, violations);
  if (!spec.cost.table.empty()) {
    violations.push_back({"cost.table",
                          "prices layers as the network has them, and space.architecture changes their "
                          "shapes: leave one of the "
                          "two out, or set cost.metric to another metric."});
  }
}

}  // namespace precis::search
