// Conversion between the wire and our values: every field, every enum value, every kind of nonsense.
#include "server/convert.h"

#include <cmath>
#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "search/plan.h"
#include "server/job_check.h"
#include "supernet/data/dataset.h"
#include "tests/fakes/sample_records.h"

namespace precis::server {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;

// Sets every field of the message, below it too, to a value that differs from one call to the next.
void FillEveryField(Message& message, int& counter) {
  const auto* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    ++counter;
    if (field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      for (int item = 0; item < 2; ++item) FillEveryField(*reflection->AddMessage(&message, field), counter);
      continue;
    }
    if (field->is_repeated()) {
      switch (field->cpp_type()) {
        case FieldDescriptor::CPPTYPE_STRING:
          reflection->AddString(&message, field, absl::StrCat("text", counter));
          break;
        case FieldDescriptor::CPPTYPE_INT64:
          reflection->AddInt64(&message, field, 1000 + counter);
          break;
        case FieldDescriptor::CPPTYPE_DOUBLE:
          reflection->AddDouble(&message, field, counter + 1.0 / 3);
          break;
        case FieldDescriptor::CPPTYPE_ENUM:
          for (int value = 1; value < field->enum_type()->value_count(); ++value) {
            reflection->AddEnumValue(&message, field, value);
          }
          break;
        default:
          FAIL() << field->full_name();
      }
      continue;
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        FillEveryField(*reflection->MutableMessage(&message, field), counter);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection->SetString(&message, field, absl::StrCat("text", counter));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection->SetDouble(&message, field, counter + 1.0 / 3);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->SetInt64(&message, field, 1000 + counter);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection->SetUInt64(&message, field, (uint64_t{1} << 63) + static_cast<uint64_t>(counter));
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        reflection->SetInt32(&message, field, counter);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->SetBool(&message, field, false);  // both default to true
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->SetEnumValue(&message, field, field->enum_type()->value_count() - 1);
        break;
      default:
        FAIL() << field->full_name();
    }
  }
}

// Calls `visit` with every enum field of the message and below, and its path.
template <typename Visit>
void VisitEnums(Message& message, const std::string& path, const Visit& visit) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    const std::string name = path + field->name();
    if (field->is_repeated()) continue;
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      VisitEnums(*message.GetReflection()->MutableMessage(&message, field), name + ".", visit);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      visit(message, field, name);
    }
  }
}

std::string Difference(const Message& a, const Message& b) {
  std::string text;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&text);
  differencer.Compare(a, b);
  return text;
}

TEST(Convert, EveryFieldOfASpecGoesThereAndBack) {
  v1::JobSpec wire;
  int counter = 0;
  FillEveryField(wire, counter);
  search::Violations violations;
  const search::JobSpec spec = JobSpecFromWire(wire, violations);
  EXPECT_TRUE(violations.empty());
  EXPECT_EQ(Difference(wire, JobSpecToWire(spec)), "");
}

TEST(Convert, AnEmptySpecIsTheDefaults) {
  search::Violations violations;
  EXPECT_EQ(Difference(JobSpecToWire(JobSpecFromWire(v1::JobSpec(), violations)), JobSpecToWire({})), "");
  EXPECT_TRUE(violations.empty());
  // The defaults that the wire's documentation promises.
  const v1::JobSpec wire = JobSpecToWire({});
  EXPECT_EQ(wire.seed(), 1u);
  EXPECT_EQ(wire.training().epochs(), 4);
  EXPECT_EQ(wire.training().batch_size(), 128);
  EXPECT_EQ(wire.data().search_images(), 6000);
  EXPECT_EQ(wire.cost().metric(), "bops");
  EXPECT_EQ(wire.finish().sampled_candidates(), 12);
  EXPECT_FALSE(wire.reward().has_beta());
  EXPECT_TRUE(wire.training().nesterov());
}

TEST(Convert, ExplicitZeroesAndFalsesAreKept) {
  v1::JobSpec wire;
  wire.set_seed(0);
  wire.mutable_reward()->set_beta(0);
  wire.mutable_training()->set_nesterov(false);
  wire.mutable_finish()->set_frozen_share(0);
  search::Violations violations;
  const search::JobSpec spec = JobSpecFromWire(wire, violations);
  EXPECT_EQ(spec.seed, 0u);
  EXPECT_EQ(spec.reward.beta, 0);
  EXPECT_FALSE(spec.training.nesterov);
  EXPECT_EQ(spec.finish.frozen_share, 0);
}

