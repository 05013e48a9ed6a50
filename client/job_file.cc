// The walk over YAML tree and descriptor side by side.
#include "client/job_file.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/proto_names.h"
#include "client/utf8.h"
#include "supernet/formats/did_you_mean.h"

namespace precis::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", Printable(text), "\""); }

std::string Below(const std::string& path, const std::string& name) {
  return path.empty() ? name : absl::StrCat(path, ".", name);
}

// What was written, for a message about it.
std::string Describe(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return Quoted(node.text);
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMapping:
      return "a mapping";
  }
  return "";
}

// "a whole number", "one of search_accuracy, train_loss".
std::string Expected(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
      return "a whole number";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "a number";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return absl::StrCat("one of ", absl::StrJoin(ShortEnumNames(*field.enum_type()), ", "));
    case FieldDescriptor::CPPTYPE_STRING:
      return "text";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return absl::StrCat("a mapping of ", absl::StrJoin(FieldNames(*field.message_type()), ", "));
  }
  return "";
}

// Digits with an optional sign, as many as one likes.
bool IsWholeNumber(absl::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  return !text.empty() && text.find_first_not_of("0123456789") == absl::string_view::npos;
}

class Reader {
 public:
  explicit Reader(JobFile& file) : file_(file) {}

  void ReadMessage(const YamlNode& node, const std::string& path, Message& message) {
    const Descriptor& type = *message.GetDescriptor();
    std::map<std::string, Place> seen;
    for (const YamlEntry& entry : node.entries) {
      const std::string below = Below(path, entry.key);
      if (const auto [earlier, fresh] = seen.emplace(entry.key, entry.place); !fresh) {
        AddFault(entry.place, below,
                 absl::StrCat("given twice; the first is in line ", earlier->second.line));
        continue;
      }
      const FieldDescriptor* field = type.FindFieldByName(entry.key);
      if (field == nullptr) {
        AddUnknown(entry, path, type);
        continue;
      }
      file_.places[below] = entry.place;
      ReadField(entry.value, below, *field, message);
    }
  }

 private:
  void AddFault(const Place& place, const std::string& path, std::string message) {
    file_.faults.push_back({place, path, std::move(message)});
    file_.suspect_paths.push_back(path);
  }

  void AddUnknown(const YamlEntry& entry, const std::string& path, const Descriptor& type) {
    const std::vector<std::string> known = FieldNames(type);
    // A slip of the pen, or a field that lives elsewhere.
    std::vector<std::string> meant;
    if (const std::string closest = ClosestName(entry.key, known); !closest.empty()) {
      meant = {closest};
      file_.suspect_paths.push_back(Below(path, closest));
    } else {
      meant = FindFieldsBelow(*v1::JobSpec::descriptor(), entry.key);
      file_.suspect_paths.insert(file_.suspect_paths.end(), meant.begin(), meant.end());
    }
    const std::string hint =
        meant.empty() ? "" : absl::StrCat(" Did you mean \"", absl::StrJoin(meant, "\" or \""), "\"?");
    AddFault(entry.place, Below(path, Printable(entry.key)),
             absl::StrCat("unknown field.", hint, " Known ", path.empty() ? "" : "here ",
                          "are: ", absl::StrJoin(known, ", "), "."));
  }

