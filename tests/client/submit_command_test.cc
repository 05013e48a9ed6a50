// submit and validate: what is sent, and all faults of a job file at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "client/exit_codes.h"
#include "tests/client/fake_search_service.h"
#include "tests/fakes/temp_dir.h"

namespace precis::client {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kGood[] = "model: {name: resnet8}\ndata: {name: fashion_mnist}\n";

// INVALID_ARGUMENT as precisd sends it.
grpc::Status RefuseFields(grpc::ServerContext* context, const std::vector<std::string>& fields) {
  v1::InvalidArgument details;
  for (const std::string& field : fields) {
    v1::FieldViolation* violation = details.add_violations();
    violation->set_field(field);
    violation->set_message("the server's word");
  }
  context->AddTrailingMetadata("precis-invalid-argument-bin", details.SerializeAsString());
  return {grpc::StatusCode::INVALID_ARGUMENT, "the job has faults"};
}

class SubmitTest : public CommandTest {
 protected:
  void RefuseAlways(const std::vector<std::string>& fields) {
    service_.submit = [fields](grpc::ServerContext* context, const v1::SubmitJobRequest&, v1::Job*) {
      return RefuseFields(context, fields);
    };
  }
};

TEST_F(SubmitTest, PrintsTheNameAloneOnStandardOutput) {
  const Ran ran = Precis({"submit", "-"}, kGood);
  EXPECT_EQ(ran.code, kExitOk) << ran.err;
  EXPECT_EQ(ran.out, "jobs/abc\n");
  EXPECT_THAT(ran.err, HasSubstr("precis watch abc"));
  ASSERT_THAT(service_.submitted, SizeIs(1));
  EXPECT_EQ(service_.submitted[0].spec().model().name(), "resnet8");
  EXPECT_FALSE(service_.submitted[0].validate_only());
}

TEST_F(SubmitTest, SendsAFreshUuidOrTheOneGiven) {
  Precis({"submit", "-"}, kGood);
  Precis({"submit", "-"}, kGood);
  Precis({"submit", "-", "--request-id", "mine"}, kGood);
  ASSERT_THAT(service_.submitted, SizeIs(3));
  EXPECT_THAT(service_.submitted[0].request_id(),
              MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
  EXPECT_NE(service_.submitted[0].request_id(), service_.submitted[1].request_id());
  EXPECT_EQ(service_.submitted[2].request_id(), "mine");
}

TEST_F(SubmitTest, AppliesOverrides) {
  EXPECT_EQ(Precis({"submit", "-", "--set", "training.epochs=0.5", "--set", "seed=9"}, kGood).code, kExitOk);
  EXPECT_EQ(service_.submitted[0].spec().training().epochs(), 0.5);
  EXPECT_EQ(service_.submitted[0].spec().seed(), 9u);
}

TEST_F(SubmitTest, DryRunAndValidateStoreNothing) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"submit", "-", "--dry-run"}, {"validate", "-"}}) {
    const Ran ran = Precis(arguments, kGood);
    EXPECT_EQ(ran.code, kExitOk) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("reachable  0.2143 GBOPs to 0.8572 GBOPs"));
    EXPECT_TRUE(service_.submitted.back().validate_only());
    EXPECT_THAT(service_.submitted.back().request_id(), IsEmpty());
  }
  EXPECT_TRUE(nlohmann::json::accept(Precis({"validate", "-", "-o", "json"}, kGood).out));
}

TEST_F(SubmitTest, ReportsLocalAndServerFaultsTogether) {
  RefuseAlways({"space.formats[0]", "cost.target", "seed"});
  const Ran ran = Precis({"submit", "-"}, "seed: x\nspace:\n  formats: [int44]\nmodle: {name: r}\n");
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_EQ(ran.err,
            "<stdin>: cost.target: the server's word\n"
            "<stdin>:1:7: seed: must be a whole number, not \"x\".\n"
            "<stdin>:3:13: space.formats[0]: the server's word\n"
            "<stdin>:4:1: modle: unknown field. Did you mean \"model\"? Known are: display_name, model, "
            "data, space, "
            "cost, reward, controller, training, finish, seed, device, threads, ranges, post_training.\n"
            "4 faults in <stdin>; nothing was submitted.\n");
  ASSERT_THAT(service_.submitted, SizeIs(1));
  EXPECT_TRUE(service_.submitted[0].validate_only());
}

TEST_F(SubmitTest, ReportsServerFaultsOfAFileThatReadsWell) {
  RefuseAlways({"model.name"});
  const Ran ran = Precis({"submit", "-"}, kGood);
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_EQ(ran.err,
            "<stdin>:1:9: model.name: the server's word\n1 fault in <stdin>; nothing was submitted.\n");
}