TEST(Convert, EveryEnumValueGoesThereAndBack) {
  v1::JobSpec wire;
  int values = 0;
  VisitEnums(wire, "", [&](Message& message, const FieldDescriptor* field, const std::string& path) {
    for (int i = 0; i < field->enum_type()->value_count(); ++i) {
      const int number = field->enum_type()->value(i)->number();
      message.GetReflection()->SetEnumValue(&message, field, number);
      search::Violations violations;
      const search::JobSpec spec = JobSpecFromWire(wire, violations);
      EXPECT_TRUE(violations.empty()) << path << " " << number;
      v1::JobSpec back = JobSpecToWire(spec);
      int returned = -1;
      VisitEnums(back, "", [&](Message& m, const FieldDescriptor* f, const std::string& p) {
        if (p == path) returned = m.GetReflection()->GetEnumValue(m, f);
      });
      if (number == 0) {
        EXPECT_GT(returned, 0) << path;
      } else {
        EXPECT_EQ(returned, number) << path;
      }
      ++values;
    }
  });
  EXPECT_GE(values, 20);
}

TEST(Convert, UnknownEnumNumbersNameTheirField) {
  v1::JobSpec wire;
  std::vector<std::string> paths;
  VisitEnums(wire, "", [&](Message& message, const FieldDescriptor* field, const std::string& path) {
    message.GetReflection()->SetEnumValue(&message, field, 77);
    paths.push_back(path);
  });
  search::Violations violations;
  JobSpecFromWire(wire, violations);
  std::vector<std::string> fields;
  for (const search::Violation& violation : violations) {
    fields.push_back(violation.field);
    EXPECT_THAT(violation.message, HasSubstr("77"));
  }
  EXPECT_THAT(fields, testing::UnorderedElementsAreArray(paths));
  EXPECT_EQ(violations.size(), 16u);
}

TEST(Convert, UnknownEnumMessagesListTheChoicesAsAJobFileWritesThem) {
  v1::JobSpec wire;
  wire.mutable_reward()->set_quality(static_cast<v1::QualitySource>(9));
  search::Violations violations;
  JobSpecFromWire(wire, violations);
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "reward.quality");
  EXPECT_EQ(violations[0].message, "has the unknown value 9: use one of search_accuracy, train_loss.");
}

TEST(Convert, ANegativeBetaIsAViolationAndNotUnset) {
  for (double beta : {-1.0, -0.5, -std::numeric_limits<double>::infinity()}) {
    v1::JobSpec wire;
    wire.mutable_reward()->set_beta(beta);
    search::Violations violations;
    JobSpecFromWire(wire, violations);
    ASSERT_EQ(violations.size(), 1u) << beta;
    EXPECT_EQ(violations[0].field, "reward.beta");
  }
}

TEST(Convert, EqualSpecsHaveEqualDigestsAndOthersDoNot) {
  v1::JobSpec plain, explicit_default, other;
  explicit_default.mutable_training()->set_epochs(4);
  other.mutable_training()->set_epochs(5);
  search::Violations violations;
  const auto digest = [&](const v1::JobSpec& wire) { return SpecDigest(JobSpecFromWire(wire, violations)); };
  EXPECT_EQ(digest(plain), digest(explicit_default));
  EXPECT_NE(digest(plain), digest(other));
  EXPECT_EQ(digest(plain).size(), 64u);
}

TEST(Convert, StoredSpecsReadBackAndDamagedOnesAreDataLoss) {
  search::JobSpec spec;
  spec.model.name = "resnet8";
  absl::StatusOr<search::JobSpec> back = SpecFromBytes(SpecBytes(spec));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(SpecDigest(*back), SpecDigest(spec));
  EXPECT_EQ(SpecFromBytes("\xff\xff\xff").status().code(), absl::StatusCode::kDataLoss);
}

