// inspect.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/model_path.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

// What fits into a message beside everything else in it.
constexpr std::uintmax_t kMostSentBytes = (std::uintmax_t{4} << 20) - (64 << 10);

std::string ShapeOf(const google::protobuf::RepeatedField<int64_t>& shape) {
  return absl::StrJoin(shape, "x");
}

// The file's bytes, if they are at hand and few enough; else the server reads it.
absl::StatusOr<v1::InspectModelRequest> MakeRequest(const InspectOptions& options) {
  v1::InspectModelRequest request;
  request.set_path(AbsolutePath(options.path, ""));
  request.set_output(options.output_name);
  request.mutable_input_shape()->Assign(options.input_shape.begin(), options.input_shape.end());
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(options.path, error);
  if (options.on_server || (!error && size > kMostSentBytes)) return request;
  errno = 0;
  std::ifstream stream(options.path, std::ios::binary);
  if (!stream) {
    return absl::NotFoundError(absl::StrCat("cannot open ", Printable(options.path, 200), ": ",
                                            std::strerror(errno),
                                            ". Of a file on the server's machine, say --on-server."));
  }
  std::string& content = *request.mutable_content();
  content.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  if (content.empty()) return absl::InvalidArgumentError(absl::StrCat(options.path, " is empty."));
  return request;
}

void Print(const v1::InspectModelResponse& model, std::ostream& out) {
  out << Printable(model.name()) << ": " << ShapeOf(model.input_shape()) << " to " << model.classes()
      << " classes, " << model.layers_size() << " layers, "
      << absl::StrFormat("%.4g MMACs, %d parameters", static_cast<double>(model.macs()) / 1e6,
                         model.parameters())
      << "\ninput " << Printable(model.input()) << (model.channels_last() ? " (channels last)" : "")
      << ", output " << Printable(model.output()) << (model.softmax_left_out() ? " (before the softmax)" : "")
      << ", opset " << model.opset()
      << (model.producer().empty() ? "" : ", by " + Printable(model.producer())) << "\n";
  for (const auto& [key, value] : model.metadata())
    out << "metadata " << Printable(key) << ": " << Printable(value, 200) << "\n";
  out << "\n";
  Table table({{"LAYER"}, {"KIND"}, {"OUTPUT"}, {"MACS", true}, {"WEIGHTS", true}, {"INPUT"}, {"GROUP"}});
  for (const v1::InspectedLayer& layer : model.layers())
    table.AddRow({layer.name(), layer.kind(), ShapeOf(layer.output_shape()), absl::StrCat(layer.macs()),
                  absl::StrCat(layer.weights()), layer.nonnegative_input() ? "never below 0" : "",
                  layer.group()});
  out << table.Text();
}

}  // namespace

absl::StatusOr<int> Inspect(Session session, const InspectOptions& options) {
  const absl::StatusOr<v1::InspectModelRequest> request = MakeRequest(options);
  if (!request.ok()) return request.status();
  const auto model = session.connection.Call(&Connection::Stub::InspectModel, *request);
  if (!model.ok()) return model.status();
  if (options.output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*model));
  } else if (model->faults().empty()) {
    Print(*model, *session.environment.out);
  }
  for (const std::string& fault : model->faults())
    *session.environment.err << "precis: " << Printable(fault, 100000) << "\n";
  return model->faults().empty() ? kExitOk : kExitUsage;
}

}  // namespace precis::client
