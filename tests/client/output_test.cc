// Tables, CSV and the JSON contract.
#include "client/output.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "precis/v1/search_service.pb.h"
#include "tests/client/sample_messages.h"

namespace precis::client {
namespace {

TEST(Table, AlignsByDisplayWidth) {
  Table table({{"NAME"}, {"N", true}, {"FORMATS"}});
  table.AddRow({"a", "1", "int4×3 int8"});
  table.AddRow({"longer", "200", ""});
  EXPECT_EQ(table.Text(),
            "NAME      N  FORMATS\n"
            "a         1  int4×3 int8\n"
            "longer  200\n");
}

TEST(Table, KeepsTerminalsSafe) {
  Table table({{"NAME"}});
  table.AddRow({"\x1b]0;evil\x07\nnext"});
  EXPECT_EQ(table.Text(), "NAME\n?]0;evil??next\n");
}

TEST(Csv, FollowsRfc4180) {
  Table table({{"name"}, {"text"}});
  table.AddRow({"plain", "a,b"});
  table.AddRow({"say \"hi\"", "two\nlines"});
  EXPECT_EQ(table.Csv(), "name,text\r\nplain,\"a,b\"\r\n\"say \"\"hi\"\"\",\"two\nlines\"\r\n");
}

TEST(MessageToJson, HasEveryFieldAlways) {
  const auto json = MessageToJson(v1::Candidate());
  for (const char* field : {"name", "origin", "label", "step", "sampled_at_step", "search", "test", "costs",
                            "feasible", "layers"})
    EXPECT_TRUE(json.contains(field)) << field;
  EXPECT_TRUE(json["sampled_at_step"].is_null());
  EXPECT_TRUE(json["search"].is_null());
  EXPECT_TRUE(json["origin"].is_null());
  EXPECT_EQ(json["costs"].dump(), "[]");
  EXPECT_EQ(json["step"].dump(), "0");
}

TEST(MessageToJson, ListsNumbers) {
  v1::ArchitectureSpec architecture;
  architecture.add_kernel(3);
  architecture.add_kernel(5);
  architecture.add_width(0.5);
  EXPECT_EQ(MessageToJson(architecture)["kernel"].dump(), "[3,5]");
  EXPECT_EQ(MessageToJson(architecture)["width"].dump(), "[0.5]");
}

TEST(MessageToJson, ListsEnumsByTheirNames) {
  v1::PostTrainingSpec spec;
  spec.add_techniques(v1::POST_TRAINING_TECHNIQUE_SMOOTH);
  spec.add_techniques(v1::POST_TRAINING_TECHNIQUE_GPTQ);
  EXPECT_EQ(MessageToJson(spec)["techniques"].dump(), R"(["smooth","gptq"])");
}

TEST(MessageToJson, NamesEnumsAndTimesForPeople) {
  const auto json = MessageToJson(SampleJob());
  EXPECT_EQ(json["state"], "succeeded");
  EXPECT_EQ(json["create_time"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(json["plan"]["total_steps"].dump(), "1872") << "64-bit integers are numbers";
}

TEST(MessageToJson, ShowsNumbersOfEnumsThatANewerServerKnows) {
  v1::Job job;
  job.set_state(static_cast<v1::Job::State>(77));
  EXPECT_EQ(MessageToJson(job)["state"].dump(), "77");
}

TEST(JsonDocument, DoublesReadBackExactly) {
  v1::Quality quality;
  for (const double value :
       {0.1, 1.0 / 3, 1e-300, 5e-324, 1.7976931348623157e308, 0.89516666666666667, 12345678.9}) {
    quality.set_accuracy(value);
    const auto back = nlohmann::json::parse(JsonDocument(MessageToJson(quality)));
    EXPECT_EQ(back["accuracy"].get<double>(), value);
    EXPECT_EQ(std::strtod(ExactNumber(value).c_str(), nullptr), value);
  }
  quality.set_accuracy(NAN);
  EXPECT_TRUE(nlohmann::json::parse(JsonDocument(MessageToJson(quality)))["accuracy"].is_null());
}

TEST(JsonDocument, IsTheGoldenFile) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const v1::Candidate& candidate : SampleCandidates()) list.push_back(MessageToJson(candidate));
  ExpectGolden(JsonDocument(list), "candidates.json");
  ExpectGolden(JsonDocument(MessageToJson(SampleJob())), "job.json");
}

}  // namespace
}  // namespace precis::client
