// A job as people read it.
#include "client/job_text.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "client/proto_names.h"
#include "client/units.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

using google::protobuf::Timestamp;
using Lines = std::vector<std::pair<std::string, std::string>>;

std::string Aligned(const Lines& lines) {
  size_t width = 0;
  for (const auto& [key, value] : lines) width = std::max(width, key.size());
  std::string text;
  for (const auto& [key, value] : lines)
    absl::StrAppend(&text, key, std::string(width - key.size() + 2, ' '), Printable(value, 2000), "\n");
  return text;
}

std::string QualityText(const v1::Quality& search, const v1::Quality* test) {
  std::string text = absl::StrCat("search accuracy ", AccuracyText(search.accuracy()));
  if (test != nullptr) absl::StrAppend(&text, ", test accuracy ", AccuracyText(test->accuracy()));
  return text;
}

void AddPlan(const v1::Job& job, Lines& lines) {
  const v1::JobSpec& spec = job.spec();
  lines.emplace_back("model", ModelText(spec.model()));
  lines.emplace_back("data", spec.data().name());
  lines.emplace_back("formats", absl::StrJoin(spec.space().formats(), " "));
  if (!job.has_plan()) return;
  const v1::Plan& plan = job.plan();
  const std::string unit = ConstrainedUnit(plan);
  lines.emplace_back("target", absl::StrCat(plan.constrained_metric(), " at most ", TargetText(job)));
  const auto range = [](double low, double high, const std::string& in) {
    return absl::StrCat(CostText(low, in), " to ", CostText(high, in));
  };
  lines.emplace_back("reachable", range(plan.reachable_min(), plan.reachable_max(), unit));
  for (const v1::CostMetric& metric : plan.costs()) {
    if (metric.name() == plan.constrained_metric()) continue;
    std::string text;
    // Jobs from before the ranges of all costs were kept have none.
    if (metric.reachable_max() > 0)
      text = range(metric.reachable_min(), metric.reachable_max(), metric.unit());
    if (metric.has_at_most())
      absl::StrAppend(&text, text.empty() ? "" : ", ", "at most ", CostText(metric.at_most(), metric.unit()));
    if (!text.empty()) lines.emplace_back("", absl::StrCat(metric.name(), " ", text));
  }
  lines.emplace_back(
      "network", absl::StrFormat("%.4g MMACs, %d parameters", plan.total_macs() / 1e6, plan.parameters()));
  if (plan.decisions_size() > 0) {
    lines.emplace_back("space", absl::StrFormat("%d decisions, 10^%.1f configurations", plan.decisions_size(),
                                                plan.space_size_log10()));
    for (const v1::DecisionInfo& decision : plan.decisions()) {
      if (decision.layers_size() < 2) continue;
      lines.emplace_back("group", absl::StrCat(decision.name(), ": ", absl::StrJoin(decision.layers(), " ")));
    }
  }
  lines.emplace_back("steps", absl::StrCat(plan.total_steps()));
  if (plan.has_work()) {
    const v1::WorkEstimate& work = plan.work();
    lines.emplace_back("work", absl::StrFormat("%d images trained, up to %d evaluated", work.images_trained(),
                                               work.images_evaluated()));
    lines.emplace_back("time", absl::StrFormat("about %s on %d %s of the server, good to a factor of two",
                                               DurationText(work.seconds()), work.threads(),
                                               work.threads() == 1 ? "thread" : "threads"));
  }
  lines.emplace_back("plan", plan.fingerprint());
}

std::string StateLine(const v1::Job& job) {
  std::string text = StateName(job.state());
  if (job.state() == v1::Job::RUNNING)
    absl::StrAppend(&text, absl::StrFormat(", %.0f%% done", 100 * job.progress().fraction()),
                    job.pausing() ? ", to be paused" : "");
  if (job.has_start_time() && job.has_end_time())
    absl::StrAppend(&text, " after ", DurationText(SecondsBetween(job.start_time(), job.end_time())));
  return text;
}

std::string NextStep(const v1::Job& job) {
  const std::string id = LastPart(job.name());
  if (job.state() == v1::Job::SUCCEEDED)
    return absl::StrCat("precis pareto ", id, "; precis export ", id, " -o FILE");
  if (job.state() == v1::Job::PENDING || job.state() == v1::Job::RUNNING)
    return absl::StrCat("precis watch ", id, "; precis cancel ", id);
  if (job.state() == v1::Job::PAUSED) return absl::StrCat("precis resume ", id, "; precis cancel ", id);
  if (job.state() == v1::Job::FAILED)
    return absl::StrCat("precis retry ", id, "; precis candidates ", id, "; precis delete ", id);
  return absl::StrCat("precis candidates ", id, "; precis delete ", id);
}

}  // namespace