  void ReadField(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                 Message& message) {
    const Reflection& reflection = *message.GetReflection();
    if (field.is_repeated()) return ReadList(node, path, field, message);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      // "reward:" with every line below it commented out is an empty section, not a fault.
      if (node.kind == YamlNode::Kind::kNull) return;
      if (node.kind != YamlNode::Kind::kMapping) return AddExpected(node, path, field);
      return ReadMessage(node, path, *reflection.MutableMessage(&message, &field));
    }
    if (node.kind == YamlNode::Kind::kNull)
      return AddFault(node.place, path,
                      absl::StrCat("has no value; it must be ", Expected(field),
                                   ". Leave the line out to get the default."));
    if (node.kind != YamlNode::Kind::kScalar) return AddExpected(node, path, field);
    ReadScalar(node, path, field, message);
  }

  void ReadList(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                Message& message) {
    if (node.kind != YamlNode::Kind::kSequence) {
      const bool of_messages = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
      const std::string example =
          of_messages ? absl::StrCat("[{", absl::StrJoin(FieldNames(*field.message_type()), ": …, "), ": …}]")
          : node.kind == YamlNode::Kind::kScalar ? absl::StrCat("[", Printable(node.text), "]")
          : field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM
              ? absl::StrCat("[", ShortEnumNames(*field.enum_type()).front(), "]")
          : field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ? "[int4, int8]"
                                                                : "[1, 3]";
      return AddFault(node.place, path,
                      absl::StrCat("must be a list, such as ", example, ", not ", Describe(node), "."));
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      const YamlNode& item = node.items[i];
      const std::string below = absl::StrCat(path, "[", i, "]");
      file_.places[below] = item.place;
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        // Added whatever it holds, which keeps the server's indices in step.
        Message& added = *message.GetReflection()->AddMessage(&message, &field);
        if (item.kind == YamlNode::Kind::kMapping) {
          ReadMessage(item, below, added);
        } else {
          AddExpected(item, below, field);
        }
      } else if (item.kind != YamlNode::Kind::kScalar) {
        if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
          ReadEnum(item, below, field, message);
          continue;
        }
        AddExpected(item, below, field);
        YamlNode zero;
        zero.text = "0";
        ReadScalar(zero, below, field, message);  // keeps the server's indices in step
      } else {
        ReadScalar(item, below, field, message);
      }
    }
  }

  void AddExpected(const YamlNode& node, const std::string& path, const FieldDescriptor& field) {
    AddFault(node.place, path, absl::StrCat("must be ", Expected(field), ", not ", Describe(node), "."));
  }

  template <typename T>
  void ReadInteger(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                   Message& message, void (Reflection::*set)(Message*, const FieldDescriptor*, T) const,
                   void (Reflection::*add)(Message*, const FieldDescriptor*, T) const) {
    T value = 0;
    if (!IsWholeNumber(node.text)) return AddExpected(node, path, field);
    if (!absl::SimpleAtoi(node.text, &value))
      return AddFault(
          node.place, path,
          absl::StrCat(Printable(node.text), " is out of range; it must be between ",
                       std::numeric_limits<T>::min(), " and ", std::numeric_limits<T>::max(), "."));
    (message.GetReflection()->*(field.is_repeated() ? add : set))(&message, &field, value);
  }

  void ReadDouble(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                  Message& message) {
    double value = 0;
    if (node.text.find_first_not_of("0123456789+-.eE") != std::string::npos ||
        !absl::SimpleAtod(node.text, &value))
      return AddExpected(node, path, field);
    if (!std::isfinite(value))
      return AddFault(node.place, path, absl::StrCat(Printable(node.text), " is too large."));
    if (field.is_repeated()) return message.GetReflection()->AddDouble(&message, &field, value);
    message.GetReflection()->SetDouble(&message, &field, value);
  }

  void ReadBool(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                Message& message) {
    if (node.text != "true" && node.text != "false") return AddExpected(node, path, field);
    message.GetReflection()->SetBool(&message, &field, node.text == "true");
  }

  void ReadEnum(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                Message& message) {
    const Reflection& reflection = *message.GetReflection();
    const EnumValueDescriptor* value = FindEnumValue(*field.enum_type(), node.text);
    if (value == nullptr) {
      if (field.is_repeated())
        reflection.AddEnumValue(&message, &field, 0);  // keeps the server's indices in step
      return AddFault(node.place, path,
                      absl::StrCat("must be ", Expected(field), ", not ", Describe(node), ".",
                                   DidYouMean(node.text, ShortEnumNames(*field.enum_type()))));
    }
    if (field.is_repeated()) return reflection.AddEnum(&message, &field, value);
    reflection.SetEnum(&message, &field, value);
  }

  void ReadScalar(const YamlNode& node, const std::string& path, const FieldDescriptor& field,
                  Message& message) {
    const auto type = field.cpp_type();
    if (type == FieldDescriptor::CPPTYPE_STRING) {
      if (field.is_repeated()) return message.GetReflection()->AddString(&message, &field, node.text);
      return message.GetReflection()->SetString(&message, &field, node.text);
    }
    if (node.quoted && type != FieldDescriptor::CPPTYPE_ENUM)
      return AddFault(
          node.place, path,
          absl::StrCat("must be ", Expected(field), ", not ", Describe(node), " in quotes, which is text."));
    if (type == FieldDescriptor::CPPTYPE_INT32)
      return ReadInteger<int32_t>(node, path, field, message, &Reflection::SetInt32, &Reflection::AddInt32);
    if (type == FieldDescriptor::CPPTYPE_INT64)
      return ReadInteger<int64_t>(node, path, field, message, &Reflection::SetInt64, &Reflection::AddInt64);
    if (type == FieldDescriptor::CPPTYPE_UINT64)
      return ReadInteger<uint64_t>(node, path, field, message, &Reflection::SetUInt64,
                                   &Reflection::AddUInt64);
    if (type == FieldDescriptor::CPPTYPE_DOUBLE) return ReadDouble(node, path, field, message);
    if (type == FieldDescriptor::CPPTYPE_BOOL) return ReadBool(node, path, field, message);
    if (type == FieldDescriptor::CPPTYPE_ENUM) return ReadEnum(node, path, field, message);
    AddFault(node.place, path, "cannot be written in a job file.");
  }

  JobFile& file_;
};

