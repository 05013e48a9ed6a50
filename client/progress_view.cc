// One line of progress, as long as there is room for.
#include "client/progress_view.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/proto_names.h"
#include "client/units.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

constexpr int kBarCells = 20;
// Below this share of the work an estimate of the rest is a guess.
constexpr double kLeastShareForEstimate = 0.01;

// A figure of the line; of those that do not fit, the highest `rank` goes first.
struct Part {
  std::string full;
  std::string brief;
  int rank = 0;
};

double Seconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + 1e-9 * time.nanos();
}

std::string Join(const std::vector<Part>& parts, bool brief) {
  std::string line;
  for (const Part& part : parts) {
    const std::string& text = brief ? part.brief : part.full;
    if (text.empty()) continue;
    absl::StrAppend(&line, line.empty() ? "" : brief ? " " : "  ", text);
  }
  return line;
}

std::string Fit(std::vector<Part> parts, size_t columns) {
  std::string line = Join(parts, false);
  if (DisplayWidth(line) <= columns) return line;
  for (line = Join(parts, true); DisplayWidth(line) > columns && parts.size() > 1; line = Join(parts, true)) {
    parts.erase(std::max_element(parts.begin(), parts.end(),
                                 [](const Part& a, const Part& b) { return a.rank < b.rank; }));
  }
  return std::string(CutToWidth(line, columns));
}

std::string Bar(double fraction) {
  const auto filled = static_cast<size_t>((fraction > 0 ? std::min(fraction, 1.0) : 0.0) * kBarCells);
  return absl::StrCat("[", std::string(filled, '#'), std::string(kBarCells - filled, '-'), "]");
}

std::string StateText(v1::Job::State state) {
  switch (state) {
    case v1::Job::PENDING:
      return "waiting for its turn";
    case v1::Job::SUCCEEDED:
      return "succeeded";
    case v1::Job::FAILED:
      return "failed";
    case v1::Job::CANCELLED:
      return "cancelled";
    case v1::Job::PAUSED:
      return "paused";
    default:
      return "running";
  }
}

std::string PhaseText(v1::Phase phase) {
  const auto* value = v1::Phase_descriptor()->FindValueByNumber(phase);
  return value == nullptr || phase == v1::PHASE_UNSPECIFIED ? "starting" : ShortEnumName(*value);
}

}  // namespace

ProgressView::ProgressView(v1::Job job) : job_(std::move(job)) {
  if (job_.has_start_time()) started_s_ = Seconds(job_.start_time());
}

void ProgressView::Apply(const v1::JobEvent& event) {
  last_event_ = event.number();
  if (event.has_time()) now_s_ = Seconds(event.time());
  switch (event.event_case()) {
    case v1::JobEvent::kStateChange:
      job_.set_state(event.state_change().state());
      job_.set_error(event.state_change().error());
      if (job_.state() == v1::Job::RUNNING && event.state_change().notice().empty()) started_s_ = now_s_;
      break;
    case v1::JobEvent::kProgress:
      *job_.mutable_progress() = event.progress();
      break;
    case v1::JobEvent::kCandidate: {
      const v1::Candidate& candidate = event.candidate();
      if (candidate.feasible() && !std::isnan(candidate.search().accuracy()))
        best_accuracy_ = std::max(best_accuracy_.value_or(0), candidate.search().accuracy());
      break;
    }
    case v1::JobEvent::EVENT_NOT_SET:
      break;
  }
}

std::optional<double> ProgressView::SecondsLeft() const {
  const double fraction = job_.progress().fraction();
  if (started_s_ == 0 || now_s_ <= started_s_ || !(fraction >= kLeastShareForEstimate)) return std::nullopt;
  return (now_s_ - started_s_) * std::max(0.0, 1 - fraction) / fraction;
}

std::string ProgressView::CostOfTarget(double cost, bool brief) const {
  const v1::Plan& plan = job_.plan();
  std::string unit;
  for (const v1::CostMetric& metric : plan.costs())
    if (metric.name() == plan.constrained_metric()) unit = metric.unit();
  std::string text = CostText(cost, unit);
  if (plan.target() > 0) {
    const double share = cost / plan.target();
    absl::StrAppend(&text, " (", brief ? absl::StrFormat("%.0f%%", share * 100) : PercentText(share),
                    brief ? ")" : " of target)");
  }
  return text;
}

