// formats, format show and quantize, none of which asks a server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/exit_codes.h"
#include "tests/client/fake_search_service.h"

namespace precis::client {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FormatCommandTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    Stop();
  }

  void ExpectRefusal(const std::vector<std::string>& arguments, const std::string& input,
                     const std::string& why) {
    const Ran ran = Precis(arguments, input);
    EXPECT_EQ(ran.code, kExitUsage) << why;
    EXPECT_THAT(ran.out, IsEmpty()) << why;
    EXPECT_THAT(ran.err, HasSubstr(why));
  }
};

TEST_F(FormatCommandTest, ListsTheCatalogue) {
  ExpectGolden(Precis({"formats"}).out, "formats.txt");
  const json list = json::parse(Precis({"formats", "-o", "json"}).out);
  bool seen = false;
  for (const json& format : list) {
    if (format["name"] != "mxfp4") continue;
    seen = true;
    EXPECT_EQ(format["storage_bits"], 4.25);
    EXPECT_EQ(format["max_finite"], 6);
    EXPECT_EQ(format["operands"], "weights, activations");
    EXPECT_EQ(format["source"], "OCP MX 1.0");
  }
  EXPECT_TRUE(seen);
}

TEST_F(FormatCommandTest, ShowsEveryCodeOfASmallElement) {
  ExpectGolden(Precis({"format", "show", "mxfp4:ceil"}).out, "format_show.txt");
  const json shown = json::parse(Precis({"format", "show", "e4m3fn", "-o", "json"}).out);
  EXPECT_EQ(shown["codes"].size(), 256u);
  EXPECT_EQ(shown["codes"][0x7e]["value"], 448);
  EXPECT_EQ(shown["codes"][0x7f]["text"], "NaN");
  EXPECT_TRUE(shown["codes"][0x7f]["value"].is_null());
  EXPECT_EQ(json::parse(Precis({"format", "show", "bf16", "-o", "json"}).out)["codes"].size(), 0u);
  ExpectRefusal({"format", "show", "mxpf4"}, "", "Did you mean \"mxfp4\"?");
  ExpectRefusal({"format"}, "", "subcommand");
}

TEST_F(FormatCommandTest, QuantizesOneNumberALine) {
  EXPECT_EQ(Precis({"quantize", "--format", "int4"}, "0.4\n 2.5 \n\n-9\r\n0x1p1\nnan\ninf\n").out,
            "0\n2\n-7\n2\nnan\n7\n");
  EXPECT_EQ(Precis({"quantize", "--format", "int4", "--scale", "0.1"}, "0.34\n").out, "0.300000012\n");
  EXPECT_EQ(Precis({"quantize", "--format", "int4", "--scale", "auto"}, "7\n14\n").out, "8\n14\n");
  EXPECT_EQ(Precis({"quantize", "--format", "mxfp4"}, "7\n0.3\n").out, "6\n0.5\n");
  EXPECT_EQ(Precis({"quantize", "--format", "mxfp4", "--scale-rule", "ceil"}, "7\n0.3\n").out, "8\n0\n");
  EXPECT_EQ(Precis({"quantize", "--format", "bf16"}, "").out, "");
}

TEST_F(FormatCommandTest, StochasticRoundingFollowsTheSeed) {
  std::string input;
  for (int i = 0; i < 200; ++i) input += "0.5\n";
  const auto run = [&](const std::string& seed) {
    return Precis({"quantize", "--format", "int4", "--rounding", "stochastic", "--seed", seed}, input).out;
  };
  EXPECT_EQ(run("1"), run("1"));
  EXPECT_NE(run("1"), run("2"));
  EXPECT_THAT(run("1"), HasSubstr("1\n"));
  EXPECT_THAT(run("1"), HasSubstr("0\n"));
}

TEST_F(FormatCommandTest, JsonHasScalesAndQuality) {
  const json result = json::parse(Precis({"quantize", "--format", "nvfp4", "-o", "json"}, "6\n1.2\n").out);
  EXPECT_EQ(result["values"].size(), 2u);
  EXPECT_EQ(result["scales"].size(), 1u);
  EXPECT_TRUE(result["global_scale"].is_number());
  EXPECT_TRUE(result["qsnr_db"].is_number());
  const json exact = json::parse(Precis({"quantize", "--format", "int4", "-o", "json"}, "6\n1\n").out);
  EXPECT_TRUE(exact["qsnr_db"].is_null());
  EXPECT_EQ(exact["exact"], true);
}

TEST_F(FormatCommandTest, SaysWhatIsWrong) {
  ExpectRefusal({"quantize", "--format", "int4"}, "1\nx\n2 3\n",
                "line 2: \"x\" is not a number.\nline 3: \"2 3\"");
  ExpectRefusal({"quantize", "--format", "int44"}, "1\n", "integers have 2 to 8 or 16 bits");
  ExpectRefusal({"quantize"}, "1\n", "--format");
  ExpectRefusal({"quantize", "--format", "mxfp4", "--scale", "2"}, "1\n", "leave --scale out");
  ExpectRefusal({"quantize", "--format", "bf16", "--scale", "2"}, "1\n", "has no scale");
  ExpectRefusal({"quantize", "--format", "int4", "--scale", "-1"}, "1\n", "positive");
  ExpectRefusal({"quantize", "--format", "dfp16", "--scale", "3"}, "1\n", "power of two");
  ExpectRefusal({"quantize", "--format", "nvfp4", "--scale-rule", "ceil"}, "1\n", "no power-of-two scale");
  ExpectRefusal({"quantize", "--format", "mxfp4", "--scale-rule", "up"}, "1\n", "--scale-rule");
  ExpectRefusal({"quantize", "--format", "fp32", "--rounding", "stochastic"}, "1\n", "rounds nothing");
}

}  // namespace
}  // namespace precis::client
