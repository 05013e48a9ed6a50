// `precisd restore BACKUP`: verifies a backup and, with --data-dir, restores it. No server is needed, and
// none may run on the data folder.
//
//   precisd restore /srv/backups/monday --verify               reads it whole, changes nothing
//   precisd restore /srv/backups/monday --data-dir ~/precis    verifies it, then writes it to an empty folder
//
// Exit code: 0 if all is whole (and restored), 1 otherwise, 2 for bad options.
#pragma once

namespace precis::server {

// The whole command; argv[0] is "restore".
int RestoreMain(int argc, char** argv);

}  // namespace precis::server
