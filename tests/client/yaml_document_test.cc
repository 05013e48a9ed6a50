// The YAML reader's tree, and everything it refuses.
#include "client/yaml_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace precis::client {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ParseYaml, RemembersPlacesKeysAndQuotes) {
  const auto root = ParseYaml("a: 1\nb:\n  c: [x, \"2\"]\n  d:\na: twice\n");
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->kind, YamlNode::Kind::kMapping);
  ASSERT_EQ(root->entries.size(), 3u) << "a repeated key is kept";
  EXPECT_EQ(root->entries[0].value.text, "1");
  EXPECT_EQ(root->entries[0].place, (Place{1, 1, ""}));
  EXPECT_EQ(root->entries[0].value.place, (Place{1, 4, ""}));
  const YamlNode& b = root->entries[1].value;
  const YamlNode& list = b.entries[0].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_FALSE(list.items[0].quoted);
  EXPECT_TRUE(list.items[1].quoted);
  EXPECT_EQ(list.items[1].place, (Place{3, 10, ""}));
  EXPECT_EQ(b.entries[1].value.kind, YamlNode::Kind::kNull);
  EXPECT_EQ(root->entries[2].place, (Place{5, 1, ""}));
}

TEST(ParseYaml, KnowsNothingFromText) {
  const auto root = ParseYaml("- ~\n- null\n- \"\"\n- \"null\"\n-\n");
  ASSERT_TRUE(root.ok()) << root.status();
  std::vector<YamlNode::Kind> kinds;
  for (const YamlNode& item : root->items) kinds.push_back(item.kind);
  using K = YamlNode::Kind;
  EXPECT_EQ(kinds, (std::vector<K>{K::kNull, K::kNull, K::kScalar, K::kScalar, K::kNull}));
}

struct Bad {
  const char* name;
  std::string text;
  std::string message;  // begins with this, or holds it after "*"
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

class RefusedYaml : public ::testing::TestWithParam<Bad> {};

TEST_P(RefusedYaml, SaysWhatIsWrong) {
  const auto root = ParseYaml(GetParam().text);
  ASSERT_FALSE(root.ok());
  EXPECT_TRUE(absl::IsInvalidArgument(root.status()));
  const std::string& expected = GetParam().message;
  if (expected[0] == '*') {
    EXPECT_THAT(std::string(root.status().message()), HasSubstr(expected.substr(1)));
  } else {
    EXPECT_THAT(std::string(root.status().message()), StartsWith(expected));
  }
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// Nine levels of nine references each: 387 million scalars if expanded.
std::string AliasBomb() {
  std::string text = "a0: &a0 [x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string level = std::to_string(i);
    text += "a" + level + ": &a" + level + " [" + Repeat("*a" + std::to_string(i - 1) + ", ", 9) + "]\n";
  }
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedYaml,
    ::testing::Values(
        Bad{"Empty", "", "empty"}, Bad{"CommentOnly", "# nothing\n", "empty"},
        Bad{"BadIndentation", "a: 1\n b: 2\n", "2:3: not valid YAML"},
        Bad{"Unclosed", "a: [1, 2\n", "*not valid YAML"}, Bad{"Tab", "a:\n\tb: 1\n", "*not valid YAML"},

        Bad{"Binary", std::string("a: \x01\x02", 5), "not a text file (byte 4"},
        Bad{"Nul", std::string("a\0b", 3), "not a text file (byte 2"},
        Bad{"Latin1", "a: caf\xE9\n", "not a text file (byte 7"},
        Bad{"Overlong", "a: \xC0\xAF", "not a text file"},
        Bad{"Surrogate", "a: \xED\xA0\x80", "not a text file"},
        Bad{"Huge", std::string(kMaxYamlBytes + 1, ' '), "larger than 1 MiB"},
        Bad{"TwoDocuments", "a: 1\n---\nb: 2\n", "more than one YAML document"},
        Bad{"Alias", "a: &x 1\nb: *x\n", "2:4: aliases"}, Bad{"UnknownAlias", "a: *x\n", "*not valid YAML"},
        Bad{"AliasBomb", AliasBomb(), "*aliases"}, Bad{"Tag", "a: !!python/object:os.system x\n", "*tags"},
        Bad{"TagOnList", "a: !mine [1]\n", "*tags"},
        Bad{"Deep", "a: " + Repeat("[", 100) + Repeat("]", 100), "*nested more than 32"},
        Bad{"VeryDeep", "a: " + Repeat("[", 500000), "*"},
        Bad{"VeryDeepMaps", "a: " + Repeat("{a: ", 200000), "*nested more than 32"},
        Bad{"Many", "a: [" + Repeat("1,", 100000) + "]", "*more than 20000"},
        Bad{"ListAsKey", "? [a, b]\n: 1\n", "*a key must be a plain name"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace precis::client
