// Tables, CSV, and messages as JSON by reflection.
#include "client/output.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "client/proto_names.h"
#include "client/utf8.h"
#include "supernet/formats/check.h"

namespace precis::client {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using nlohmann::ordered_json;

constexpr size_t kWidestCell = 200;

std::string CsvCell(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  return absl::StrCat("\"", absl::StrReplaceAll(cell, {{"\"", "\"\""}}), "\"");
}

ordered_json EnumJson(const google::protobuf::EnumDescriptor& type, int number) {
  const auto* value = type.FindValueByNumber(number);
  if (number == 0) return nullptr;
  if (value == nullptr) return number;  // a newer server's
  return ShortEnumName(*value);
}

ordered_json FieldJson(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.GetInt64(message, &field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.GetUInt32(message, &field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.GetUInt64(message, &field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.GetFloat(message, &field);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumJson(*field.enum_type(), reflection.GetEnumValue(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.GetString(message, &field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageToJson(reflection.GetMessage(message, &field));
  }
  return nullptr;
}

ordered_json ListJson(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  ordered_json list = ordered_json::array();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      list.push_back(MessageToJson(reflection.GetRepeatedMessage(message, &field, i)));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      list.push_back(reflection.GetRepeatedString(message, &field, i));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
      list.push_back(reflection.GetRepeatedInt64(message, &field, i));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      list.push_back(EnumJson(*field.enum_type(), reflection.GetRepeatedEnumValue(message, &field, i)));
    } else {
      PRECIS_CHECK(field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE);
      list.push_back(reflection.GetRepeatedDouble(message, &field, i));
    }
  }
  return list;
}

}  // namespace

void Table::AddRow(std::vector<std::string> cells) {
  PRECIS_CHECK(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::Text() const {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns_) lines[0].push_back(column.name);
  for (const auto& row : rows_) {
    lines.emplace_back();
    for (const std::string& cell : row) lines.back().push_back(Printable(cell, kWidestCell));
  }
  std::vector<size_t> widths(columns_.size());
  for (const auto& line : lines)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(line[i]));
  std::string text;
  for (const auto& line : lines) {
    std::string out;
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - DisplayWidth(line[i]), ' ');
      absl::StrAppend(&out, i == 0 ? "" : "  ", columns_[i].right ? padding : "", line[i],
                      columns_[i].right ? "" : padding);
    }
    absl::StripTrailingAsciiWhitespace(&out);
    absl::StrAppend(&text, out, "\n");
  }
  return text;
}

std::string Table::Csv() const {
  std::string text;
  for (size_t i = 0; i < columns_.size(); ++i)
    absl::StrAppend(&text, i == 0 ? "" : ",", CsvCell(columns_[i].name));
  text += "\r\n";
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) absl::StrAppend(&text, i == 0 ? "" : ",", CsvCell(row[i]));
    text += "\r\n";
  }
  return text;
}

ordered_json MessageToJson(const Message& message) {
  if (message.GetDescriptor() == google::protobuf::Timestamp::descriptor())
    return google::protobuf::util::TimeUtil::ToString(
        static_cast<const google::protobuf::Timestamp&>(message));
  const auto& type = *message.GetDescriptor();
  ordered_json json = ordered_json::object();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.is_repeated()) {
      json[field.name()] = ListJson(message, field);
    } else if (field.has_presence() && !message.GetReflection()->HasField(message, &field)) {
      json[field.name()] = nullptr;
    } else {
      json[field.name()] = FieldJson(message, field);
    }
  }
  return json;
}

std::string JsonDocument(const ordered_json& json) {
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

OutputFormat OutputFormatFrom(const std::string& name) {
  static const std::map<std::string, OutputFormat> kFormats = {{"table", OutputFormat::kTable},
                                                               {"wide", OutputFormat::kWide},
                                                               {"json", OutputFormat::kJson},
                                                               {"csv", OutputFormat::kCsv}};
  const auto found = kFormats.find(name);
  return found == kFormats.end() ? OutputFormat::kTable : found->second;
}

std::string ExactNumber(double value) {
  // Counts stay counts: 300000000, not 3e+08.
  constexpr double kExactIntegers = 1e15;
  if (std::floor(value) == value && std::abs(value) < kExactIntegers) return absl::StrFormat("%.0f", value);
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  PRECIS_CHECK(error == std::errc());
  return std::string(buffer, end);
}

}  // namespace precis::client
