// Access: which calls ask for what. The whole policy is one table; what is not in it is refused.
//
// Threading: pure functions.
#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "server/store/credential_store.h"

namespace precis::server {

enum class Access {
  kOpen,    // anyone, so that load balancers may ask for health
  kRead,    // a token, as are the next two
  kSubmit,  // changes jobs
  kAdmin,   // changes who may call; backups
  kWorker,  // a worker's secret, which the WorkerService itself checks against the job
  kDenied,  // nobody: not a call we know
};

// Every method of every service that a precisd serves, by its path: "/precis.v1.SearchService/GetJob".
const std::map<std::string, Access, std::less<>>& AccessTable();

Access AccessOf(absl::string_view method);

// Whether a token of this role may make such a call.
bool Allows(Role role, Access access);

// "read", "submit", "admin".
absl::string_view RoleName(Role role);
// The least role that may make such a call; only for kRead to kAdmin.
Role LeastRole(Access access);

}  // namespace precis::server
