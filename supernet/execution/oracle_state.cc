// The state of a SupernetOracle as a file. Tensors: the parameters by name, "range NAME" (RangeBook::Name)
// for every range that is kept, "momentum NAME" for every parameter and learned range. Numbers are metadata.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "supernet/execution/supernet_oracle.h"
#include "supernet/execution/torch_guard.h"
#include "supernet/execution/weight_exchange.h"
#include "supernet/formats/check.h"

namespace precis {
namespace {

constexpr char kKind[] = "precis oracle state 1";
constexpr char kRange[] = "range ";
constexpr char kMomentum[] = "momentum ";

// Reads a file's parts and remembers the first that is not as it must be.
class StateReader {
 public:
  explicit StateReader(const WeightFile& file) : file_(file) {}

  std::string Text(const std::string& name) {
    const auto found = file_.metadata.find(name);
    if (found != file_.metadata.end()) return found->second;
    Fail(absl::StrCat(name, " is missing"));
    return "";
  }

  int64_t Int(const std::string& name) {
    int64_t value = 0;
    if (!absl::SimpleAtoi(Text(name), &value) || value < 0) Fail(absl::StrCat(name, " is no count"));
    return value;
  }

  // Hexadecimal, and so exact.
  double Double(const std::string& name) {
    const std::string text = Text(name);
    double value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::hex);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
      Fail(absl::StrCat(name, " is no number"));
    }
    return value;
  }

  // Of any shape, for `like` undefined; else the shape is that of `like`.
  at::Tensor Tensor(const std::string& name, const at::Tensor& like = {}) {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end() || (like.defined() && like.sizes() != found->second.shape)) {
      Fail(absl::StrCat(name, " is missing or of another shape"));
      return {};
    }
    return FromHost(found->second);
  }

  void Fail(const std::string& fault) {
    if (status_.ok()) status_ = absl::DataLossError(absl::StrCat("The state does not fit: ", fault, "."));
  }
  const absl::Status& status() const { return status_; }

 private:
  const WeightFile& file_;
  absl::Status status_;
};

std::string HexText(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value, std::chars_format::hex);
  return {text, end.ptr};
}

}  // namespace

absl::Status SupernetOracle::SaveState(const std::string& path) {
  return Guarded("saving the state", [&] {
    WeightFile file;
    std::vector<std::string> names;
    for (const Parameter& parameter : net_.parameters()) {
      file.tensors[parameter.name] = ToHost(parameter.value);
      names.push_back(parameter.name);
    }
    std::map<const void*, std::string> name_of_range;
    for (const auto& [key, range] : net_.ranges().ranges()) {
      const std::string name = RangeBook::Name(net_.graph(), key);
      file.tensors[kRange + name] = ToHost(range);
      name_of_range[range.unsafeGetTensorImpl()] = name;
    }
    std::string learned;
    for (const at::Tensor& range : learned_) {
      names.push_back(name_of_range.at(range.unsafeGetTensorImpl()));
      absl::StrAppend(&learned, learned.empty() ? "" : "\n", names.back());
    }
    for (size_t i = 0; i < names.size(); ++i) {
      file.tensors[kMomentum + names[i]] = ToHost(optimizer_.momentum()[i]);
    }
    file.metadata = {{"kind", kKind},
                     {"precis_version", PRECIS_VERSION},
                     {"model", net_.graph().name()},
                     {"learned", learned},
                     {"step", absl::StrCat(step_)},
                     {"probed_images", absl::StrCat(probed_images_)},
                     {"gradient_usual_log", HexText(gradient_watch_.known().usual_log)},
                     {"gradient_steps", absl::StrCat(gradient_watch_.known().steps)},
                     {"gradient_refused_run", absl::StrCat(gradient_watch_.known().refused_run)}};
    return WriteWeightFile(file, path);
  });
}

