// A pretty printer that leaves lists of numbers whole.
#include "server/export/json_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace precis::server {
namespace {

using nlohmann::ordered_json;

std::string Scalar(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void Append(const ordered_json& json, size_t indent, std::string& text) {
  const bool plain = json.is_array() && std::none_of(json.begin(), json.end(), [](const ordered_json& item) {
                       return item.is_structured();
                     });
  if (!json.is_structured() || json.empty()) {
    text += Scalar(json);
    return;
  }
  const char* brackets = json.is_array() ? "[]" : "{}";
  const std::string inner = plain ? "" : "\n" + std::string(indent + 2, ' ');
  text += brackets[0];
  bool first = true;
  for (const auto& item : json.items()) {
    if (!first) text += plain ? ", " : ",";
    first = false;
    text += inner;
    if (json.is_object()) text += Scalar(item.key()) + ": ";
    Append(item.value(), indent + 2, text);
  }
  if (!plain) text += "\n" + std::string(indent, ' ');
  text += brackets[1];
}

}  // namespace

std::string ReadableJson(const ordered_json& json) {
  std::string text;
  Append(json, 0, text);
  return text + "\n";
}

}  // namespace precis::server
