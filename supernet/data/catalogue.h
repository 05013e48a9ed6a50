// What the catalogue knows of a data set beyond its DatasetInfo. Internal to supernet/data.
#pragma once

#include <string>
#include <string_view>

namespace precis {

// The Debian package that installs the data set of that name, or "" if none does.
std::string DebianPackage(std::string_view dataset);

}  // namespace precis
