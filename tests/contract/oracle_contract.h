// What every Oracle must do, whatever it computes with. Instantiate with
//   INSTANTIATE_TEST_SUITE_P(Mine, OracleContract, ::testing::Values(OracleFactory{…}), OracleFactoryName);
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "supernet/formats/format.h"
#include "supernet/graph/assignment.h"
#include "supernet/graph/oracle.h"
#include "tests/fakes/temp_dir.h"

namespace precis {

struct OracleFactory {
  std::string name;                               // letters and digits
  std::function<std::unique_ptr<Oracle>()> make;  // a fresh oracle; every call the same one
  size_t layer_count = 0;
  int64_t search_images = 0;
  int64_t test_images = 0;
};

inline std::string OracleFactoryName(const ::testing::TestParamInfo<OracleFactory>& info) {
  return info.param.name;
}

inline void PrintTo(const OracleFactory& factory, std::ostream* out) { *out << factory.name; }

class OracleContract : public ::testing::TestWithParam<OracleFactory> {
 protected:
  std::unique_ptr<Oracle> Make() const { return GetParam().make(); }
  std::string File(const std::string& name) const { return folder_.path() + "/" + name; }

  std::string Bytes(const std::string& name) const {
    std::ifstream in(File(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  Assignment Uniform(const char* format) const {
    return UniformAssignment(GetParam().layer_count, *ParseFormat(format));
  }

  // Formats in turn, so that the layers differ.
  Assignment Mixed() const {
    Assignment assignment = Uniform("int8");
    for (size_t i = 0; i < assignment.layers.size(); ++i) {
      const Format format = *ParseFormat(i % 3 == 0 ? "int8" : i % 3 == 1 ? "int4" : "e4m3");
      assignment.layers[i] = {format, format};
    }
    return assignment;
  }

  // What a caller can see of a few steps.
  static std::vector<StepOutcome> Train(Oracle& oracle, const Assignment& assignment, int steps) {
    std::vector<StepOutcome> outcomes;
    for (int i = 0; i < steps; ++i) {
      absl::StatusOr<StepOutcome> outcome = oracle.TrainStep(assignment);
      EXPECT_TRUE(outcome.ok()) << outcome.status();
      if (outcome.ok()) outcomes.push_back(*outcome);
    }
    return outcomes;
  }

  static Evaluation Evaluate(Oracle& oracle, const Assignment& assignment, Split split = Split::kSearch) {
    absl::StatusOr<Evaluation> evaluation = oracle.Evaluate(assignment, split);
    EXPECT_TRUE(evaluation.ok()) << evaluation.status();
    return evaluation.ok() ? *evaluation : Evaluation{};
  }

  static Quality Probe(Oracle& oracle, const Assignment& assignment, int64_t images) {
    absl::StatusOr<Quality> quality = oracle.Probe(assignment, images, ProbeImages::kNext);
    EXPECT_TRUE(quality.ok()) << quality.status();
    return quality.ok() ? *quality : Quality{};
  }

  static void ExpectSame(const Quality& a, const Quality& b) {
    EXPECT_EQ(a.accuracy, b.accuracy);
    EXPECT_EQ(a.loss, b.loss);
    EXPECT_EQ(a.images, b.images);
  }

  static void ExpectSame(const Evaluation& a, const Evaluation& b) {
    ExpectSame(a.quality, b.quality);
    EXPECT_EQ(a.activation_ranges, b.activation_ranges);
  }

  static void ExpectSame(const std::vector<StepOutcome>& a, const std::vector<StepOutcome>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].loss, b[i].loss) << "step " << i;
      EXPECT_EQ(a[i].accuracy, b[i].accuracy) << "step " << i;
      EXPECT_EQ(a[i].applied, b[i].applied) << "step " << i;
    }
  }

