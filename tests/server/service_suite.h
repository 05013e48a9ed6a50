// The fixture of the service tests: a server on either store, and what several of them need.
#pragma once

#include <string>
#include <vector>

#include "tests/server/server_fixture.h"

namespace precis::server {

// The parameter: on SQLite?
class ServiceTest : public testing::TestWithParam<bool> {
 protected:
  ServerFixture fixture_{GetParam()};

  v1::ListCandidatesRequest Listing(const std::string& parent) {
    v1::ListCandidatesRequest request;
    request.set_parent(parent);
    return request;
  }
  grpc::Status List(const v1::ListCandidatesRequest& request, v1::ListCandidatesResponse* response) {
    grpc::ClientContext context;
    return fixture_.stub().ListCandidates(&context, request, response);
  }
  grpc::Status List(const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    grpc::ClientContext context;
    return fixture_.stub().ListJobs(&context, request, response);
  }
  // A running job with `count` candidates.
  std::string JobWithCandidates(int count) {
    const std::string name = fixture_.SubmitGood();
    PlayedWorker worker = fixture_.AwaitWorker(name);
    EXPECT_TRUE(worker.Start().ok());
    std::vector<search::Candidate> candidates;
    for (int i = 1; i <= count; ++i) {
      search::Candidate candidate = FittingCandidate(fixture_.Get(name), fixture_.store(), i);
      candidate.search.accuracy = (i * 7 % 10) / 10.0;
      candidate.costs[0] = i * 3 % 11;
      candidate.costs[1] = i * 5 % 13;
      candidate.feasible = i % 2 == 0;
      candidates.push_back(candidate);
    }
    EXPECT_TRUE(worker.ReportNext(candidates).ok());
    return name;
  }
};

}  // namespace precis::server
