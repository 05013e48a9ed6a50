// yaml-cpp's events become a YamlNode tree.
#include "client/yaml_document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <exception>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

// Leaves the parser early; never leaves this file.
struct Refusal : std::exception {
  Refusal(const YAML::Mark& mark, const std::string& message)
      : text(absl::StrCat(mark.line + 1, ":", mark.column + 1, ": ", message)) {}
  const char* what() const noexcept override { return text.c_str(); }
  std::string text;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNode root;

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    YamlNode node = Node(mark, YamlNode::Kind::kNull);
    // yaml-cpp's mark is where the next thing stands; a value that is not there stands at its key.
    if (!levels_.empty() && !levels_.back().key_is_next) node.place = levels_.back().key_place;
    Put(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal(mark, "aliases (*name) are not supported; write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    // yaml-cpp marks plain scalars "?" and quoted ones "!".
    if (!tag.empty() && tag != "?" && tag != "!") RefuseTag(mark, tag);
    YamlNode node = Node(mark, YamlNode::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";
    if (!node.quoted && (value.empty() || value == "~" || value == "null")) node.kind = YamlNode::Kind::kNull;
    Put(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Open(mark, tag, YamlNode::Kind::kSequence);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Open(mark, tag, YamlNode::Kind::kMapping);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    YamlNode node;
    bool key_is_next = true;  // mappings
    std::string key;
    Place key_place;
  };

  static void RefuseTag(const YAML::Mark& mark, const std::string& tag) {
    throw Refusal(mark, absl::StrCat("tags (", tag, ") are not supported; write the value alone"));
  }

  YamlNode Node(const YAML::Mark& mark, YamlNode::Kind kind) {
    if (++count_ > kMaxYamlNodes)
      throw Refusal(mark, absl::StrCat("more than ", kMaxYamlNodes, " values; this is no job file"));
    YamlNode node;
    node.kind = kind;
    node.place = {mark.line + 1, mark.column + 1, ""};
    return node;
  }

  void Open(const YAML::Mark& mark, const std::string& tag, YamlNode::Kind kind) {
    if (!tag.empty() && tag != "?" && tag != "!") RefuseTag(mark, tag);
    if (static_cast<int>(levels_.size()) >= kMaxYamlDepth)
      throw Refusal(mark, absl::StrCat("nested more than ", kMaxYamlDepth, " levels deep"));
    if (!levels_.empty() && levels_.back().node.kind == YamlNode::Kind::kMapping &&
        levels_.back().key_is_next)
      throw Refusal(mark, "a key must be a plain name");
    levels_.push_back({Node(mark, kind), true, "", {}});
  }

  void Close() {
    YamlNode node = std::move(levels_.back().node);
    levels_.pop_back();
    Put(std::move(node));
  }

  void Put(YamlNode node) {
    if (levels_.empty()) {
      root = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == YamlNode::Kind::kSequence) {
      level.node.items.push_back(std::move(node));
    } else if (level.key_is_next) {
      level.key = node.kind == YamlNode::Kind::kNull ? "null" : std::move(node.text);
      level.key_place = node.place;
      level.key_is_next = false;
    } else {
      level.node.entries.push_back({std::move(level.key), level.key_place, std::move(node)});
      level.key_is_next = true;
    }
  }

  std::vector<Level> levels_;
  int count_ = 0;
};

}  // namespace

absl::StatusOr<YamlNode> ParseYaml(absl::string_view text) {
  if (text.size() > kMaxYamlBytes)
    return absl::InvalidArgumentError(
        absl::StrCat("larger than ", kMaxYamlBytes >> 20, " MiB; this is no job file"));
  if (const size_t bad = FirstNonText(text); bad != absl::string_view::npos)
    return absl::InvalidArgumentError(absl::StrCat("not a text file (byte ", bad + 1, " is not UTF-8 text)"));
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder)) return absl::InvalidArgumentError("empty");
    YamlNode root = std::move(builder.root);
    TreeBuilder rest;
    if (parser.HandleNextDocument(rest))
      return absl::InvalidArgumentError("more than one YAML document (---); write one job a file");
    return root;
  } catch (const Refusal& refusal) {
    return absl::InvalidArgumentError(refusal.text);
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        absl::StrCat(error.mark.line + 1, ":", error.mark.column + 1, ": not valid YAML: ", error.msg));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("not valid YAML: ", error.what()));
  }
}

}  // namespace precis::client
