// Names of fields and enum values as people write and read them, from the proto's descriptors.
//
// Threading: pure functions.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace precis::client {

// "train_loss" for QUALITY_SOURCE_TRAIN_LOSS: without the type's own prefix, in lower case.
std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value);

// All but the UNSPECIFIED one, in the proto's order.
std::vector<std::string> ShortEnumNames(const google::protobuf::EnumDescriptor& type);

// nullptr if there is none; UNSPECIFIED cannot be named.
const google::protobuf::EnumValueDescriptor* FindEnumValue(const google::protobuf::EnumDescriptor& type,
                                                           const std::string& short_name);

std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type);

// Dotted paths of all fields called `name` anywhere below `type` but in lists, in the proto's order.
std::vector<std::string> FindFieldsBelow(const google::protobuf::Descriptor& type, const std::string& name);

}  // namespace precis::client
