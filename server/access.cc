// The table.
#include "server/access.h"

#include <string_view>

#include "supernet/formats/check.h"

namespace precis::server {

const std::map<std::string, Access, std::less<>>& AccessTable() {
  static const auto* const table = new std::map<std::string, Access, std::less<>>{
      {"/precis.v1.SearchService/SubmitJob", Access::kSubmit},
      {"/precis.v1.SearchService/GetJob", Access::kRead},
      {"/precis.v1.SearchService/ListJobs", Access::kRead},
      {"/precis.v1.SearchService/WatchJob", Access::kRead},
      {"/precis.v1.SearchService/CancelJob", Access::kSubmit},
      {"/precis.v1.SearchService/PauseJob", Access::kSubmit},
      {"/precis.v1.SearchService/ResumeJob", Access::kSubmit},
      {"/precis.v1.SearchService/RetryJob", Access::kSubmit},
      {"/precis.v1.SearchService/DeleteJob", Access::kSubmit},
      {"/precis.v1.SearchService/ListCandidates", Access::kRead},
      {"/precis.v1.SearchService/GetParetoFront", Access::kRead},
      {"/precis.v1.SearchService/ChooseCandidate", Access::kRead},
      {"/precis.v1.SearchService/ExportCandidate", Access::kRead},
      {"/precis.v1.SearchService/ListFormats", Access::kRead},
      {"/precis.v1.SearchService/ListCosts", Access::kRead},
      {"/precis.v1.SearchService/ListModels", Access::kRead},
      {"/precis.v1.SearchService/InspectModel", Access::kSubmit},
      {"/precis.v1.SearchService/GetServerInfo", Access::kRead},
      {"/precis.v1.AdminService/CreateToken", Access::kAdmin},
      {"/precis.v1.AdminService/ListTokens", Access::kAdmin},
      {"/precis.v1.AdminService/RevokeToken", Access::kAdmin},
      {"/precis.v1.AdminService/ListAuditRecords", Access::kAdmin},
      {"/precis.v1.AdminService/CreateBackup", Access::kAdmin},
      {"/precis.v1.AdminService/CheckData", Access::kAdmin},
      {"/precis.v1.WorkerService/StartWork", Access::kWorker},
      {"/precis.v1.WorkerService/ReportBatch", Access::kWorker},
      {"/precis.v1.WorkerService/FinishWork", Access::kWorker},
      {"/grpc.health.v1.Health/Check", Access::kOpen},
      {"/grpc.health.v1.Health/Watch", Access::kOpen},
      {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::kRead},
  };
  return *table;
}

Access AccessOf(absl::string_view method) {
  const auto found = AccessTable().find(std::string_view(method.data(), method.size()));
  return found == AccessTable().end() ? Access::kDenied : found->second;
}

Role LeastRole(Access access) {
  PRECIS_CHECK(access == Access::kRead || access == Access::kSubmit || access == Access::kAdmin);
  return access == Access::kRead ? Role::kRead : access == Access::kSubmit ? Role::kSubmit : Role::kAdmin;
}

bool Allows(Role role, Access access) {
  switch (access) {
    case Access::kOpen:
      return true;
    case Access::kRead:
    case Access::kSubmit:
    case Access::kAdmin:
      return role >= LeastRole(access);
    case Access::kWorker:
    case Access::kDenied:
      return false;
  }
  return false;
}

absl::string_view RoleName(Role role) {
  return role == Role::kRead ? "read" : role == Role::kSubmit ? "submit" : "admin";
}

}  // namespace precis::server
