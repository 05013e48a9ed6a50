// The SearchService over real gRPC: candidates in every order, fronts, exports.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "tests/server/service_suite.h"

namespace precis::server {
namespace {

using CandidateServiceTest = ServiceTest;

INSTANTIATE_TEST_SUITE_P(Stores, CandidateServiceTest, testing::Bool(),
                         [](const auto& info) { return info.param ? "sqlite" : "memory"; });

TEST_P(CandidateServiceTest, CandidatesAreListedInEveryOrder) {
  const std::string name = JobWithCandidates(25);
  v1::ListCandidatesResponse all;
  ASSERT_TRUE(List(Listing(name), &all).ok());
  ASSERT_EQ(all.candidates_size(), 25);
  EXPECT_EQ(all.candidates(0).layers_size(), static_cast<int>(all.candidates(1).layers_size()));
  EXPECT_EQ(all.candidates(0).layers(0).weight(), "int8");
  const auto number = [](const v1::Candidate& c) {
    return std::stoi(c.name().substr(c.name().rfind('/') + 1));
  };
  const std::map<std::string, std::function<double(const v1::Candidate&)>> orders = {
      {"number", [&](const v1::Candidate& c) { return number(c); }},
      {"accuracy", [](const v1::Candidate& c) { return c.search().accuracy(); }},
      {"cost", [](const v1::Candidate& c) { return c.costs(0).value(); }},
      {"bops", [](const v1::Candidate& c) { return c.costs(0).value(); }},
      {"model_size", [](const v1::Candidate& c) { return c.costs(1).value(); }},
  };
  for (const auto& [order, value] : orders) {
    for (bool descending : {false, true}) {
      for (bool feasible_only : {false, true}) {
        std::vector<std::pair<double, int>> expected;
        for (const v1::Candidate& c : all.candidates()) {
          if (!feasible_only || c.feasible())
            expected.emplace_back(descending ? -value(c) : value(c), number(c));
        }
        std::sort(expected.begin(), expected.end());
        v1::ListCandidatesRequest request = Listing(name);
        request.set_page_size(4);
        request.set_order_by(order + (descending ? " desc" : ""));
        request.set_feasible_only(feasible_only);
        size_t at = 0;
        do {
          v1::ListCandidatesResponse page;
          ASSERT_TRUE(List(request, &page).ok());
          for (const v1::Candidate& c : page.candidates()) {
            ASSERT_LT(at, expected.size());
            EXPECT_EQ(number(c), expected[at++].second) << request.order_by();
          }
          request.set_page_token(page.next_page_token());
        } while (!request.page_token().empty());
        EXPECT_EQ(at, expected.size());
      }
    }
  }
}

TEST_P(CandidateServiceTest, ListCandidatesRefusesNonsense) {
  const std::string name = JobWithCandidates(3);
  v1::ListCandidatesResponse response;
  v1::ListCandidatesRequest request = Listing(name);
  request.set_page_size(-5);
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
  request = Listing(name);
  request.set_order_by("latency");
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
  request = Listing(name);
  request.set_page_size(1);
  ASSERT_TRUE(List(request, &response).ok());
  request.set_page_token(response.next_page_token());
  request.set_feasible_only(true);
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
  request.set_feasible_only(false);
  request.set_parent(fixture_.SubmitGood());
  EXPECT_EQ(CodeOf(List(request, &response)), grpc::INVALID_ARGUMENT);
}

TEST_P(CandidateServiceTest, TheFrontEqualsBruteForceForEveryMetric) {
  const std::string name = JobWithCandidates(40);
  v1::ListCandidatesResponse all;
  ASSERT_TRUE(List(Listing(name), &all).ok());
  for (int metric : {0, 1}) {
    for (bool feasible_only : {false, true}) {
      std::vector<std::string> expected;
      for (const v1::Candidate& a : all.candidates()) {
        bool beaten = feasible_only && !a.feasible();
        for (const v1::Candidate& b : all.candidates()) {
          if (feasible_only && !b.feasible()) continue;
          const double cost = b.costs(metric).value() - a.costs(metric).value();
          const double gain = b.search().accuracy() - a.search().accuracy();
          const bool earlier = &b < &a;
          beaten = beaten || (cost <= 0 && gain >= 0 && (cost < 0 || gain > 0 || earlier));
        }
        if (!beaten) expected.push_back(a.name());
      }
      v1::GetParetoFrontRequest request;
      request.set_parent(name);
      request.set_feasible_only(feasible_only);
      request.set_metric(all.candidates(0).costs(metric).metric());
      v1::GetParetoFrontResponse front;
      grpc::ClientContext context;
      ASSERT_TRUE(fixture_.stub().GetParetoFront(&context, request, &front).ok());
      EXPECT_EQ(front.metric(), request.metric());
      std::vector<std::string> names;
      for (const v1::Candidate& c : front.candidates()) names.push_back(c.name());
      EXPECT_THAT(names, testing::UnorderedElementsAreArray(expected));
      for (int i = 1; i < front.candidates_size(); ++i) {
        EXPECT_LT(front.candidates(i - 1).costs(metric).value(), front.candidates(i).costs(metric).value());
      }
    }
  }
  v1::GetParetoFrontRequest request;
  request.set_parent(name);
  request.set_metric("watts");
  v1::GetParetoFrontResponse front;
  grpc::ClientContext context;
  EXPECT_EQ(CodeOf(fixture_.stub().GetParetoFront(&context, request, &front)), grpc::INVALID_ARGUMENT);
}

TEST_P(CandidateServiceTest, AFrontComesWithWhatItComesTo) {
  const std::string name = JobWithCandidates(40);
  v1::ListCandidatesResponse all;
  ASSERT_TRUE(List(Listing(name), &all).ok());
  const auto front_of = [&](const v1::GetParetoFrontRequest& request) {
    v1::GetParetoFrontResponse front;
    grpc::ClientContext context;
    const grpc::Status status = fixture_.stub().GetParetoFront(&context, request, &front);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return front;
  };
  for (const bool feasible_only : {false, true}) {
    v1::GetParetoFrontRequest request;
    request.set_parent(name);
    request.set_feasible_only(feasible_only);
    request.set_within_points(25);
    const v1::GetParetoFrontResponse front = front_of(request);
    // Costs are whole numbers of 0…10, accuracies tenths.
    double dearest = 0, best = 0;
    std::set<std::pair<int, int>> cells;
    for (const v1::Candidate& candidate : all.candidates()) {
      dearest = std::max(dearest, candidate.costs(0).value());
      if (feasible_only && !candidate.feasible()) continue;
      best = std::max(best, candidate.search().accuracy());
      for (int cost = static_cast<int>(candidate.costs(0).value()); cost < 10; ++cost) {
        for (int tenth = 0; tenth < std::lround(10 * candidate.search().accuracy()); ++tenth) {
          cells.emplace(cost, tenth);
        }
      }
    }
    ASSERT_EQ(dearest, 10);
    EXPECT_EQ(front.reference_cost(), 10);
    EXPECT_EQ(front.reference_accuracy(), 0);
    EXPECT_NEAR(front.hypervolume(), static_cast<double>(cells.size()) / 100, 1e-9);
    std::string cheapest;
    for (const v1::Candidate& candidate : front.candidates()) {
      if (cheapest.empty() && candidate.search().accuracy() >= best - 0.25) cheapest = candidate.name();
    }
    EXPECT_EQ(front.cheapest_within(), cheapest);
    const std::vector<std::string> names = [&] {
      std::vector<std::string> on_front = {""};
      for (const v1::Candidate& candidate : front.candidates()) on_front.push_back(candidate.name());
      return on_front;
    }();
    EXPECT_THAT(names, testing::Contains(front.knee()));
    request.clear_within_points();
    request.set_reference_cost(5);
    request.set_reference_accuracy(0.2);
    const v1::GetParetoFrontResponse nearer = front_of(request);
    const auto inside = std::count_if(cells.begin(), cells.end(),
                                      [](const auto& cell) { return cell.first < 5 && cell.second >= 2; });
    EXPECT_NEAR(nearer.hypervolume(), static_cast<double>(inside) / 40, 1e-9);
    EXPECT_EQ(nearer.cheapest_within(), "");
  }
  const std::vector<std::function<void(v1::GetParetoFrontRequest&)>> nonsense = {
      [](auto& r) { r.set_within_points(-1); },        [](auto& r) { r.set_within_points(std::nan("")); },
      [](auto& r) { r.set_within_points(100.5); },     [](auto& r) { r.set_reference_cost(0); },
      [](auto& r) { r.set_reference_cost(INFINITY); }, [](auto& r) { r.set_reference_accuracy(1); },
      [](auto& r) { r.set_reference_accuracy(-0.1); }};
  for (const auto& spoil : nonsense) {
    v1::GetParetoFrontRequest request;
    request.set_parent(name);
    spoil(request);
    v1::GetParetoFrontResponse front;
    grpc::ClientContext context;
    EXPECT_EQ(CodeOf(fixture_.stub().GetParetoFront(&context, request, &front)), grpc::INVALID_ARGUMENT)
        << request.ShortDebugString();
  }
}

TEST_P(CandidateServiceTest, AFinishedJobIsChosenFromAnew) {
  const std::string name = JobWithCandidates(40);
  const auto choose = [&](const std::string& target, const std::string& metric,
                          v1::ChooseCandidateResponse& choice) {
    v1::ChooseCandidateRequest request;
    request.set_parent(name);
    request.set_target(target);
    request.set_metric(metric);
    grpc::ClientContext context;
    return CodeOf(fixture_.stub().ChooseCandidate(&context, request, &choice));
  };
  v1::ChooseCandidateResponse choice;
  EXPECT_EQ(choose("5", "", choice), grpc::FAILED_PRECONDITION) << "it runs";
  ASSERT_TRUE(fixture_.AwaitWorker(name).Succeed(2).ok());
  v1::ListCandidatesResponse all;
  ASSERT_TRUE(List(Listing(name), &all).ok());
  for (const int metric : {0, 1}) {
    for (double target = 0.5; target < 14; ++target) {
      const v1::Candidate* best = nullptr;
      for (const v1::Candidate& candidate : all.candidates()) {
        const auto cost = [&](const v1::Candidate& c) { return c.costs(metric).value(); };
        if (cost(candidate) > target) continue;
        if (best == nullptr || candidate.search().accuracy() > best->search().accuracy() ||
            (candidate.search().accuracy() == best->search().accuracy() && cost(candidate) < cost(*best))) {
          best = &candidate;
        }
      }
      v1::ChooseCandidateResponse found;
      ASSERT_EQ(choose(absl::StrCat(target), all.candidates(0).costs(metric).metric(), found), grpc::OK);
      ASSERT_EQ(found.has_candidate(), best != nullptr);
      EXPECT_EQ(found.candidate().name(), best != nullptr ? best->name() : "");
      EXPECT_EQ(found.target(), target);
      EXPECT_EQ(found.measured_min(), 0);
      EXPECT_EQ(found.measured_max(), metric == 0 ? 10 : 12);
    }
  }
  // A multiple of a format is worked out over the job's network.
  v1::ChooseCandidateResponse relative;
  ASSERT_EQ(choose("1x int4", "bops", relative), grpc::OK);
  EXPECT_NEAR(relative.target(), 0.1495e9, 0.0001e9);
  EXPECT_EQ(relative.unit(), "BOPs");
  EXPECT_EQ(choose("cheap", "", choice), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(choose("5 KiB", "bops", choice), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(choose("5", "watts", choice), grpc::INVALID_ARGUMENT);
}

TEST_P(CandidateServiceTest, ExportsNeedASucceededJob) {
  const std::string name = JobWithCandidates(3);
  const auto try_export = [&](const std::string& what, const std::string& format) {
    grpc::ClientContext context;
    v1::ExportCandidateRequest request;
    request.set_name(what);
    request.set_format(format);
    auto reader = fixture_.stub().ExportCandidate(&context, request);
    v1::ExportCandidateResponse response;
    while (reader->Read(&response)) {
    }
    return reader->Finish();
  };
  EXPECT_EQ(CodeOf(try_export(name, "json")), grpc::FAILED_PRECONDITION);
  ASSERT_TRUE(fixture_.AwaitWorker(name).Succeed(2).ok());
  EXPECT_EQ(CodeOf(try_export(name + "/candidates/99", "json")), grpc::NOT_FOUND);
  // No weights were written: said, not crashed.
  EXPECT_EQ(CodeOf(try_export(name, "json")), grpc::NOT_FOUND);
}

}  // namespace
}  // namespace precis::server
