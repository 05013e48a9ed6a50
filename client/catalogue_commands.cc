// costs, models, version.
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/commands.h"
#include "client/exit_codes.h"
#include "client/utf8.h"

namespace precis::client {
namespace {

std::string Millions(int64_t count) {
  const auto value = static_cast<double>(count);
  return value < 9999.5e6 ? absl::StrFormat("%.4gM", value / 1e6) : absl::StrFormat("%.4gG", value / 1e9);
}

// Of data whose sizes lie in their files there is nothing to tell.
std::string Known(int64_t size) { return size > 0 ? absl::StrCat(size) : ""; }

std::string DatasetShape(const v1::DatasetInfo& data) {
  if (data.train_images() == 0) return "";
  return absl::StrCat(data.channels(), "x", data.height(), "x", data.width());
}

}  // namespace

absl::StatusOr<int> Costs(Session session, OutputFormat output) {
  const auto response = session.connection.Call(&Connection::Stub::ListCosts, v1::ListCostsRequest());
  if (!response.ok()) return response.status();
  if (output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*response));
  } else if (output == OutputFormat::kCsv) {
    Table table({{"name"}, {"unit"}, {"basis"}});
    for (const v1::CostMetric& metric : response->costs())
      table.AddRow({metric.name(), metric.unit(), metric.basis()});
    *session.environment.out << table.Csv();
  } else {
    for (const v1::CostMetric& metric : response->costs())
      *session.environment.out << Printable(metric.name()) << " (" << Printable(metric.unit())
                               << "): " << Printable(metric.basis(), 2000) << ".\n";
  }
  return kExitOk;
}

absl::StatusOr<int> Models(Session session, OutputFormat output) {
  const auto response = session.connection.Call(&Connection::Stub::ListModels, v1::ListModelsRequest());
  if (!response.ok()) return response.status();
  if (output == OutputFormat::kJson) {
    *session.environment.out << JsonDocument(MessageToJson(*response));
    return kExitOk;
  }
  if (output == OutputFormat::kCsv) {
    Table table({{"kind"},
                 {"name"},
                 {"macs"},
                 {"parameters"},
                 {"input"},
                 {"train_images"},
                 {"test_images"},
                 {"classes"},
                 {"description"}});
    for (const v1::ModelInfo& model : response->models())
      table.AddRow({"model", model.name(), absl::StrCat(model.macs()), absl::StrCat(model.parameters()),
                    model.input(), "", "", "", model.description()});
    for (const v1::DatasetInfo& data : response->datasets())
      table.AddRow({"dataset", data.name(), "", "", DatasetShape(data), Known(data.train_images()),
                    Known(data.test_images()), Known(data.classes()), data.description()});
    *session.environment.out << table.Csv();
    return kExitOk;
  }
  Table models({{"MODEL"}, {"MACS", true}, {"PARAMETERS", true}, {"INPUT"}, {"DESCRIPTION"}});
  for (const v1::ModelInfo& model : response->models())
    models.AddRow({model.name(), Millions(model.macs()), Millions(model.parameters()), model.input(),
                   model.description()});
  Table data({{"DATA SET"}, {"IMAGES"}, {"CLASSES", true}, {"TRAIN", true}, {"TEST", true}, {"DESCRIPTION"}});
  for (const v1::DatasetInfo& set : response->datasets())
    data.AddRow({set.name(), DatasetShape(set), Known(set.classes()), Known(set.train_images()),
                 Known(set.test_images()), set.description()});
  *session.environment.out << models.Text() << "\n" << data.Text();
  return kExitOk;
}

absl::StatusOr<int> Version(Session session, OutputFormat output) {
  const auto info = session.connection.Call(&Connection::Stub::GetServerInfo, v1::GetServerInfoRequest());
  if (output == OutputFormat::kJson) {
    nlohmann::ordered_json json;
    json["client"] = PRECIS_VERSION;
    json["server_address"] = session.connection.address();
    json["server"] = nullptr;
    if (info.ok()) json["server"] = MessageToJson(*info);
    *session.environment.out << JsonDocument(json);
    return kExitOk;
  }
  *session.environment.out << "precis " << PRECIS_VERSION << "\n";
  if (info.ok()) {
    *session.environment.out << "precisd " << info->version() << " at " << session.connection.address()
                             << ", " << info->running_jobs() << " running, " << info->pending_jobs()
                             << " pending\n";
  } else if (absl::IsUnauthenticated(info.status()) || absl::IsPermissionDenied(info.status())) {
    *session.environment.err << std::string(info.status().message()) << "\n";
  } else {
    *session.environment.err << "No server at " << session.connection.address() << ".\n";
  }
  return kExitOk;
}

}  // namespace precis::client
