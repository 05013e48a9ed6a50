// Enums of the wire against ours, as tables. For convert's sources only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "google/protobuf/generated_enum_reflection.h"
#include "supernet/formats/check.h"

namespace precis::server {

// One row a value; the wire's 0 (unspecified) has none.
template <typename Wire, typename Value>
struct EnumRow {
  Wire wire;
  Value value;
};

template <typename Wire, typename Value, size_t N>
Wire ToWire(const EnumRow<Wire, Value> (&table)[N], Value value) {
  for (const auto& row : table) {
    if (row.value == value) return row.wire;
  }
  PRECIS_CHECK(false && "an enum value without a row in convert");
  return table[0].wire;
}

template <typename Wire, typename Value, size_t N>
std::optional<Value> FromWire(const EnumRow<Wire, Value> (&table)[N], Wire wire) {
  for (const auto& row : table) {
    if (row.wire == wire) return row.value;
  }
  return std::nullopt;
}

// "has the unknown value 17: use one of auto, small, imagenet."
template <typename Wire, typename Value, size_t N>
std::string UnknownEnumText(const EnumRow<Wire, Value> (&table)[N], Wire wire) {
  const auto* descriptor = google::protobuf::GetEnumDescriptor<Wire>();
  const std::string prefix(absl::StripSuffix(descriptor->FindValueByNumber(0)->name(), "UNSPECIFIED"));
  const auto name = [&](std::string* out, const EnumRow<Wire, Value>& row) {
    const std::string& full = descriptor->FindValueByNumber(row.wire)->name();
    out->append(absl::AsciiStrToLower(absl::StripPrefix(full, prefix)));
  };
  return absl::StrCat("has the unknown value ", static_cast<int>(wire), ": use one of ",
                      absl::StrJoin(table, ", ", name), ".");
}

}  // namespace precis::server
