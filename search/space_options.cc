// Which formats a job names, and what is wrong with them.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "search/space.h"
#include "search/space_preset.h"
#include "supernet/formats/check.h"
#include "supernet/formats/did_you_mean.h"
#include "supernet/formats/format.h"

namespace precis::search {
namespace {

enum class Role { kBoth, kWeights, kActivations };

std::string NotWeights(const Format& weight, const std::string& activation) {
  const Format relative = {.element = IntegerElement(weight.element.bits), .scale = {}};
  return absl::StrCat(
      "\"", FormatName(weight), "\" (", DescribeFormat(weight),
      ") has no values below 0, and weights do: give weights and activations a format each, as "
      "in \"",
      FormatName(relative), "/", activation, "\".");
}

// A name with a "-" can only be meant for a preset.
std::string UnknownPreset(const std::string& name) {
  std::vector<std::string> names;
  for (const SpacePreset& preset : SpacePresets()) names.push_back(preset.name);
  return absl::StrCat("\"", name, "\" is no format and no preset.", DidYouMean(name, names), " Presets are ",
                      absl::StrJoin(names, ", "), ".");
}

// The entries of a list as options; appends what is wrong with them.
class OptionList {
 public:
  OptionList(std::string field, Role role, Violations& violations)
      : field_(std::move(field)), role_(role), violations_(violations) {}

  void Add(const std::vector<std::string>& entries) {
    for (size_t i = 0; i < entries.size(); ++i) {
      if (const SpacePreset* preset = FindSpacePreset(entries[i])) {
        for (const std::string& format : preset->formats) AddOfPreset(format);
      } else {
        AddEntry(entries, i);
      }
    }
  }
  const std::vector<LayerFormats>& options() const { return options_; }

 private:
  void AddOfPreset(const std::string& name) {
    const LayerFormats option = *ParseLayerFormats(name);
    if (std::find(options_.begin(), options_.end(), option) != options_.end()) return;
    options_.push_back(option);
    named_at_.push_back(-1);
  }

  void AddEntry(const std::vector<std::string>& entries, size_t i) {
    const std::string& entry = entries[i];
    const std::string field = absl::StrCat(field_, "[", i, "]");
    if (entry.find('-') != std::string::npos) {
      violations_.push_back({field, UnknownPreset(entry)});
      return;
    }
    const absl::StatusOr<LayerFormats> option = ParseLayerFormats(entry);
    if (!option.ok()) {
      violations_.push_back({field, std::string(option.status().message())});
      return;
    }
    if (role_ != Role::kBoth && option->weight != option->activation) {
      violations_.push_back(
          {field, absl::StrCat("\"", entry,
                               "\" gives weights and activations a format each, and so does "
                               "space.activation_formats: name one format here, or leave that list out.")});
      return;
    }
    if (role_ != Role::kActivations && !HoldsNegatives(option->weight)) {
      violations_.push_back({field, NotWeights(option->weight, FormatName(option->activation))});
      return;
    }
    const auto earlier = std::find(options_.begin(), options_.end(), *option);
    if (earlier == options_.end()) {
      options_.push_back(*option);
      named_at_.push_back(static_cast<int64_t>(i));
      return;
    }
    const int64_t at = named_at_[static_cast<size_t>(earlier - options_.begin())];
    if (at < 0) return;  // a preset has it, which is no fault of anyone's
    const std::string& first = entries[static_cast<size_t>(at)];
    violations_.push_back(
        {field,
         absl::StrCat(
             "\"", entry, "\" is already in the list",
             first == entry ? "" : absl::StrCat(" as \"", first, "\", another name of the same format"), " (",
             field_, "[", at, "]): take one of them out.")});
  }

  const std::string field_;
  const Role role_;
  Violations& violations_;
  std::vector<LayerFormats> options_;
  std::vector<int64_t> named_at_;  // index of the entry; -1: from a preset
};

std::vector<LayerFormats> Options(const SpaceSpec& space, Violations& violations) {
  const bool separate = !space.activation_formats.empty();
  OptionList weights("space.formats", separate ? Role::kWeights : Role::kBoth, violations);
  weights.Add(space.formats);
  if (!separate) return weights.options();
  OptionList activations("space.activation_formats", Role::kActivations, violations);
  activations.Add(space.activation_formats);
  std::vector<LayerFormats> pairs;
  for (const LayerFormats& weight : weights.options()) {
    for (const LayerFormats& activation : activations.options()) {
      pairs.push_back({weight.weight, activation.activation});
    }
  }
  return pairs;
}

void CheckOverride(const SpaceOverride& entry, const std::string& field, Violations& violations) {
  if (entry.layers.empty()) {
    violations.push_back(
        {field + ".layers", "is empty: give the name of a layer, or a pattern such as \"stem.*\"."});
  }
  const int kinds = (entry.pin.empty() ? 0 : 1) + (entry.allow.empty() && entry.deny.empty() ? 0 : 1);
  if (kinds != 1) {
    violations.push_back({field, kinds == 0
                                     ? "changes nothing: give allow, deny or pin."
                                     : "pins a format and limits the choice, too: give pin alone, or allow "
                                       "and deny."});
  }
  OptionList(field + ".allow", Role::kBoth, violations).Add(entry.allow);
  for (size_t i = 0; i < entry.deny.size(); ++i) {
    const absl::StatusOr<LayerFormats> format = ParseLayerFormats(entry.deny[i]);
    if (!format.ok() && FindSpacePreset(entry.deny[i]) == nullptr) {
      violations.push_back({absl::StrCat(field, ".deny[", i, "]"), std::string(format.status().message())});
    }
  }
  if (entry.pin.empty()) return;
  const absl::StatusOr<LayerFormats> pin = ParseLayerFormats(entry.pin);
  if (!pin.ok()) {
    violations.push_back({field + ".pin", std::string(pin.status().message())});
  } else if (!HoldsNegatives(pin->weight)) {
    violations.push_back({field + ".pin", NotWeights(pin->weight, FormatName(pin->activation))});
  }
}

}  // namespace

void CheckSpace(const SpaceSpec& space, Violations& violations) {
  if (space.formats.empty()) {
    violations.push_back(
        {"space.formats",
         "is empty: list at least one format, such as [int4, int8]. \"precis formats\" shows "
         "all of them."});
  }
  Options(space, violations);
  for (size_t i = 0; i < space.overrides.size(); ++i) {
    CheckOverride(space.overrides[i], absl::StrCat("space.overrides[", i, "]"), violations);
  }
  for (size_t i = 0; i < space.ties.size(); ++i) {
    if (!space.ties[i].layers.empty()) continue;
    violations.push_back({absl::StrCat("space.ties[", i, "].layers"),
                          "is empty: list the layers that are to have one format, such as [\"*.conv1\"]."});
  }
}

std::vector<LayerFormats> SpaceOptions(const SpaceSpec& space) {
  Violations violations;
  std::vector<LayerFormats> options = Options(space, violations);
  PRECIS_CHECK(violations.empty());
  return options;
}

double SpaceSizeLog10(const SearchSpace& space) {
  double size = 0;
  for (const Decision& decision : space.decisions) size += std::log10(static_cast<double>(decision.size()));
  return size;
}

}  // namespace precis::search
