// A job and candidates as a server would send them.
#include "tests/client/sample_messages.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace precis::client {
namespace {

struct Layers {
  const char* weight;
  const char* activation;
};

v1::Candidate MakeCandidate(int number, v1::Candidate::Origin origin, const std::string& label, double bops,
                            double accuracy, const std::vector<Layers>& layers) {
  v1::Candidate candidate;
  candidate.set_name("jobs/abc/candidates/" + std::to_string(number));
  candidate.set_origin(origin);
  candidate.set_label(label);
  candidate.set_step(1872);
  candidate.mutable_search()->set_accuracy(accuracy);
  candidate.mutable_search()->set_loss(0.25);
  candidate.mutable_search()->set_images(6000);
  v1::Cost* cost = candidate.add_costs();
  cost->set_metric("bops");
  cost->set_value(bops);
  cost->set_unit("BOPs");
  cost = candidate.add_costs();
  cost->set_metric("model_size");
  cost->set_value(8.0 * 1024 * 38);
  cost->set_unit("bits");
  candidate.set_feasible(bops <= 235700000);
  int index = 0;
  for (const Layers& formats : layers) {
    v1::LayerFormats* layer = candidate.add_layers();
    layer->set_layer("layer" + std::to_string(index++));
    layer->set_weight(formats.weight);
    layer->set_activation(formats.activation);
  }
  return candidate;
}

void AddTest(v1::Candidate& candidate, double accuracy) {
  candidate.mutable_test()->set_accuracy(accuracy);
  candidate.mutable_test()->set_loss(0.3);
  candidate.mutable_test()->set_images(10000);
}

void AddMetric(v1::Plan& plan, const char* name, const char* unit) {
  v1::CostMetric* metric = plan.add_costs();
  metric->set_name(name);
  metric->set_unit(unit);
  metric->set_basis("everything counts");
  if (std::string(name) == "bops") return;
  metric->set_reachable_min(8.0 * 1024 * 38);
  metric->set_reachable_max(8.0 * 1024 * 76);
  metric->set_at_most(8.0 * 1024 * 60);
}

}  // namespace

v1::Job SampleJob() {
  v1::Job job;
  job.set_name("jobs/abc");
  job.set_state(v1::Job::SUCCEEDED);
  v1::JobSpec& spec = *job.mutable_spec();
  spec.set_display_name("a sample, \"quoted\"");
  spec.mutable_model()->set_name("resnet8");
  spec.mutable_data()->set_name("fashion_mnist");
  for (const char* format : {"int4", "int8"}) spec.mutable_space()->add_formats(format);
  spec.mutable_cost()->set_target("1.1x int4");
  v1::Plan& plan = *job.mutable_plan();
  plan.set_fingerprint(std::string(64, 'f'));
  AddMetric(plan, "bops", "BOPs");
  AddMetric(plan, "model_size", "bits");
  plan.set_constrained_metric("bops");
  plan.set_target(235700000);
  plan.set_reachable_min(214300000);
  plan.set_reachable_max(857200000);
  plan.set_total_steps(1872);
  plan.set_total_macs(12500000);
  plan.set_parameters(78042);
  job.mutable_progress()->set_fraction(1);
  job.mutable_create_time()->set_seconds(1700000000);
  job.mutable_start_time()->set_seconds(1700000001);
  job.mutable_end_time()->set_seconds(1700000193);
  v1::JobResult& result = *job.mutable_result();
  result.set_final_candidate("jobs/abc/candidates/4");
  result.mutable_float_search()->set_accuracy(0.9231);
  result.mutable_float_test()->set_accuracy(0.9212);
  result.set_rejected_steps(3);
  result.set_worker_version("LibTorch 1.13.1, CPU, 2 threads");
  return job;
}

std::vector<v1::Candidate> SampleCandidates() {
  std::vector<v1::Candidate> candidates = {
      MakeCandidate(1, v1::Candidate::REFERENCE, "uniform int4", 214300000, 0.895,
                    {{"int4", "int4"}, {"int4", "int4"}, {"int4", "int4"}}),
      MakeCandidate(2, v1::Candidate::REFERENCE, "uniform int8", 857200000, 0.9117,
                    {{"int8", "int8"}, {"int8", "int8"}, {"int8", "int8"}}),
      MakeCandidate(3, v1::Candidate::SAMPLED, "", 300000000, 0.91,
                    {{"int8", "int8"}, {"int4", "int8"}, {"int4", "int8"}}),
      MakeCandidate(4, v1::Candidate::FINAL, "", 230100000, 0.9125,
                    {{"int4", "int4"}, {"int4", "int4"}, {"int8", "int8"}}),
      MakeCandidate(5, v1::Candidate::SAMPLED, "", 220000000, 0.88,
                    {{"int4", "int4"}, {"int4", "int4"}, {"int4", "int8"}})};
  AddTest(candidates[0], 0.8931);
  AddTest(candidates[1], 0.9101);
  AddTest(candidates[3], 0.9104);
  candidates[2].set_sampled_at_step(700);
  candidates[4].set_sampled_at_step(0);
  return candidates;
}

void ExpectGolden(const std::string& text, const std::string& file) {
  const std::string path = std::string(PRECIS_GOLDEN_DIR) + "/client/" + file;
  if (std::getenv("PRECIS_REWRITE_GOLDEN") != nullptr) std::ofstream(path, std::ios::binary) << text;
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream golden;
  golden << stream.rdbuf();
  EXPECT_EQ(text, golden.str()) << file
                                << ": if the change is meant: PRECIS_REWRITE_GOLDEN=1 ctest -R client_test";
}

}  // namespace precis::client
