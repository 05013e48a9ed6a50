// Telling the service manager how far we are: systemd's notification protocol (Type=notify).
#pragma once

#include "absl/strings/string_view.h"

namespace precis::server {

// Sends `state` ("READY=1", "STOPPING=1") to the socket that NOTIFY_SOCKET names; does nothing where there is
// none. What goes wrong is logged and otherwise ignored: the service runs all the same.
void NotifyServiceManager(absl::string_view state);

}  // namespace precis::server