std::string ProgressView::Line(size_t width, bool bar) const {
  if (job_.state() != v1::Job::RUNNING) return std::string(CutToWidth(StateText(job_.state()), width));
  const v1::Progress& progress = job_.progress();
  const std::string phase = PhaseText(progress.phase());
  std::vector<Part> parts;
  const auto add = [&parts](int rank, std::string full, std::string brief) {
    parts.push_back({std::move(full), std::move(brief), rank});
  };
  add(0, absl::StrFormat("%-7s", phase), phase);
  if (bar) add(9, Bar(progress.fraction()), "");
  const std::string percent = absl::StrFormat("%.0f%%", 100 * progress.fraction());
  add(2, absl::StrFormat("%4s", percent), percent);
  if (progress.total_steps() > 0) {
    const std::string steps = absl::StrCat(progress.step(), "/", progress.total_steps());
    add(1, absl::StrCat("step ", steps), steps);
  }
  if (progress.images_per_second() > 0) {
    const std::string rate = absl::StrFormat("%.0f", progress.images_per_second());
    add(6, absl::StrCat(rate, " images/s"), absl::StrCat(rate, " img/s"));
  }
  if (const std::optional<double> left = SecondsLeft())
    add(3, absl::StrCat(DurationText(*left), " left"), absl::StrCat(DurationText(*left), " left"));
  // Of sampled configurations; later there are none.
  const bool samples = progress.phase() == v1::PHASE_WARMUP || progress.phase() == v1::PHASE_SEARCH;
  if (progress.step() > 0 && samples) {
    add(7, absl::StrFormat("reward %.3f", progress.reward()), absl::StrFormat("R %.3f", progress.reward()));
    if (progress.cost() > 0)
      add(5, absl::StrCat("cost ", CostOfTarget(progress.cost(), false)),
          CostOfTarget(progress.cost(), true));
  }
  if (progress.step() > 0) {
    const std::string accuracy = absl::StrFormat("%.1f%%", 100 * progress.train_accuracy());
    add(4, absl::StrCat("accuracy ", accuracy), absl::StrCat("acc ", accuracy));
  }
  if (best_accuracy_.has_value()) {
    const std::string best = absl::StrCat("best ", AccuracyText(*best_accuracy_));
    add(8, best, best);
  }
  if (progress.loader_wait_share() >= 0.005) {
    const std::string share = absl::StrFormat("%.0f%%", 100 * progress.loader_wait_share());
    add(11, absl::StrCat("waiting for images ", share), absl::StrCat("wait ", share));
  }
  if (progress.rejected_steps() > 0) {
    const std::string rejected = absl::StrCat("rejected ", progress.rejected_steps());
    add(10, rejected, rejected);
  }
  return Fit(std::move(parts), width);
}

std::string ProgressView::LiveLine(int columns, bool color) const {
  std::string line = Line(static_cast<size_t>(std::max(columns, 2) - 1), true);
  if (!color) return line;
  const size_t first_word = std::min(line.find(' '), line.size());
  return absl::StrCat("\x1b[1;36m", line.substr(0, first_word), "\x1b[0m", line.substr(first_word));
}

std::string ProgressView::PlainLine() const {
  constexpr size_t kUnlimited = 1000;
  return Line(kUnlimited, false);
}

std::string ProgressView::CandidateLine(const v1::Candidate& candidate) const {
  std::string text =
      absl::StrCat("candidate ", LastPart(candidate.name()), " (",
                   ShortEnumName(*v1::Candidate::Origin_descriptor()->FindValueByNumber(
                       v1::Candidate::Origin_IsValid(candidate.origin()) ? candidate.origin() : 0)));
  if (!candidate.label().empty()) absl::StrAppend(&text, ", ", candidate.label());
  absl::StrAppend(&text, "): ");
  if (const v1::Cost* cost = FindCost(candidate, job_.plan().constrained_metric()))
    absl::StrAppend(&text, CostOfTarget(cost->value(), false), ", ");
  absl::StrAppend(&text, "search accuracy ", AccuracyText(candidate.search().accuracy()));
  if (candidate.has_test())
    absl::StrAppend(&text, ", test accuracy ", AccuracyText(candidate.test().accuracy()));
  return text;
}

}  // namespace precis::client
