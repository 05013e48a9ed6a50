// Names of scaled, rotated and stochastically rounded formats, and what they cost to store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "supernet/formats/format.h"

namespace precis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Format F(const std::string& name) {
  const absl::StatusOr<Format> format = ParseFormat(name);
  EXPECT_TRUE(format.ok()) << format.status();
  return format.ok() ? *format : Format{};
}

std::string ErrorOf(std::string_view name) {
  const absl::StatusOr<Format> format = ParseFormat(name);
  EXPECT_EQ(format.status().code(), absl::StatusCode::kInvalidArgument) << name;
  return std::string(format.status().message());
}

// Every scale, extent, option and modifier on every catalogue element, as far as they go together.
std::vector<Format> Combinations() {
  std::vector<Format> formats;
  for (const Format& base : CatalogueFormats()) {
    for (const ScaleType type :
         {base.scale.type, ScaleType::kFloat32, ScaleType::kE8M0, ScaleType::kE4M3, ScaleType::kUe5m3}) {
      for (const int block : {0, 1, 16, 24, 32, 4096}) {
        for (const int variant : {0, 1, 2, 3, 4, 5, 6, 7, 8}) {
          Format format = base;
          format.scale.type = type;
          format.scale.block = block;
          format.scale.extent = block != 0 ? ScaleExtent::kBlock : ScaleExtent::kOperand;
          if (variant == 1) format.scale.rule = PowerRule::kCeil;
          if (variant == 2) format.scale.rule = PowerRule::kEven;
          if (variant == 3) format.scale.tall = true;
          if (variant == 4) format.scale.global = !format.scale.global;
          if (variant == 5) format.scale.headroom = 1;
          if (variant == 6 && block == 0) format.scale.extent = ScaleExtent::kTensor;
          if (variant == 7) format.hadamard = 32;
          if (variant == 8) format.stochastic_bits = 8;
          if (CheckFormat(format).ok()) formats.push_back(format);
        }
      }
    }
  }
  return formats;
}

TEST(Grammar, EveryCombinationPrintsAndParsesBack) {
  const std::vector<Format> formats = Combinations();
  EXPECT_GT(formats.size(), 2000u);
  for (const Format& format : formats) {
    const std::string name = FormatName(format);
    ASSERT_EQ(F(name), format) << name;
    EXPECT_LE(name.size(), 64u) << name;
    EXPECT_THAT(name, AllOf(Not(HasSubstr("/")), Not(HasSubstr(",")), Not(HasSubstr(" ")))) << name;
    EXPECT_THAT(DescribeFormat(format), Not(HasSubstr("\n"))) << name;
  }
}

TEST(Grammar, NoTwoFormatsShareAName) {
  std::set<std::string> names;
  std::set<Format> formats;
  for (const Format& format : Combinations()) {
    names.insert(FormatName(format));
    formats.insert(format);
  }
  EXPECT_EQ(names.size(), formats.size());
}

TEST(Grammar, NamedFormatsAreWhatTheirPublicationsSay) {
  struct Named {
    const char* name;
    const char* long_name;
    double bits;
  };
  for (const Named& named : {Named{"mxint8", "int8@e8m0:32", 8.25},
                             {"mxint6", "int6@e8m0:32", 6.25},
                             {"mxint4", "int4@e8m0:32", 4.25},
                             {"mxfp8", "e4m3fn@e8m0:32", 8.25},
                             {"mxfp8_e5m2", "e5m2@e8m0:32", 8.25},
                             {"mxfp6", "e2m3@e8m0:32", 6.25},
                             {"mxfp6_e3m2", "e3m2@e8m0:32", 6.25},
                             {"mxfp4", "e2m1@e8m0:32", 4.25},
                             {"nvfp4", "e2m1@e4m3:16:global", 4.5},
                             {"nvint4", "int4@e4m3:16:global", 4.5},
                             {"dfp16", "int16@e8m0:tensor", 16}}) {
    EXPECT_EQ(F(named.name), F(named.long_name)) << named.name;
    EXPECT_EQ(FormatName(F(named.long_name)), named.name);
    EXPECT_EQ(BitsPerElement(F(named.name)), named.bits) << named.name;
  }
}