TEST(Convert, WorkersBatchesGoThereAndBack) {
  WorkerBatch batch{.number = 7, .progress = SampleProgress(3), .candidates = {SampleCandidate(1)}};
  batch.candidates[0].sampled_at = -1;
  batch.candidates[0].test.reset();
  batch.candidates.push_back(SampleCandidate(4));
  batch.candidates[1].search.loss = std::nan("");
  for (search::Phase phase : {search::Phase::kPrepare, search::Phase::kWarmup, search::Phase::kSearch,
                              search::Phase::kFreeze, search::Phase::kFrozen, search::Phase::kFinish}) {
    for (search::Origin origin :
         {search::Origin::kSampled, search::Origin::kReference, search::Origin::kFinal}) {
      batch.progress->phase = phase;
      batch.candidates[1].origin = origin;
      const v1::ReportBatchRequest wire = BatchToWire("job", batch);
      EXPECT_EQ(wire.job(), "job");
      absl::StatusOr<WorkerBatch> back = BatchFromWire(wire);
      ASSERT_TRUE(back.ok()) << back.status();
      EXPECT_EQ(back->number, 7);
      EXPECT_EQ(ProgressText(*back->progress), ProgressText(*batch.progress));
      ASSERT_EQ(back->candidates.size(), 2u);
      for (size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(CandidateText(back->candidates[i]), CandidateText(batch.candidates[i]));
      }
    }
  }
}

TEST(Convert, WorkersNonsenseIsRefused) {
  const v1::ReportBatchRequest good =
      BatchToWire("job", {.number = 1, .progress = SampleProgress(3), .candidates = {SampleCandidate(1)}});
  const auto refused = [&](auto spoil) {
    v1::ReportBatchRequest wire = good;
    spoil(wire);
    EXPECT_EQ(BatchFromWire(wire).status().code(), absl::StatusCode::kInvalidArgument);
  };
  refused([](auto& w) { w.mutable_progress()->set_phase(v1::PHASE_UNSPECIFIED); });
  refused([](auto& w) { w.mutable_progress()->set_phase(static_cast<v1::Phase>(99)); });
  refused([](auto& w) { w.mutable_candidates(0)->set_assignment("int4,florp"); });
  refused([](auto& w) { w.mutable_candidates(0)->set_origin(v1::Candidate::ORIGIN_UNSPECIFIED); });
  refused([](auto& w) { w.mutable_candidates(0)->set_origin(static_cast<v1::Candidate::Origin>(99)); });
}

