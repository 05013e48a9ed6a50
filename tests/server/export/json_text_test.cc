// The pretty printer: readable, and the same document.
#include "server/export/json_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace precis::server {
namespace {

using nlohmann::ordered_json;

TEST(ReadableJson, KeepsListsOfPlainValuesOnOneLine) {
  const ordered_json json = {
      {"numbers", {1, 2.5, nullptr}}, {"objects", {{{"a", 1}}}}, {"none", ordered_json::array()}};
  EXPECT_EQ(ReadableJson(json),
            "{\n"
            "  \"numbers\": [1, 2.5, null],\n"
            "  \"objects\": [\n"
            "    {\n"
            "      \"a\": 1\n"
            "    }\n"
            "  ],\n"
            "  \"none\": []\n"
            "}\n");
}

TEST(ReadableJson, ReadsBackAsTheSameDocument) {
  const ordered_json json = {{"text \"quoted\"\n", "ü"},
                             {"float", static_cast<double>(0.1f)},
                             {"tiny", 1.1754943508222875e-38},
                             {"nested", {{{"deep", {{1, 2}, {3, 4}}}}}}};
  EXPECT_EQ(ordered_json::parse(ReadableJson(json)), json);
}

TEST(ReadableJson, WritesWhatJsonCannotSay) {
  EXPECT_EQ(ReadableJson(ordered_json(HUGE_VAL)), "null\n");
  EXPECT_EQ(ReadableJson(ordered_json("bad \xff byte")), "\"bad \xEF\xBF\xBD byte\"\n");
}

}  // namespace
}  // namespace precis::server
