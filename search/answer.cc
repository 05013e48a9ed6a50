// A letter, then the numbers of the answer.
#include "search/answer.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace precis::search {
namespace {

constexpr uint32_t kMostRanges = 1000000;

template <typename Number>
void Put(std::string& bytes, Number number) {
  static_assert(std::is_arithmetic_v<Number>);
  char raw[sizeof(number)];
  std::memcpy(raw, &number, sizeof(number));
  bytes.append(raw, sizeof(number));
}

void PutQuality(std::string& bytes, const Quality& quality) {
  Put(bytes, quality.accuracy);
  Put(bytes, quality.loss);
  Put(bytes, quality.images);
}

struct Writer {
  std::string& bytes;

  void operator()(const StepOutcome& step) const {
    bytes.push_back(step.applied ? 'S' : 's');
    Put(bytes, step.loss);
    Put(bytes, step.accuracy);
  }
  void operator()(const Quality& quality) const {
    bytes.push_back('Q');
    PutQuality(bytes, quality);
  }
  void operator()(const Evaluation& evaluation) const {
    bytes.push_back('E');
    PutQuality(bytes, evaluation.quality);
    Put(bytes, static_cast<uint32_t>(evaluation.activation_ranges.size()));
    for (const ActivationRange& range : evaluation.activation_ranges) {
      Put(bytes, range.low);
      Put(bytes, range.high);
    }
  }
  void operator()(WeightsSaved /*saved*/) const { bytes.push_back('W'); }
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  bool AtEnd() const { return at_ == bytes_.size(); }
  size_t at() const { return at_; }
  bool failed() const { return failed_; }

  template <typename Number>
  Number Get() {
    Number number{};
    if (bytes_.size() - at_ < sizeof(number)) {
      failed_ = true;
      at_ = bytes_.size();
      return number;
    }
    std::memcpy(&number, bytes_.data() + at_, sizeof(number));
    at_ += sizeof(number);
    return number;
  }

  Answer Next() {
    const char kind = Get<char>();
    switch (kind) {
      case 'S':
      case 's': {
        StepOutcome step{.applied = kind == 'S'};
        step.loss = Get<double>();
        step.accuracy = Get<double>();
        return step;
      }
      case 'Q':
        return GetQuality();
      case 'E': {
        Evaluation evaluation{.quality = GetQuality(), .activation_ranges = {}};
        const auto count = Get<uint32_t>();
        failed_ = failed_ || count > kMostRanges;
        for (uint32_t i = 0; i < count && !failed_; ++i) {
          ActivationRange range;
          range.low = Get<double>();
          range.high = Get<double>();
          evaluation.activation_ranges.push_back(range);
        }
        return evaluation;
      }
      case 'W':
        return WeightsSaved{};
      default:
        failed_ = true;
        return WeightsSaved{};
    }
  }

 private:
  Quality GetQuality() {
    Quality quality;
    quality.accuracy = Get<double>();
    quality.loss = Get<double>();
    quality.images = Get<int64_t>();
    return quality;
  }

  std::string_view bytes_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace

std::string AnswersToBytes(const std::vector<Answer>& answers) {
  std::string bytes;
  for (const Answer& answer : answers) std::visit(Writer{bytes}, answer);
  return bytes;
}

absl::StatusOr<std::vector<Answer>> AnswersFromBytes(std::string_view bytes) {
  std::vector<Answer> answers;
  Reader reader(bytes);
  while (!reader.AtEnd()) {
    const size_t begin = reader.at();
    answers.push_back(reader.Next());
    if (reader.failed()) {
      return absl::DataLossError(absl::StrCat("the answers are damaged at byte ", begin));
    }
  }
  return answers;
}

}  // namespace precis::search