TEST(Convert, ResultsGoThereAndBack) {
  const search::SearchResult result = SampleResult();
  absl::StatusOr<search::SearchResult> back = WorkerResultFromWire(WorkerResultToWire(result));
  ASSERT_TRUE(back.ok()) << back.status();
  JobRecord a = SampleJob("x"), b = SampleJob("x");
  a.result = result;
  b.result = *back;
  EXPECT_EQ(JobText(a), JobText(b));
  EXPECT_EQ(WorkerResultFromWire(v1::WorkerResult()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Convert, EveryStateGoesThereAndBack) {
  const EnumDescriptor* states = v1::Job::State_descriptor();
  for (int i = 0; i < states->value_count(); ++i) {
    const auto wire = static_cast<v1::Job::State>(states->value(i)->number());
    absl::StatusOr<JobState> state = JobStateFromWire(wire, "state");
    if (wire == v1::Job::STATE_UNSPECIFIED) {
      EXPECT_FALSE(state.ok());
    } else {
      ASSERT_TRUE(state.ok());
      EXPECT_EQ(JobStateToWire(*state), wire);
    }
  }
  absl::Status unknown = JobStateFromWire(static_cast<v1::Job::State>(50), "state").status();
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("state: has the unknown value 50"));
}

TEST(Convert, AJobShowsWhatIsKnownOfIt) {
  JobRecord job = SampleJob("01jd8x5k3mq7");
  job.spec = SpecBytes({});
  v1::Job wire = JobToWire(job);
  EXPECT_EQ(wire.name(), "jobs/01jd8x5k3mq7");
  EXPECT_EQ(wire.state(), v1::Job::PENDING);
  EXPECT_EQ(wire.create_time().seconds(), 1'700'000'000);
  EXPECT_FALSE(wire.has_start_time());
  EXPECT_FALSE(wire.has_progress());
  EXPECT_FALSE(wire.has_result());
  EXPECT_EQ(wire.plan().constrained_metric(), "model_size");
  EXPECT_EQ(wire.plan().costs(0).basis(), "all layers");
  EXPECT_EQ(wire.plan().costs(0).reachable_min(), 1e6);
  EXPECT_FALSE(wire.plan().costs(0).has_at_most());
  EXPECT_EQ(wire.plan().costs(1).reachable_max(), 1e300);
  EXPECT_EQ(wire.plan().costs(1).at_most(), wire.plan().target());
  job.started_us = job.created_us + 1;
  job.ended_us = job.created_us + 2'500'000;
  job.result = SampleResult();
  job.worker_version = "w";
  wire = JobToWire(job);
  EXPECT_EQ(wire.end_time().nanos(), 500'000'000);
  EXPECT_TRUE(wire.has_progress());
  EXPECT_EQ(wire.result().final_candidate(), "jobs/01jd8x5k3mq7/candidates/2");
  EXPECT_EQ(wire.result().worker_version(), "w");
}

TEST(Convert, ACandidateNamesItsLayersAndCosts) {
  const v1::Candidate wire = CandidateToWire("01jd8x5k3mq7", SampleJob("x").plan, SampleCandidate(1));
  EXPECT_EQ(wire.name(), "jobs/01jd8x5k3mq7/candidates/1");
  ASSERT_EQ(wire.layers_size(), 2);
  EXPECT_EQ(wire.layers(1).layer(), "classifier");
  EXPECT_EQ(wire.layers(1).weight(), "e4m3");
  EXPECT_EQ(wire.layers(1).activation(), "int8");
  EXPECT_EQ(wire.costs(1).metric(), "model_size");
  EXPECT_EQ(wire.costs(1).unit(), "bits");
  EXPECT_FALSE(wire.has_sampled_at_step());
}

TEST(Convert, AnUnknownTechniqueIsNamedByItsPlace) {
  v1::JobSpec wire;
  wire.mutable_post_training()->add_techniques(v1::POST_TRAINING_TECHNIQUE_GPTQ);
  wire.mutable_post_training()->add_techniques(v1::POST_TRAINING_TECHNIQUE_UNSPECIFIED);
  search::Violations violations;
  const search::JobSpec spec = JobSpecFromWire(wire, violations);
  EXPECT_TRUE(spec.post_training.rewriting.Has(Technique::kGptq));
  ASSERT_EQ(violations.size(), 1u);
  EXPECT_EQ(violations[0].field, "post_training.techniques[1]");
  EXPECT_THAT(violations[0].message,
              HasSubstr("equalization, smooth, bias_correction, learned_rounding, gptq"));
}

// Random bytes, and random changes of a good spec, either do not parse or are checked without a crash.
TEST(ConvertFuzz, NoBytesCrashTheCheck) {
  std::mt19937_64 generator(7);
  v1::JobSpec good;
  good.mutable_model()->set_name("resnet8");
  good.mutable_data()->set_name("fashion_mnist");
  good.mutable_data()->set_path("/nowhere");
  good.mutable_space()->add_formats("int4");
  good.mutable_cost()->set_target("1.1x int4");
  v1::CostLimit& limit = *good.mutable_cost()->add_limits();
  limit.set_metric("table");
  limit.set_at_most("2x int4");
  good.mutable_cost()->add_report("asic-area");
  good.mutable_cost()->set_table("layer,format,cost\n*,int4,1\n");
  good.mutable_training()->set_epochs(1);
  good.mutable_reward()->set_quality(v1::QUALITY_SOURCE_TRAIN_LOSS);
  const std::string seed_bytes = good.SerializeAsString();
  int parsed = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string bytes;
    if (i % 2 == 0) {
      bytes.resize(generator() % 40);
      for (char& c : bytes) c = static_cast<char>(generator());
    } else {
      bytes = seed_bytes;
      for (uint64_t changes = 1 + generator() % 4; changes > 0; --changes) {
        bytes[generator() % bytes.size()] = static_cast<char>(generator());
      }
    }
    v1::JobSpec wire;
    if (!wire.ParseFromString(bytes)) continue;
    ++parsed;
    search::Violations violations;
    const search::JobSpec spec = JobSpecFromWire(wire, violations);
    // There and back again loses nothing that was understood.
    search::Violations again;
    EXPECT_EQ(SpecDigest(JobSpecFromWire(JobSpecToWire(spec), again)), SpecDigest(spec));
    EXPECT_TRUE(again.empty());
    v1::SubmitJobRequest request;
    *request.mutable_spec() = wire;
    const CheckedJob checked = CheckJob(request);
    EXPECT_TRUE(!checked.violations.empty() || !checked.record.plan.fingerprint.empty());
    EXPECT_GE(checked.violations.size(), violations.size());
  }
  EXPECT_GT(parsed, 1000);
}

}  // namespace
}  // namespace precis::server
