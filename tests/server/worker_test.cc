// A worker's own code against a real server: the reporter, its patience, and a whole search over a fake
// oracle on the real data set, exported at the end.
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "server/digest.h"
#include "server/worker/reporter.h"
#include "server/worker/server_link.h"
#include "server/worker/work.h"
#include "tests/server/fake_work.h"
#include "tests/server/server_fixture.h"
#include "tests/supernet/data/image_writer.h"
#include "tests/supernet/graph/onnx_builder.h"

namespace precis::server {
namespace {

using testing::HasSubstr;

// A WorkerService that misbehaves as told.
class Tricky final : public v1::WorkerService::Service {
 public:
  grpc::Status ReportBatch(grpc::ServerContext*, const v1::ReportBatchRequest* request,
                           v1::ReportBatchResponse* response) override {
    std::lock_guard lock(mutex_);
    received_.push_back(*request);
    reported_.notify_all();
    response->set_directive(directive_);
    if (failures_ > 0) {
      --failures_;
      return grpc::Status(grpc::UNAVAILABLE, "not now");
    }
    return answer_;
  }

  void Script(int failures, grpc::Status answer, v1::Directive directive) {
    std::lock_guard lock(mutex_);
    failures_ = failures;
    answer_ = std::move(answer);
    directive_ = directive;
  }
  std::vector<v1::ReportBatchRequest> Received() {
    std::lock_guard lock(mutex_);
    return received_;
  }
  void AwaitReports(size_t count) {
    std::unique_lock lock(mutex_);
    reported_.wait(lock, [&] { return received_.size() >= count; });
  }

 private:
  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable reported_;
  int failures_ = 0;
  grpc::Status answer_;
  v1::Directive directive_ = v1::DIRECTIVE_CONTINUE;
  std::vector<v1::ReportBatchRequest> received_;
};

class ReporterTest : public testing::Test {
 protected:
  ReporterTest() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    link_ =
        std::make_unique<ServerLink>(ServerLinkOptions{.server_address = absl::StrCat("127.0.0.1:", port_),
                                                       .job_id = "j",
                                                       .secret = "s",
                                                       .first_pause = absl::Milliseconds(1)});
  }