absl::Status SupernetOracle::Restore(const WeightFile& file) {
  StateReader reader(file);
  if (reader.Text("kind") != kKind || reader.Text("precis_version") != PRECIS_VERSION ||
      reader.Text("model") != net_.graph().name()) {
    reader.Fail("it is of another network or another version of Precis");
  }
  const int64_t step = reader.Int("step");
  const int64_t probed = reader.Int("probed_images");
  const GradientWatch::Known gradients = {.usual_log = reader.Double("gradient_usual_log"),
                                          .steps = reader.Int("gradient_steps"),
                                          .refused_run = reader.Int("gradient_refused_run")};
  const c10::Device device = net_.parameters().front().value.device();
  std::vector<std::pair<at::Tensor, at::Tensor>> copies;  // to, from
  size_t tensors = 0;
  for (size_t i = 0; i < net_.parameters().size(); ++i) {
    const Parameter& parameter = net_.parameters()[i];
    const at::Tensor momentum = optimizer_.momentum()[i];
    copies.emplace_back(parameter.value, reader.Tensor(parameter.name, parameter.value));
    copies.emplace_back(momentum, reader.Tensor(kMomentum + parameter.name, momentum));
    tensors += 2;
  }
  std::vector<std::pair<RangeKey, at::Tensor>> ranges;
  for (const auto& [name, tensor] : file.tensors) {
    if (!absl::StartsWith(name, kRange)) continue;
    const absl::StatusOr<RangeKey> key = RangeBook::ParseName(net_.graph(), name.substr(sizeof(kRange) - 1));
    if (!key.ok()) {
      reader.Fail(absl::StrCat(name, " is no range of this network"));
      continue;
    }
    ranges.emplace_back(*key, FromHost(tensor).to(device));
    ++tensors;
  }
  std::vector<std::pair<RangeKey, at::Tensor>> learned;  // with momentum
  const std::vector<std::string> names = absl::StrSplit(reader.Text("learned"), '\n', absl::SkipEmpty());
  for (const std::string& name : names) {
    const absl::StatusOr<RangeKey> key = RangeBook::ParseName(net_.graph(), name);
    const at::Tensor range = reader.Tensor(absl::StrCat(kRange, name));
    if (!key.ok() || !range.defined()) {
      reader.Fail(absl::StrCat(name, " is no range of this network"));
      continue;
    }
    learned.emplace_back(*key, reader.Tensor(absl::StrCat(kMomentum, name), range));
    ++tensors;
  }
  if (tensors != file.tensors.size()) reader.Fail("there are tensors that nobody knows");
  if (!reader.status().ok()) return reader.status();

  const c10::NoGradGuard no_gradients;
  for (const auto& [to, from] : copies) to.copy_(from);
  tuned_.clear();
  net_.ranges().Clear();
  for (const auto& [key, range] : ranges) net_.ranges().Restore(key, range);
  optimizer_.Truncate(net_.parameters().size());
  learned_.clear();
  for (const auto& [key, momentum] : learned) {
    learned_.push_back(net_.ranges().Find(key));
    optimizer_.Add(learned_.back());
    const at::Tensor fresh = optimizer_.momentum().back();
    fresh.copy_(momentum);
  }
  gradient_watch_.Restore(gradients);
  step_ = step;
  probed_images_ = probed;
  train_batches_.Skip(step);
  for (int64_t left = probed; left > 0; left -= options_.evaluation_batch_size) {
    search_order_.Next(std::min(left, options_.evaluation_batch_size));
  }
  return absl::OkStatus();
}

absl::Status SupernetOracle::LoadState(const std::string& path) {
  PRECIS_CHECK(step_ == 0 && probed_images_ == 0);
  return Guarded("loading the state", [&]() -> absl::Status {
    const absl::StatusOr<WeightFile> file = ReadWeightFile(path);
    if (!file.ok()) return file.status();
    return Restore(*file);
  });
}

}  // namespace precis
