// Short names of enum values, and where a field lives.
#include "client/proto_names.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace precis::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;

// "QUALITY_SOURCE_" for QualitySource.
std::string Prefix(const EnumDescriptor& type) {
  std::string prefix;
  for (const char c : type.name()) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  return prefix + "_";
}

}  // namespace

std::string ShortEnumName(const EnumValueDescriptor& value) {
  const std::string prefix = Prefix(*value.type());
  std::string name = value.name();
  if (absl::StartsWith(name, prefix)) name.erase(0, prefix.size());
  absl::AsciiStrToLower(&name);
  return name;
}

std::vector<std::string> ShortEnumNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i)
    if (type.value(i)->number() != 0) names.push_back(ShortEnumName(*type.value(i)));
  return names;
}

const EnumValueDescriptor* FindEnumValue(const EnumDescriptor& type, const std::string& short_name) {
  for (int i = 0; i < type.value_count(); ++i)
    if (type.value(i)->number() != 0 && ShortEnumName(*type.value(i)) == short_name) return type.value(i);
  return nullptr;
}

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(type.field_count()));
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::vector<std::string> FindFieldsBelow(const Descriptor& type, const std::string& name) {
  std::vector<std::string> paths;
  if (type.FindFieldByName(name) != nullptr) paths.push_back(name);
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field.is_repeated()) continue;
    for (const std::string& below : FindFieldsBelow(*field.message_type(), name))
      paths.push_back(absl::StrCat(field.name(), ".", below));
  }
  return paths;
}

}  // namespace precis::client