  Tricky service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ServerLink> link_;
};

TEST_F(ReporterTest, SendsEveryCandidateOnceInNumberedBatches) {
  {
    Reporter reporter(link_.get(), {.images_per_step = 128});
    for (int i = 1; i <= 1000; ++i) {
      ASSERT_TRUE(reporter.OnCandidate(SampleCandidate(i)).ok());
      ASSERT_TRUE(reporter.OnProgress(SampleProgress(i)).ok());
    }
    ASSERT_TRUE(reporter.Flush().ok());
  }
  int64_t batch = 0, candidate = 0, last_step = 0;
  for (const v1::ReportBatchRequest& request : service_.Received()) {
    EXPECT_EQ(request.job(), "j");
    if (request.number() == 0) {
      EXPECT_FALSE(request.has_progress());
      EXPECT_EQ(request.candidates_size(), 0);
      continue;
    }
    EXPECT_EQ(request.number(), ++batch);
    for (const v1::WorkerCandidate& each : request.candidates()) EXPECT_EQ(each.number(), ++candidate);
    if (request.has_progress()) {
      EXPECT_GT(request.progress().step(), last_step);
      last_step = request.progress().step();
    }
  }
  EXPECT_EQ(candidate, 1000);
  EXPECT_EQ(last_step, 1000);  // the last word is always sent
  EXPECT_LT(batch, 1000);
}

// However short a phase, a watcher gets to see that it was.
TEST_F(ReporterTest, SendsTheBeginningOfEveryPhase) {
  const std::vector<search::Phase> phases = {search::Phase::kPrepare, search::Phase::kWarmup,
                                             search::Phase::kSearch,  search::Phase::kFreeze,
                                             search::Phase::kFrozen,  search::Phase::kFinish};
  {
    Reporter reporter(link_.get(),
                      {.progress_interval = absl::Hours(1), .heartbeat_interval = absl::Hours(1)});
    int64_t step = 0;
    for (search::Phase phase : phases) {
      for (int i = 0; i < 3; ++i) {
        search::Progress progress = SampleProgress(++step);
        progress.phase = phase;
        ASSERT_TRUE(reporter.OnProgress(progress).ok());
      }
    }
    ASSERT_TRUE(reporter.Flush().ok());
  }
  std::vector<int64_t> steps;
  for (const v1::ReportBatchRequest& request : service_.Received()) {
    if (request.has_progress()) steps.push_back(request.progress().step());
  }
  EXPECT_EQ(steps, (std::vector<int64_t>{1, 4, 7, 10, 13, 16, 18}));
}

TEST_F(ReporterTest, SendsAnUnacknowledgedBatchAgainUnchanged) {
  service_.Script(3, grpc::Status::OK, v1::DIRECTIVE_CONTINUE);
  Reporter reporter(link_.get(), {.heartbeat_interval = absl::Hours(1)});
  ASSERT_TRUE(reporter.OnCandidate(SampleCandidate(1)).ok());
  ASSERT_TRUE(reporter.Flush().ok());
  const auto received = service_.Received();
  ASSERT_EQ(received.size(), 4u);
  for (const auto& request : received) {
    EXPECT_EQ(request.SerializeAsString(), received[0].SerializeAsString());
  }
}

TEST_F(ReporterTest, BeatsWhileNothingHappens) {
  Reporter reporter(link_.get(), {.heartbeat_interval = absl::Milliseconds(1)});
  service_.AwaitReports(5);
  EXPECT_EQ(service_.Received()[4].number(), 0);
}

TEST_F(ReporterTest, LearnsOfACancellationByTheHeartbeat) {
  service_.Script(0, grpc::Status::OK, v1::DIRECTIVE_CANCEL);
  Reporter reporter(link_.get(), {.heartbeat_interval = absl::Milliseconds(1)});
  while (reporter.OnProgress(SampleProgress(1)).ok()) std::this_thread::yield();
  EXPECT_EQ(reporter.OnProgress(SampleProgress(2)).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(reporter.OnCandidate(SampleCandidate(1)).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(reporter.Flush().code(), absl::StatusCode::kCancelled);
}

TEST_F(ReporterTest, AServerThatRefusesEndsTheSearch) {
  service_.Script(0, grpc::Status(grpc::FAILED_PRECONDITION, "job is CANCELLED"), v1::DIRECTIVE_CONTINUE);
  Reporter reporter(link_.get(), {});
  ASSERT_TRUE(reporter.OnCandidate(SampleCandidate(1)).ok());
  EXPECT_EQ(reporter.Flush(), absl::FailedPreconditionError("job is CANCELLED"));
}

TEST_F(ReporterTest, TellsOfAPauseAndGoesOn) {
  service_.Script(0, grpc::Status::OK, v1::DIRECTIVE_PAUSE);
  Reporter reporter(link_.get(), {});
  EXPECT_FALSE(reporter.PauseRequested());
  ASSERT_TRUE(reporter.OnCandidate(SampleCandidate(1)).ok());
  ASSERT_TRUE(reporter.Flush().ok());
  EXPECT_TRUE(reporter.PauseRequested());
  EXPECT_TRUE(reporter.OnProgress(SampleProgress(1)).ok());
}

TEST_F(ReporterTest, LeavesOutWhatTheServerKnows) {
  {
    Reporter reporter(link_.get(), {.heartbeat_interval = absl::Hours(1),
                                    .last_batch = 7,
                                    .candidates_reported = 3,
                                    .fraction = SampleProgress(5).fraction});
    for (int i = 1; i <= 6; ++i) {
      ASSERT_TRUE(reporter.OnCandidate(SampleCandidate(i)).ok());
      ASSERT_TRUE(reporter.OnProgress(SampleProgress(i)).ok());
    }
    ASSERT_TRUE(reporter.Flush().ok());
  }
  int64_t batch = 7;
  std::vector<int64_t> candidates;
  for (const v1::ReportBatchRequest& request : service_.Received()) {
    if (request.number() == 0) continue;
    EXPECT_EQ(request.number(), ++batch);
    for (const v1::WorkerCandidate& each : request.candidates()) candidates.push_back(each.number());
    if (request.has_progress()) {
      EXPECT_GE(request.progress().step(), 5);
    }
  }
  EXPECT_THAT(candidates, testing::ElementsAre(4, 5, 6));
}

TEST_F(ReporterTest, OutlivesAServerThatGoesAndComesBack) {
  Reporter reporter(link_.get(), {});
  ASSERT_TRUE(reporter.OnCandidate(SampleCandidate(1)).ok());
  ASSERT_TRUE(reporter.Flush().ok());
  server_->Shutdown();
  server_.reset();
  ASSERT_TRUE(reporter.OnCandidate(SampleCandidate(2)).ok());
  Tricky second;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("127.0.0.1:", port_), grpc::InsecureServerCredentials());
  builder.RegisterService(&second);
  std::unique_ptr<grpc::Server> again = builder.BuildAndStart();
  ASSERT_NE(again, nullptr);
  ASSERT_TRUE(reporter.Flush().ok());
  std::vector<int64_t> candidates;
  for (const v1::ReportBatchRequest& request : second.Received()) {
    for (const v1::WorkerCandidate& each : request.candidates()) candidates.push_back(each.number());
  }
  EXPECT_THAT(candidates, testing::ElementsAre(2));
}

TEST_F(ReporterTest, GoesAwayThoughTheServerDoesNotAnswer) {
  server_->Shutdown();
  server_.reset();
  Reporter reporter(link_.get(), {});
  ASSERT_TRUE(reporter.OnCandidate(SampleCandidate(1)).ok());
}

TEST(ServerLink, RunsOutOfPatience) {
  ServerLink link({.server_address = "127.0.0.1:1",
                   .job_id = "j",
                   .secret = "s",
                   .patience = absl::Milliseconds(5),
                   .first_pause = absl::Milliseconds(1)});
  EXPECT_EQ(link.StartWork("v").status().code(), absl::StatusCode::kUnavailable);
}

TEST(Work, RunsAWholeSearchAndItsResultCanBeExported) {
  ServerFixture fixture(true);
  const std::string name = fixture.SubmitGood();
  ServerLink link(LinkOptions(fixture.launcher().AwaitStart(name.substr(5))));
  ASSERT_TRUE(Work(link, FakeWork()).ok());
  const v1::Job job = fixture.AwaitEnd(name);
  ASSERT_EQ(job.state(), v1::Job::SUCCEEDED) << job.error();
  EXPECT_EQ(job.progress().step(), job.plan().total_steps());
  EXPECT_EQ(job.progress().fraction(), 1);
  EXPECT_EQ(job.result().worker_version(), "fake, by hand");

  grpc::ClientContext context;
  v1::ExportCandidateRequest request;
  request.set_name(name);
  request.set_format("json");
  auto reader = fixture.stub().ExportCandidate(&context, request);
  v1::ExportCandidateResponse response;
  ASSERT_TRUE(reader->Read(&response));
  ASSERT_TRUE(response.has_metadata());
  const v1::ExportMetadata metadata = response.metadata();
  EXPECT_EQ(metadata.candidate(), job.result().final_candidate());
  EXPECT_THAT(metadata.suggested_file_name(), testing::MatchesRegex("resnet8-[0-9a-z]*-[0-9]*\\.json"));
  std::string bytes;
  while (reader->Read(&response)) {
    EXPECT_LE(response.chunk().size(), 64u * 1024);
    bytes += response.chunk();
  }
  const grpc::Status status = reader->Finish();
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(static_cast<int64_t>(bytes.size()), metadata.size_bytes());
  EXPECT_EQ(Sha256Hex(bytes), metadata.sha256());
  EXPECT_THAT(bytes, HasSubstr(job.plan().fingerprint()));

  grpc::ClientContext wrong_context;
  request.set_format("yaml");
  auto wrong = fixture.stub().ExportCandidate(&wrong_context, request);
  EXPECT_FALSE(wrong->Read(&response));
  EXPECT_EQ(CodeOf(wrong->Finish()), grpc::INVALID_ARGUMENT);
}

TEST(Work, AnOracleThatFailsFailsTheJobWithItsWords) {
  ServerFixture fixture(false);
  const std::string name = fixture.SubmitGood();
  ServerLink link(LinkOptions(fixture.launcher().AwaitStart(name.substr(5))));
  WorkOptions options = FakeWork();
  options.make_oracle = [](const search::Plan&, Dataset,
                           const StartWeights&) -> absl::StatusOr<std::unique_ptr<Oracle>> {
    return absl::FailedPreconditionError("there is no CUDA device");
  };
  ASSERT_TRUE(Work(link, options).ok());
  EXPECT_EQ(fixture.AwaitEnd(name).error(), "there is no CUDA device");
}

TEST(Work, ATruncatedDataFileFailsTheJobAndIsNamed) {
  TempDir data;
  const DatasetInfo info = *FindDataset("fashion_mnist");
  for (const auto& entry : std::filesystem::directory_iterator(info.default_path)) {
    std::filesystem::copy(entry.path(), data.path());
  }
  const std::string file = data.path() + "/train-images-idx3-ubyte.gz";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  ServerFixture fixture(false);
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  request.mutable_spec()->mutable_data()->set_path(data.path());
  v1::Job job;
  const grpc::Status submitted = fixture.Submit(request, &job);
  ASSERT_TRUE(submitted.ok()) << submitted.error_message();
  ServerLink link(LinkOptions(fixture.launcher().AwaitStart(job.name().substr(5))));
  ASSERT_TRUE(Work(link, FakeWork()).ok());
  job = fixture.AwaitEnd(job.name());
  EXPECT_EQ(job.state(), v1::Job::FAILED);
  EXPECT_THAT(job.error(), testing::AllOf(HasSubstr(file), HasSubstr("ends early")));
}

TEST(Work, AnImageFolderIsFoundAtSubmissionAndLoadedByTheWorker) {
  TempDir data;
  for (int i = 0; i < 40; ++i) {
    const std::string name = absl::StrCat("/", 100 + i, ".png");
    for (const char* of_class : {"/train/a", "/train/b", "/test/a"}) {
      WriteImage(data.path() + of_class + name, 12, 16, 3 * i, 20, 30);
    }
  }
  ServerFixture fixture(false);
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  v1::JobSpec& spec = *request.mutable_spec();
  spec.mutable_data()->set_name("image_folder");
  spec.mutable_data()->set_path(data.path());
  spec.mutable_data()->set_search_images(20);
  spec.mutable_data()->mutable_found()->set_classes(99);  // the server's to say
  spec.mutable_reward()->set_probe_images(10);
  spec.mutable_training()->set_batch_size(4);
  spec.mutable_training()->set_epochs(4);
  spec.mutable_training()->set_recalibration_images(8);
  v1::Job job;
  const grpc::Status submitted = fixture.Submit(request, &job);
  ASSERT_TRUE(submitted.ok()) << submitted.error_message();
  EXPECT_EQ(job.spec().data().found().classes(), 2);
  EXPECT_EQ(job.spec().data().found().image_size(), 12);
  EXPECT_EQ(job.spec().data().found().train_images(), 80);
  ServerLink link(LinkOptions(fixture.launcher().AwaitStart(job.name().substr(5))));
  WorkOptions options = FakeWork();
  int64_t loaded = 0;
  options.make_oracle = [&, make = options.make_oracle](const search::Plan& plan, Dataset dataset,
                                                        StartWeights weights) {
    loaded = dataset.train.count;
    return make(plan, std::move(dataset), std::move(weights));
  };
  ASSERT_TRUE(Work(link, options).ok());
  job = fixture.AwaitEnd(job.name());
  EXPECT_EQ(job.state(), v1::Job::SUCCEEDED) << job.error();
  EXPECT_EQ(loaded, 80);
}

TEST(Work, AnotherPlanThanTheServersIsRefused) {
  class OtherPlan final : public v1::WorkerService::Service {
   public:
    grpc::Status StartWork(grpc::ServerContext*, const v1::StartWorkRequest*,
                           v1::StartWorkResponse* response) override {
      *response->mutable_spec() = GoodSpec();
      response->set_plan_fingerprint("another");
      return grpc::Status::OK;
    }
    grpc::Status FinishWork(grpc::ServerContext*, const v1::FinishWorkRequest* request,
                            v1::FinishWorkResponse*) override {
      finished = *request;
      return grpc::Status::OK;
    }
    v1::FinishWorkRequest finished;
  } service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ServerLink link({.server_address = absl::StrCat("127.0.0.1:", port), .job_id = "j", .secret = "s"});
  ASSERT_TRUE(Work(link, FakeWork()).ok());
  EXPECT_THAT(service.finished.failure().message(), HasSubstr("another way than the server"));
}

TEST(Work, AModelIsCopiedAtSubmissionAndTheCopyIsRead) {
  TempDir data;
  for (int i = 0; i < 12; ++i) {
    for (const char* of_class : {"a", "b", "c", "d", "e"}) {
      WriteImage(absl::StrCat(data.path(), "/train/", of_class, "/", i, ".png"), 8, 8, 20 * i, 20, 30);
      if (i == 0) WriteImage(absl::StrCat(data.path(), "/test/", of_class, "/0.png"), 8, 8, 9, 20, 30);
    }
  }
  const std::string path = data.path() + "/small.onnx";
  std::ofstream(path, std::ios::binary) << SmallConvNet().Bytes();
  ServerFixture fixture(false);
  v1::SubmitJobRequest request;
  *request.mutable_spec() = GoodSpec();
  v1::JobSpec& spec = *request.mutable_spec();
  spec.mutable_model()->clear_name();
  spec.mutable_model()->set_path(path);
  spec.mutable_model()->set_start(v1::MODEL_START_POST_TRAINING);
  spec.mutable_data()->set_name("image_folder");
  spec.mutable_data()->set_path(data.path());
  spec.mutable_data()->set_search_images(20);
  spec.mutable_reward()->set_probe_images(10);
  spec.mutable_controller()->set_screening_images(10);
  spec.mutable_post_training()->set_calibration_images(8);
  spec.clear_training();
  spec.clear_ranges();
  spec.mutable_controller()->set_algorithm(v1::ALGORITHM_PRECIS);
  spec.mutable_training()->set_batch_size(4);
  spec.mutable_training()->set_recalibration_images(8);
  v1::Job job;
  grpc::Status submitted = fixture.Submit(request, &job);
  ASSERT_TRUE(submitted.ok()) << submitted.error_message();
  EXPECT_EQ(job.spec().model().found().content(), Sha256Hex(SmallConvNet().Bytes()));
  std::filesystem::remove(path);
  submitted = fixture.Submit(request, &job);
  EXPECT_EQ(submitted.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(submitted.error_message(), testing::AllOf(HasSubstr("model.path"), HasSubstr("no such file")));

  const auto folders = [&] {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(fixture.data_dir() + "/jobs")) {
      found.push_back(entry.path().string());
    }
    return found;
  };
  ASSERT_EQ(folders().size(), 1u);
  ServerLink link(LinkOptions(fixture.launcher().AwaitStart(job.name().substr(5))));
  WorkOptions options = FakeWork();
  size_t tensors = 0;
  options.make_oracle = [&, make = options.make_oracle](const search::Plan& plan, Dataset dataset,
                                                        StartWeights weights) {
    tensors = weights->tensors.size();
    return make(plan, std::move(dataset), weights);
  };
  ASSERT_TRUE(Work(link, options).ok());
  EXPECT_EQ(tensors, 7u) << "a weight, four of a batch norm, weight and bias";
  EXPECT_EQ(fixture.AwaitEnd(job.name()).state(), v1::Job::SUCCEEDED);

  // A copy that changes is noticed.
  std::ofstream(folders()[0] + "/model.onnx", std::ios::app) << "x";
  grpc::ClientContext context;
  v1::ChooseCandidateRequest choose;
  choose.set_parent(job.name());
  choose.set_target("1x int8");
  v1::ChooseCandidateResponse chosen;
  const grpc::Status status = fixture.stub().ChooseCandidate(&context, choose, &chosen);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
}

}  // namespace
}  // namespace precis::server