  TempDir folder_;
};

TEST_P(OracleContract, ResultsAreInRange) {
  const std::unique_ptr<Oracle> oracle = Make();
  for (const StepOutcome& outcome : Train(*oracle, Mixed(), 3)) {
    EXPECT_TRUE(std::isfinite(outcome.loss));
    EXPECT_TRUE(outcome.applied);
    EXPECT_GE(outcome.accuracy, 0);
    EXPECT_LE(outcome.accuracy, 1);
  }
  EXPECT_EQ(Probe(*oracle, Mixed(), 5).images, 5);
  for (const auto& [split, images] : {std::pair{Split::kSearch, GetParam().search_images},
                                      std::pair{Split::kTest, GetParam().test_images}}) {
    const Evaluation evaluation = Evaluate(*oracle, Mixed(), split);
    EXPECT_EQ(evaluation.quality.images, images);
    EXPECT_GE(evaluation.quality.accuracy, 0);
    EXPECT_LE(evaluation.quality.accuracy, 1);
    ASSERT_EQ(evaluation.activation_ranges.size(), GetParam().layer_count);
    for (const ActivationRange& range : evaluation.activation_ranges) {
      EXPECT_GE(range.high, 0);
      EXPECT_LE(range.low, 0);
    }
  }
}

TEST_P(OracleContract, ProbesOnTheSameImagesCompare) {
  const std::unique_ptr<Oracle> oracle = Make();
  const std::unique_ptr<Oracle> plain = Make();
  Train(*oracle, Mixed(), 3);
  Train(*plain, Mixed(), 3);
  const absl::StatusOr<Quality> first = oracle->Probe(Mixed(), 7, ProbeImages::kSame);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->images, 7);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(oracle->Probe(Uniform("int3"), 5, ProbeImages::kSame).ok());
    const absl::StatusOr<Quality> again = oracle->Probe(Mixed(), 7, ProbeImages::kSame);
    ASSERT_TRUE(again.ok()) << again.status();
    ExpectSame(*first, *again);
  }
  for (int i = 0; i < 3; ++i) ExpectSame(Probe(*oracle, Mixed(), 9), Probe(*plain, Mixed(), 9));
}

TEST_P(OracleContract, TakesAnyFormatEvenFloat) {
  const std::unique_ptr<Oracle> oracle = Make();
  for (const char* format : {"fp32", "bf16", "fp16", "int8", "int2", "e2m1", "e4m3fn", "e5m2", "int16"}) {
    EXPECT_EQ(Evaluate(*oracle, Uniform(format)).quality.images, GetParam().search_images) << format;
  }
}

TEST_P(OracleContract, EqualOraclesAnswerAlike) {
  const std::unique_ptr<Oracle> a = Make();
  const std::unique_ptr<Oracle> b = Make();
  for (const Assignment& assignment : {Mixed(), Uniform("int4"), Uniform("fp32")}) {
    ExpectSame(Train(*a, assignment, 3), Train(*b, assignment, 3));
    ExpectSame(Probe(*a, assignment, 7), Probe(*b, assignment, 7));
  }
  ExpectSame(Evaluate(*a, Mixed()), Evaluate(*b, Mixed()));
}

TEST_P(OracleContract, MeasuringABAGivesATwice) {
  const std::unique_ptr<Oracle> oracle = Make();
  Train(*oracle, Mixed(), 3);
  const Evaluation first = Evaluate(*oracle, Mixed());
  Evaluate(*oracle, Uniform("int3"));
  Evaluate(*oracle, Uniform("fp32"), Split::kTest);
  Probe(*oracle, Uniform("int8"), 9);
  ExpectSame(first, Evaluate(*oracle, Mixed()));
}

TEST_P(OracleContract, TrainingGoesOnAsIfNothingHadBeenMeasured) {
  const std::unique_ptr<Oracle> measured = Make();
  const std::unique_ptr<Oracle> plain = Make();
  Train(*measured, Mixed(), 2);
  Train(*plain, Mixed(), 2);
  Probe(*measured, Uniform("int2"), 11);
  Evaluate(*measured, Uniform("int2"));
  ASSERT_TRUE(measured->SaveWeights(Uniform("int8"), File("weights")).ok());
  ExpectSame(Train(*measured, Mixed(), 3), Train(*plain, Mixed(), 3));
  ExpectSame(Evaluate(*measured, Mixed()), Evaluate(*plain, Mixed()));
}

TEST_P(OracleContract, TrainingChangesTheWeights) {
  const std::unique_ptr<Oracle> oracle = Make();
  const double before = Evaluate(*oracle, Uniform("fp32")).quality.loss;
  Train(*oracle, Uniform("int8"), 2);
  EXPECT_NE(Evaluate(*oracle, Uniform("fp32")).quality.loss, before);
}

TEST_P(OracleContract, SavedWeightsComeBack) {
  const std::unique_ptr<Oracle> trained = Make();
  Train(*trained, Mixed(), 3);
  ASSERT_TRUE(trained->SaveWeights(Mixed(), File("weights")).ok());
  const std::unique_ptr<Oracle> fresh = Make();
  ASSERT_TRUE(fresh->LoadWeights(File("weights")).ok());
  ExpectSame(Evaluate(*trained, Mixed()), Evaluate(*fresh, Mixed()));
  ExpectSame(Evaluate(*trained, Uniform("int4")), Evaluate(*fresh, Uniform("int4")));
}

