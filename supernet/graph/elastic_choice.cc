// Places that can vary, one by one.
#include "supernet/graph/elastic_choice.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "supernet/formats/check.h"

namespace precis::zoo {

int64_t Chooser::Kernel(const std::string& block, int64_t own) {
  return Choose(block + ".kernel", options_.kernel, own);
}

int64_t Chooser::Expansion(const std::string& block, int64_t own) {
  return Choose(block + ".expansion", options_.expansion, own);
}

bool Chooser::Keeps(const std::string& block) {
  return !options_.skip || Next({.name = block, .options = {"skipped", "kept"}, .own = 1}) == 1;
}

int64_t Chooser::Choose(const std::string& name, std::vector<int64_t> values, int64_t own) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.empty()) return own;
  const auto at = std::find(values.begin(), values.end(), own);
  PRECIS_CHECK(at != values.end());
  if (values.size() == 1) return own;
  ElasticDimension dimension = {.name = name, .options = {}, .own = static_cast<int>(at - values.begin())};
  for (const int64_t value : values) dimension.options.push_back(absl::StrCat(value));
  return values[static_cast<size_t>(Next(std::move(dimension)))];
}

int Chooser::Next(ElasticDimension dimension) {
  const size_t index = dimensions_.size();
  PRECIS_CHECK(architecture_.empty() || index < architecture_.size());
  const int choice = architecture_.empty() ? dimension.own : architecture_[index];
  PRECIS_CHECK(choice >= 0 && static_cast<size_t>(choice) < dimension.options.size());
  dimensions_.push_back(std::move(dimension));
  return choice;
}

}  // namespace precis::zoo