std::string StateName(v1::Job::State state) {
  const auto* value = v1::Job::State_descriptor()->FindValueByNumber(state);
  return value == nullptr || state == v1::Job::STATE_UNSPECIFIED ? "unspecified" : ShortEnumName(*value);
}

std::string JobText(const v1::Job& job) {
  Lines lines;
  lines.emplace_back("job", job.name());
  if (!job.spec().display_name().empty()) lines.emplace_back("title", job.spec().display_name());
  lines.emplace_back("state", StateLine(job));
  if (!job.error().empty()) lines.emplace_back("error", job.error());
  if (!job.notice().empty()) lines.emplace_back("notice", job.notice());
  if (job.restarts() > 0) lines.emplace_back("restarts", absl::StrCat(job.restarts()));
  AddPlan(job, lines);
  if (job.has_result()) {
    const v1::JobResult& result = job.result();
    lines.emplace_back("answer", absl::StrCat("candidate ", LastPart(result.final_candidate())));
    if (result.has_float_search())
      lines.emplace_back("float", QualityText(result.float_search(),
                                              result.has_float_test() ? &result.float_test() : nullptr));
    lines.emplace_back("rejected", absl::StrCat(result.rejected_steps(), " steps"));
    if (result.images_trained() > 0) {
      lines.emplace_back("images", absl::StrCat(result.images_trained(), " trained, ",
                                                result.images_evaluated(), " evaluated"));
    }
    if (result.loader_wait_share() > 0 || result.skipped_images() > 0) {
      std::string text =
          absl::StrCat("training waited ", PercentText(result.loader_wait_share()), " of its time");
      if (result.skipped_images() > 0) {
        absl::StrAppend(&text, ", ", result.skipped_images(), " corrupt images skipped");
      }
      lines.emplace_back("loader", text);
    }
    lines.emplace_back("worker", result.worker_version());
  }
  if (job.has_create_time()) lines.emplace_back("submitted", TimeText(job.create_time()));
  lines.emplace_back("next", NextStep(job));
  return Aligned(lines);
}

std::string PlanText(const v1::Job& job) {
  Lines lines;
  AddPlan(job, lines);
  return Aligned(lines);
}

std::string TimeText(const Timestamp& time) {
  if (time.seconds() == 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

double SecondsBetween(const Timestamp& a, const Timestamp& b) {
  return static_cast<double>(b.seconds() - a.seconds()) + 1e-9 * (b.nanos() - a.nanos());
}

std::string ConstrainedUnit(const v1::Plan& plan) {
  for (const v1::CostMetric& metric : plan.costs())
    if (metric.name() == plan.constrained_metric()) return metric.unit();
  return "";
}

std::string ModelText(const v1::ModelSpec& model) {
  if (model.path().empty()) return model.name();
  const auto* start = v1::ModelStart_descriptor()->FindValueByNumber(model.start());
  const bool said = start != nullptr && model.start() != v1::MODEL_START_UNSPECIFIED;
  return absl::StrCat(model.path(), said ? absl::StrCat(", ", ShortEnumName(*start)) : "");
}

std::string ModelName(const v1::ModelSpec& model) {
  return model.path().empty() ? model.name() : model.path().substr(model.path().rfind('/') + 1);
}

std::string AskedTarget(const v1::CostSpec& cost) {
  const int64_t count = std::max<int64_t>(cost.targets_size(), cost.range().count());
  return count > 0 ? absl::StrCat(count, count == 1 ? " target" : " targets") : cost.target();
}

std::string TargetText(const v1::Job& job) {
  const std::string unit = ConstrainedUnit(job.plan());
  const std::string text = CostText(job.plan().target(), unit);
  if (job.plan().targets_size() > 1) {
    return absl::StrCat(job.plan().targets_size(), " targets, ", text, " to ",
                        CostText(*job.plan().targets().rbegin(), unit));
  }
  const std::string& asked = job.spec().cost().target();
  return asked.empty() || asked == text ? text : absl::StrCat(text, " (", asked, ")");
}

}  // namespace precis::client