TEST_P(OracleContract, AStateGoesOnBitForBit) {
  const std::unique_ptr<Oracle> whole = Make();
  Train(*whole, Mixed(), 3);
  Train(*whole, Uniform("int2"), 2);
  Probe(*whole, Mixed(), 7);
  Train(*whole, Uniform("int8"), 1);
  ASSERT_TRUE(whole->SaveState(File("state")).ok());
  const std::unique_ptr<Oracle> resumed = Make();
  ASSERT_TRUE(resumed->LoadState(File("state")).ok());
  for (int round = 0; round < 3; ++round) {
    ExpectSame(Train(*resumed, Mixed(), 4), Train(*whole, Mixed(), 4));
    ExpectSame(Train(*resumed, Uniform("e4m3"), 2), Train(*whole, Uniform("e4m3"), 2));
    ExpectSame(Probe(*resumed, Mixed(), 5), Probe(*whole, Mixed(), 5));
    ExpectSame(Evaluate(*resumed, Uniform("int4")), Evaluate(*whole, Uniform("int4")));
  }
  ASSERT_TRUE(whole->SaveState(File("whole")).ok());
  ASSERT_TRUE(resumed->SaveState(File("resumed")).ok());
  EXPECT_TRUE(Bytes("whole") == Bytes("resumed"));
}

TEST_P(OracleContract, SavingAStateChangesNothing) {
  const std::unique_ptr<Oracle> saved = Make();
  const std::unique_ptr<Oracle> plain = Make();
  Train(*saved, Mixed(), 2);
  Train(*plain, Mixed(), 2);
  ASSERT_TRUE(saved->SaveState(File("state")).ok());
  ExpectSame(Train(*saved, Mixed(), 3), Train(*plain, Mixed(), 3));
}

TEST_P(OracleContract, UnusableStatesAreReported) {
  const std::unique_ptr<Oracle> oracle = Make();
  EXPECT_EQ(oracle->LoadState(File("absent")).code(), absl::StatusCode::kNotFound);
  std::ofstream(File("damaged")) << "not a state";
  EXPECT_EQ(oracle->LoadState(File("damaged")).code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(oracle->SaveWeights(Mixed(), File("weights")).ok());
  EXPECT_EQ(oracle->LoadState(File("weights")).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(oracle->SaveState(File("no/such/folder/state")).code(), absl::StatusCode::kUnavailable);
  ExpectSame(Train(*oracle, Mixed(), 2), Train(*Make(), Mixed(), 2));
}

TEST_P(OracleContract, SavingTwiceGivesTheSameBytes) {
  const std::unique_ptr<Oracle> oracle = Make();
  Train(*oracle, Mixed(), 1);
  ASSERT_TRUE(oracle->SaveWeights(Mixed(), File("first")).ok());
  ASSERT_TRUE(oracle->SaveWeights(Mixed(), File("second")).ok());
  EXPECT_FALSE(Bytes("first").empty());
  EXPECT_TRUE(Bytes("first") == Bytes("second"));
}

TEST_P(OracleContract, UnusableFilesAreReportedAndChangeNothing) {
  const std::unique_ptr<Oracle> oracle = Make();
  const Evaluation before = Evaluate(*oracle, Mixed());
  EXPECT_EQ(oracle->LoadWeights(File("absent")).code(), absl::StatusCode::kNotFound);
  std::ofstream(File("damaged")) << "not a weight file";
  const absl::Status damaged = oracle->LoadWeights(File("damaged"));
  EXPECT_THAT(damaged.code(),
              ::testing::AnyOf(absl::StatusCode::kDataLoss, absl::StatusCode::kInvalidArgument));
  const absl::Status unwritable = oracle->SaveWeights(Mixed(), File("no/such/folder/weights"));
  EXPECT_EQ(unwritable.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(unwritable.message()), ::testing::HasSubstr("no/such/folder"));
  ExpectSame(before, Evaluate(*oracle, Mixed()));
}

TEST_P(OracleContract, AnAssignmentOfAnotherSizeIsABrokenInvariant) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const Assignment wrong = UniformAssignment(GetParam().layer_count + 1, *ParseFormat("int8"));
  EXPECT_DEATH((void)Make()->TrainStep(wrong), "broken invariant");
  EXPECT_DEATH((void)Make()->Probe(wrong, 1, ProbeImages::kNext), "broken invariant");
  EXPECT_DEATH((void)Make()->Evaluate(wrong, Split::kSearch), "broken invariant");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(OracleContract);

}  // namespace precis