TEST(Grammar, PrintsTheShortestName) {
  EXPECT_EQ(FormatName(F("MXFP4:CEIL")), "mxfp4:ceil");
  EXPECT_EQ(FormatName(F("e2m1@e8m0:32:even")), "mxfp4:even");
  EXPECT_EQ(FormatName(F("mxfp4:floor")), "mxfp4");
  EXPECT_EQ(FormatName(F("int8@fp32")), "int8");
  EXPECT_EQ(FormatName(F("mxint4+hadamard32")), "mxint4+hadamard");
  EXPECT_EQ(FormatName(F("mxint4+hadamard16")), "mxint4+hadamard16");
  EXPECT_EQ(FormatName(F("nvfp4+sr8+hadamard")), "nvfp4+hadamard+sr8");
  EXPECT_EQ(FormatName(F("int8@fp32:tensor")), "int8@fp32:tensor");
  EXPECT_EQ(FormatName(F("dfp16:shift2")), "dfp16:shift2");
  EXPECT_EQ(FormatName(F("uint8_affine")), "uint8_affine");
  EXPECT_EQ(FormatName(F("e2m1@ue5m3x:global:16")), "e2m1@ue5m3x:16:global");
}

TEST(Grammar, RefusesImpossibleFormatsWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"int4@e8m0:0", "a block has at least 1 element"},
      {"int4@e8m0:5000", "at most 4096"},
      {"int1@e8m0:32", "2 to 8 or 16 bits"},
      {"e0m3@e8m0:32", "at least one exponent bit"},
      {"uint4@e8m0:32", "unsigned elements"},
      {"bf16@e8m0:32", "takes no scale"},
      {"int4@e4m3", "needs a block"},
      {"int4@e4m3:tensor", "needs a block"},
      {"int4@e9m9:32", "is no scale"},
      {"int4@e8m0:32:64", "given twice"},
      {"mxfp4:16", "follows the scale"},
      {"mxfp4:ceil:floor", "given twice"},
      {"mxfp4:up", "is no option"},
      {"nvfp4:ceil", "only an e8m0 scale has a rule"},
      {"int4:ceil", "only an e8m0 scale has a rule"},
      {"mxfp4:global", "global scale"},
      {"nvfp4:global", "given twice"},
      {"mxfp4:shift1", "only integers"},
      {"dfp16:shift9", "1 to 8"},
      {"int2@e8m0:shift1", "1 to 0"},
      {"int4_affine@fp32:16", "zero point"},
      {"int4_affine@e8m0", "zero point"},
      {"int4+hadamard", "needs a size"},
      {"int4+hadamard0", "at least 2"},
      {"int4+hadamard12", "power of two"},
      {"int4@e8m0:24+hadamard", "power of two"},
      {"int4@e8m0:24+hadamard16", "do not divide"},
      {"int4@e8m0:12+hadamard8", "do not divide"},
      {"uint4+hadamard8", "both signs"},
      {"int8_affine+hadamard8", "both signs"},
      {"mxfp4+sr0", "1 to 16"},
      {"mxfp4+sr17", "1 to 16"},
      {"mxfp4+sr8+sr8", "given twice"},
      {"mxfp4+hadamard+hadamard", "given twice"},
      {"mxfp4+magic", "neither +hadamard nor +srR"},
      {"mxfp4+", "neither"},
      {"fp32+sr8", "rounds nothing"},
  };
  for (const auto& [name, reason] : cases) {
    EXPECT_THAT(ErrorOf(name), AllOf(HasSubstr(reason), HasSubstr("Allowed:"))) << name;
  }
}

