// JSON as text that people can read and diff: indented, but lists of plain values on one line.
//
// Threading: pure function.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace precis::server {

// Indented by two, a line feed at the end. Numbers read back exactly; those that are not finite are null.
std::string ReadableJson(const nlohmann::ordered_json& json);

}  // namespace precis::server
