// The AdminService: tokens, the audit, backups and checks. Errors are those promised in
// proto/precis/v1/admin_service.proto; who may call is the gate's matter.
//
// Threading: as gRPC's synchronous services: any number of calls at once.
#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "precis/v1/admin_service.grpc.pb.h"
#include "server/audit_log.h"
#include "server/backup_place.h"
#include "server/token_book.h"

namespace precis::server {

class AdminServiceImpl final : public v1::AdminService::Service {
 public:
  // Book and log must outlive the service. `tokens_count`: whether the server asks for tokens.
  // places.data_dir is the server's.
  AdminServiceImpl(TokenBook* book, AuditLog* audit, bool tokens_count, BackupPlaces places)
      : book_(book), audit_(audit), tokens_count_(tokens_count), places_(std::move(places)) {}

  grpc::Status CreateToken(grpc::ServerContext* context, const v1::CreateTokenRequest* request,
                           v1::CreateTokenResponse* response) override;
  grpc::Status ListTokens(grpc::ServerContext* context, const v1::ListTokensRequest* request,
                          v1::ListTokensResponse* response) override;
  grpc::Status RevokeToken(grpc::ServerContext* context, const v1::RevokeTokenRequest* request,
                           v1::Token* response) override;
  grpc::Status ListAuditRecords(grpc::ServerContext* context, const v1::ListAuditRecordsRequest* request,
                                v1::ListAuditRecordsResponse* response) override;
  // These two are in admin_upkeep.cc.
  grpc::Status CreateBackup(grpc::ServerContext* context, const v1::CreateBackupRequest* request,
                            v1::CreateBackupResponse* response) override;
  grpc::Status CheckData(grpc::ServerContext* context, const v1::CheckDataRequest* request,
                         v1::CheckDataResponse* response) override;

 private:
  TokenBook* const book_;
  AuditLog* const audit_;
  const bool tokens_count_;
  const BackupPlaces places_;
};

}  // namespace precis::server