TEST(Grammar, SuggestsNamedFormats) {
  EXPECT_THAT(ErrorOf("mxfp5"), HasSubstr("Did you mean \"mxfp"));
  EXPECT_THAT(ErrorOf("nvpf4"), HasSubstr("Did you mean \"nvfp4\"?"));
  EXPECT_THAT(ErrorOf("mxfp8_e4m3"), HasSubstr("Did you mean \"mxfp8\"?"));
  EXPECT_THAT(ErrorOf("uint44"), HasSubstr("2 to 8 or 16 bits"));
}

TEST(Grammar, AnswersEveryText) {
  std::mt19937 random(8);
  const std::string letters = "@:+0123456789hadmrseflnoticug_ x\xFF";
  const std::vector<Format> formats = Combinations();
  for (int i = 0; i < 50000; ++i) {
    std::string text = FormatName(formats[random() % formats.size()]);
    text[random() % text.size()] = letters[random() % letters.size()];
    if (random() % 2 == 0) text.insert(random() % text.size(), 1, letters[random() % letters.size()]);
    const absl::StatusOr<Format> format = ParseFormat(text);
    if (!format.ok()) continue;
    EXPECT_TRUE(CheckFormat(*format).ok()) << text;
    EXPECT_EQ(F(FormatName(*format)), *format) << text;
  }
}

TEST(Storage, CountsScalesWhereTheyAre) {
  EXPECT_EQ(StorageBits(F("int4"), 10, 100), 4000 + 10 * 32);
  EXPECT_EQ(StorageBits(F("int4@fp32:tensor"), 10, 100), 4000 + 32);
  EXPECT_EQ(StorageBits(F("int8_affine"), 1, 100), 800 + 40);
  EXPECT_EQ(StorageBits(F("bf16"), 10, 100), 16000);
  EXPECT_EQ(StorageBits(F("tf32"), 10, 100), 32000);
  EXPECT_EQ(StorageBits(F("mxfp4"), 10, 64), 10 * (64 * 4 + 2 * 8));
  EXPECT_EQ(StorageBits(F("mxfp4"), 10, 65), 10 * (65 * 4 + 3 * 8)) << "a short last block has a scale too";
  EXPECT_EQ(StorageBits(F("nvfp4"), 10, 64), 10 * (64 * 4 + 4 * 8) + 32);
  EXPECT_EQ(StorageBits(F("dfp16"), 10, 64), 640 * 16 + 8);
  EXPECT_EQ(StorageBits(F("mxfp4"), 0, 0), 0);
}

TEST(Catalogue, HoldsWhatTheSupernetTrainsAndMore) {
  const std::vector<Format> all = AllFormats();
  const std::vector<Format> catalogue = CatalogueFormats();
  ASSERT_GT(catalogue.size(), all.size());
  for (size_t i = 0; i < catalogue.size(); ++i) {
    if (i < all.size()) {
      EXPECT_EQ(FormatName(catalogue[i]), FormatName(all[i]));
    }
    EXPECT_TRUE(CheckFormat(catalogue[i]).ok()) << FormatName(catalogue[i]);
  }
  for (const char* name : {"int4", "e2m1", "mxfp4", "int8_affine", "uint8_affine", "dfp16"}) {
    EXPECT_TRUE(HoldsNegatives(F(name))) << name;
  }
  for (const char* name : {"uint4", "uint8@fp32:tensor"}) EXPECT_FALSE(HoldsNegatives(F(name))) << name;
}

TEST(Describe, NamesScaleAndSource) {
  EXPECT_EQ(DescribeFormat(F("mxint4")),
            "4-bit two's complement integer, -7 to 7, E8M0 scale (floor) a block of 32 (MX blocks, arXiv "
            "2510.25602)");
  EXPECT_THAT(DescribeFormat(F("nvfp4+hadamard+sr8")),
              AllOf(HasSubstr("E4M3 scale a block of 16, FP32 scale a tensor"), HasSubstr("rotation of 16"),
                    HasSubstr("stochastic rounding with 8 bits"), HasSubstr("NVFP4")));
}

}  // namespace
}  // namespace precis