TEST_F(SubmitTest, ReportsLocalFaultsWithoutAServer) {
  Stop();
  const Ran ran = Precis({"submit", "-"}, "seed: x\n");
  EXPECT_EQ(ran.code, kExitUsage);
  EXPECT_THAT(ran.err, HasSubstr("<stdin>:1:7: seed"));
  EXPECT_THAT(ran.err, HasSubstr("The server could not be asked about the rest"));
}

TEST_F(SubmitTest, AnInvalidArgumentWithoutDetailsIsAnRpcError) {
  service_.submit = [](grpc::ServerContext*, const v1::SubmitJobRequest&, v1::Job*) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "request_id is too long");
  };
  const Ran ran = Precis({"submit", "-"}, kGood);
  EXPECT_EQ(ran.code, kExitRpc + grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ran.err, "precis: request_id is too long\n");
}

TEST_F(SubmitTest, SaysHowToTryAgainWithoutSubmittingTwice) {
  service_.submit = [](grpc::ServerContext*, const v1::SubmitJobRequest&, v1::Job*) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  };
  EXPECT_THAT(Precis({"submit", "-", "--request-id", "mine"}, kGood).err, HasSubstr("--request-id mine"));
  EXPECT_THAT(Precis({"validate", "-"}, kGood).err, Not(HasSubstr("--request-id")));
}

TEST_F(SubmitTest, RefusesFilesThatAreNone) {
  EXPECT_THAT(Precis({"submit", "/no/such.yaml"}).err, HasSubstr("cannot open /no/such.yaml: No such file"));
  EXPECT_THAT(Precis({"submit", "-"}, "").err, HasSubstr("<stdin>: empty"));
  EXPECT_THAT(Precis({"submit", "-"}, "a: [").err, HasSubstr("not valid YAML"));
  EXPECT_THAT(Precis({"submit", "-"}, "hello").err, HasSubstr("precis help job-file"));
  EXPECT_THAT(Precis({"submit", "-"}, std::string(2 << 20, '#')).err, HasSubstr("larger than 1 MiB"));
  EXPECT_EQ(Precis({"submit", "/"}).code, kExitUsage);
  EXPECT_THAT(service_.submitted, IsEmpty());
}

// The file that cost.table names is sent as text, found beside the job file.
TEST_F(SubmitTest, SendsTheCostTableItNames) {
  const TempDir dir;
  const std::string table = "layer,format,cost\n*,int8,1\n";
  std::ofstream(dir.path() + "/costs.csv") << table;
  std::ofstream(dir.path() + "/job.yaml") << kGood << "cost: {table: costs.csv}\n";
  ASSERT_EQ(Precis({"submit", dir.path() + "/job.yaml"}).code, kExitOk);
  EXPECT_EQ(service_.submitted.back().spec().cost().table(), table);
  ASSERT_EQ(Precis({"submit", "-", "--set", "cost.table=" + dir.path() + "/costs.csv"}, kGood).code, kExitOk);
  EXPECT_EQ(service_.submitted.back().spec().cost().table(), table);
  ASSERT_EQ(
      Precis({"submit", "-"}, std::string(kGood) + "cost:\n  table: |\n    a,int8,1\n    b,int8,1\n").code,
      kExitOk);
  EXPECT_EQ(service_.submitted.back().spec().cost().table(), "a,int8,1\nb,int8,1\n");
}

TEST_F(SubmitTest, ACostTableThatCannotBeReadIsAFaultOfTheJob) {
  const TempDir dir;
  std::ofstream(dir.path() + "/empty.csv");
  std::ofstream(dir.path() + "/large.csv") << std::string((1 << 20) + 1, '#');
  std::ofstream(dir.path() + "/image.csv") << "*,int8,\xff";
  RefuseAlways({"cost.table", "seed"});
  for (const auto& [name, words] :
       std::vector<std::pair<std::string, std::string>>{{"missing.csv", "No such file"},
                                                        {"empty.csv", "is empty"},
                                                        {"large.csv", "larger than 1048576 bytes"},
                                                        {"image.csv", "not UTF-8 text at byte 8"},
                                                        {".", "cannot read"}}) {
    std::ofstream(dir.path() + "/job.yaml") << kGood << "cost:\n  table: " << name << "\n";
    const Ran ran = Precis({"submit", dir.path() + "/job.yaml"});
    EXPECT_EQ(ran.code, kExitUsage);
    EXPECT_THAT(ran.err, AllOf(HasSubstr("job.yaml:"), HasSubstr("cost.table: "), HasSubstr(words),
                               HasSubstr("seed: the server's word"), HasSubstr("2 faults in")))
        << name;
  }
}

}  // namespace
}  // namespace precis::client