void AppendFields(const Descriptor& type, int indent, std::string& text) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    absl::StrAppend(&text, std::string(static_cast<size_t>(indent), ' '), field.name(), ":");
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      absl::StrAppend(&text, field.is_repeated() ? " (list of mappings)\n" : "\n");
      AppendFields(*field.message_type(), indent + 2, text);
    } else {
      absl::StrAppend(&text, " <", field.is_repeated() ? "list of " : "", Expected(field), ">\n");
    }
  }
}

}  // namespace

JobFile ReadJobFile(const YamlNode& root) {
  JobFile file;
  Reader(file).ReadMessage(root, "", file.spec);
  std::stable_sort(file.faults.begin(), file.faults.end(), [](const Fault& a, const Fault& b) {
    return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
  });
  return file;
}

absl::Status ApplyOverride(absl::string_view assignment, YamlNode& root) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("--set ", Printable(assignment), ": ", why, " Write --set training.epochs=2."));
  };
  const size_t equals = assignment.find('=');
  if (equals == absl::string_view::npos) return refuse("there is no \"=\".");
  const absl::string_view path = assignment.substr(0, equals);
  const absl::string_view text = absl::StripAsciiWhitespace(assignment.substr(equals + 1));
  absl::StatusOr<YamlNode> value = text.empty() ? YamlNode() : ParseYaml(text);
  if (!value.ok()) return refuse(absl::StrCat("the value is at fault: ", value.status().message(), "."));

  const Place place{0, 0, absl::StrCat("--set ", Printable(path))};
  const auto settle = [&place](auto& self, YamlNode& node) -> void {
    node.place = place;
    for (YamlNode& item : node.items) self(self, item);
    for (YamlEntry& entry : node.entries) {
      entry.place = place;
      self(self, entry.value);
    }
  };
  settle(settle, *value);

  YamlNode* node = &root;
  for (const absl::string_view part : absl::StrSplit(path, '.')) {
    if (part.empty()) return refuse("the path has an empty part.");
    if (node->kind == YamlNode::Kind::kNull) node->kind = YamlNode::Kind::kMapping;
    if (node->kind != YamlNode::Kind::kMapping)
      return refuse(absl::StrCat("\"", part, "\" stands below something that is not a mapping."));
    auto entry = std::find_if(node->entries.begin(), node->entries.end(),
                              [&](const YamlEntry& e) { return e.key == part; });
    if (entry == node->entries.end()) {
      YamlNode empty;
      empty.place = place;
      node->entries.push_back({std::string(part), place, std::move(empty)});
      entry = node->entries.end() - 1;
    }
    node = &entry->value;
  }
  *node = *std::move(value);
  return absl::OkStatus();
}

absl::StatusOr<JobFile> ParseJobFile(absl::string_view text, const std::vector<std::string>& overrides) {
  absl::StatusOr<YamlNode> root = ParseYaml(text);
  if (!root.ok()) return root.status();
  if (root->kind == YamlNode::Kind::kNull) return absl::InvalidArgumentError("empty");
  if (root->kind != YamlNode::Kind::kMapping)
    return absl::InvalidArgumentError(
        absl::StrCat("not a job file: it holds ", Describe(*root),
                     ", not fields such as \"model:\" and \"data:\" (see `precis help job-file`)"));
  for (const std::string& assignment : overrides)
    if (absl::Status status = ApplyOverride(assignment, *root); !status.ok()) return status;
  return ReadJobFile(*root);
}

std::string FaultText(const Fault& fault, absl::string_view file) {
  std::string where(file);
  if (!fault.place.source.empty()) where = fault.place.source;
  if (fault.place.line > 0) absl::StrAppend(&where, ":", fault.place.line, ":", fault.place.column);
  return absl::StrCat(where, ": ", fault.path, ": ", fault.message);
}

std::string JobFileHelp() {
  std::string text =
      "A job file is YAML with these fields. Only model.name, data.name, space.formats and a target\n"
      "(cost.target, cost.targets or cost.range) are required; every other field has a default. cost.table\n"
      "names a CSV file. Samples are in deploy/jobs/.\n\n";
  AppendFields(*v1::JobSpec::descriptor(), 2, text);
  return text;
}

}  // namespace precis::client
